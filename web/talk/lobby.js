/**
 * Looks which conversations are live, while there is no call on this page.
 */

import { LobbyView } from "../view/lobby-view.js";

/** @typedef {import("../bridge/sessions.js").Sessions} Sessions */
/** @typedef {import("../bridge/conversations.js").Conversations} Conversations */

const LOOK_EVERY_MS = 5_000;

export class Lobby {
  #sessions;
  #conversations;
  #view;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #isWanted = false;

  /**
   * @param {Sessions} sessions
   * @param {Conversations} conversations
   * @param {import("../texts/texts.js").Texts} texts
   * @param {(conversationId: string) => void} onJoin
   */
  constructor(sessions, conversations, texts, onJoin) {
    this.#sessions = sessions;
    this.#conversations = conversations;
    this.#view = new LobbyView(texts, onJoin);
  }

  /** @param {boolean} isWanted whether anybody can see it */
  set wanted(isWanted) {
    if (isWanted === this.#isWanted) return;
    this.#isWanted = isWanted;
    clearTimeout(this.#timer);
    if (isWanted) void this.#look();
    else this.#view.render([], new Map());
  }

  async #look() {
    let wait = LOOK_EVERY_MS;
    if (document.visibilityState === "visible") {
      try {
        const sessions = await this.#sessions.list();
        const titles = sessions.length ? await this.#titles() : new Map();
        if (this.#isWanted) this.#view.render(sessions, titles);
      } catch {
        wait *= 6; // refused, or a bridge without a list: the call itself will say why
      }
    }
    if (this.#isWanted) this.#timer = setTimeout(() => this.#look(), wait);
  }

  /** @returns {Promise<Map<string, string>>} */
  async #titles() {
    try {
      const all = await this.#conversations.list();
      return new Map(all.map(({ id, title }) => [id, title ?? ""]));
    } catch {
      return new Map(); // nothing is kept here
    }
  }
}

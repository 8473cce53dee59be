/**
 * The conversations that are live, to be joined; shown while there is no call here.
 */

import { element, make } from "./element.js";

/** @typedef {import("../bridge/sessions.js").LiveSession} LiveSession */
/** @typedef {import("../texts/texts.js").Texts} Texts */

export class LobbyView {
  #texts;
  #onJoin;
  #shown = "";

  /**
   * @param {Texts} texts
   * @param {(conversationId: string) => void} onJoin
   */
  constructor(texts, onJoin) {
    this.#texts = texts;
    this.#onJoin = onJoin;
  }

  /**
   * @param {LiveSession[]} sessions
   * @param {Map<string, string>} titles by conversation id, where one has a title
   */
  render(sessions, titles) {
    const shown = JSON.stringify([this.#texts.language, sessions, [...titles]]);
    if (shown === this.#shown) return; // a button may be under a finger
    this.#shown = shown;
    element("lobby").hidden = sessions.length === 0;
    element("lobby-list").replaceChildren(
      ...sessions.map((session) => this.#row(session, titles)),
    );
  }

  /**
   * @param {LiveSession} session
   * @param {Map<string, string>} titles
   */
  #row(session, titles) {
    const { conversation_id, agent_name, clients = 0, started_at } = session;
    const title =
      titles.get(conversation_id) || agent_name || this.#texts.get("shelf.untitled");
    const words = [
      this.#texts.get(clients === 1 ? "lobby.people.one" : "lobby.people", {
        n: clients,
      }),
    ];
    const since = timeOf(started_at);
    if (since) {
      words.push(this.#texts.get("lobby.since", { time: this.#texts.moment(since) }));
    }
    const join = make("button", {
      type: "button",
      class: "button small",
      text: this.#texts.get("action.join.session"),
      "aria-label": `${this.#texts.get("action.join.session")}: ${title}`,
    });
    join.onclick = () => this.#onJoin(conversation_id);
    return make(
      "li",
      { class: "lobby-row" },
      make(
        "div",
        { class: "row-words" },
        make("strong", { text: title }),
        make("small", { text: words.join(" · ") }),
      ),
      join,
    );
  }
}

/**
 * @param {string | number | undefined} time ISO 8601, or seconds or milliseconds since 1970
 * @returns {number} ms, 0 when unknown
 */
export function timeOf(time) {
  if (typeof time === "number") return time < 1e11 ? time * 1_000 : time;
  return Date.parse(time ?? "") || 0;
}

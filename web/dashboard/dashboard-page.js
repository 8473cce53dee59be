/**
 * Looks at the bridge every two seconds while somebody looks at it.
 */

import { CallFailure } from "../call/failures.js";
import { askForYes } from "../view/ask-dialog.js";
import { saveFile } from "../view/save-file.js";
import { DashboardView } from "../view/dashboard-view.js";
import { figuresOf } from "./figures.js";

/** @typedef {import("../bridge/operations.js").Operations} Operations */
/** @typedef {import("../bridge/operations.js").Report} Report */
/** @typedef {import("../bridge/sessions.js").Sessions} Sessions */
/** @typedef {import("../bridge/sessions.js").LiveSession} LiveSession */
/** @typedef {import("./figures.js").Look} Look */

const LOOK_EVERY_MS = 2_000;
const REPORTS_EVERY_LOOKS = 15;
const HISTORY_LOOKS = 90;

export class DashboardPage {
  #operations;
  #sessions;
  #texts;
  #onFailure;
  #view;
  #isShown = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** @type {Look[]} */ #looks = [];
  /** @type {LiveSession[]} */ #live = [];
  /** @type {Report[]} */ #reports = [];
  /** @type {(number | null)[]} */ #cpuHistory = [];
  /** @type {CallFailure | null} */ #failure = null;
  #nLooks = 0;

  /**
   * @param {Operations} operations
   * @param {Sessions} sessions
   * @param {import("../texts/texts.js").Texts} texts
   * @param {(failure: CallFailure) => Promise<boolean>} onFailure whether it is worth
   *   another try at once
   */
  constructor(operations, sessions, texts, onFailure) {
    this.#operations = operations;
    this.#sessions = sessions;
    this.#texts = texts;
    this.#onFailure = onFailure;
    this.#view = new DashboardView(texts, {
      onEnd: (sessionId) => this.#end(sessionId),
      onReport: (name) => this.#openReport(name),
    });
  }

  /** @param {boolean} isShown */
  show(isShown) {
    if (isShown === this.#isShown) return;
    this.#isShown = isShown;
    clearTimeout(this.#timer);
    if (isShown) void this.#look();
  }

  render() {
    if (!this.#isShown) return;
    const now = this.#looks.at(-1);
    this.#view.render({
      figures: now ? figuresOf(now, this.#looks.at(-2) ?? null) : null,
      sessions: this.#live,
      reports: this.#reports,
      cpuHistory: this.#cpuHistory,
      failure: this.#failure,
      ageMs: now ? performance.now() - now.atMs : 0,
    });
  }

  async #look() {
    if (document.visibilityState === "visible") await this.#read();
    this.render();
    if (this.#isShown) this.#timer = setTimeout(() => this.#look(), LOOK_EVERY_MS);
  }

  async #read() {
    try {
      const [health, metrics, sessions] = await Promise.all([
        this.#operations.health(),
        this.#operations.metrics().catch(absent),
        this.#sessions.list().catch(absent),
      ]);
      this.#looks = [...this.#looks.slice(-1), { atMs: performance.now(), health, metrics }];
      this.#live = sessions ?? [];
      this.#failure = null;
      const [before, now] = [this.#looks.at(-2) ?? null, this.#looks.at(-1)];
      const cpu = now ? figuresOf(now, before).cpuPercent : null;
      this.#cpuHistory = [...this.#cpuHistory, cpu].slice(-HISTORY_LOOKS);
      if (this.#nLooks++ % REPORTS_EVERY_LOOKS === 0) {
        this.#reports = (await this.#operations.reports().catch(absent)) ?? [];
      }
    } catch (error) {
      this.#failure = CallFailure.from(error);
      if (await this.#onFailure(this.#failure)) await this.#read();
    }
  }

  /** @param {string} sessionId */
  async #end(sessionId) {
    const isSure = await askForYes({
      title: this.#texts.get("dashboard.end.title"),
      text: this.#texts.get("dashboard.end.text"),
      yes: this.#texts.get("dashboard.end"),
    });
    if (!isSure) return;
    try {
      await this.#sessions.close(sessionId);
    } catch (error) {
      this.#failure = CallFailure.from(error);
    }
    clearTimeout(this.#timer);
    await this.#look();
  }

  /** @param {string} name */
  async #openReport(name) {
    try {
      saveFile(await this.#operations.report(name), `${name}.html`);
    } catch (error) {
      this.#failure = CallFailure.from(error);
      this.render();
    }
  }
}

/**
 * What an older bridge does not have is simply not shown; a refusal is.
 *
 * @param {unknown} error
 * @returns {null}
 */
function absent(error) {
  const failure = CallFailure.from(error);
  if (failure.asksForKey) throw failure;
  return null;
}

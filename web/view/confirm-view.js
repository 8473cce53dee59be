/**
 * A tool that asks before it does something: what it wants, yes, no, and how long.
 */

import { element, setText } from "./element.js";
import { readable } from "./entry-item.js";

/** @typedef {import("../call/conversation.js").Entry} Entry */
/** @typedef {import("../texts/texts.js").Texts} Texts */

const EVERY_MS = 250;

export class ConfirmView {
  #texts;
  /** @type {Entry | null} */ #asking = null;
  #totalMs = 1;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #clock;

  /**
   * @param {Texts} texts
   * @param {(callId: string, approve: boolean) => void} onAnswer
   */
  constructor(texts, onAnswer) {
    this.#texts = texts;
    /** @type {(approve: boolean) => void} */
    const answer = (approve) => {
      if (!this.#asking) return;
      const { key } = this.#asking;
      this.render(null); // the bridge says what came of it
      onAnswer(key, approve);
    };
    element("confirm-approve").onclick = () => answer(true);
    element("confirm-deny").onclick = () => answer(false);
  }

  /** @param {Entry | null} entry the tool that waits */
  render(entry) {
    const isNew = entry !== this.#asking;
    this.#asking = entry;
    element("confirm").hidden = !entry;
    if (!entry) {
      clearInterval(this.#clock);
      return;
    }
    setText("confirm-title", this.#texts.get("confirm.title", { name: entry.text }));
    setText("confirm-arguments", readable(entry.arguments));
    element("confirm-arguments").hidden = entry.arguments === "";
    if (!isNew) return;
    this.#totalMs = Math.max(1, (entry.expiresAtMs ?? 0) - performance.now());
    clearInterval(this.#clock);
    this.#clock = setInterval(() => this.#tick(), EVERY_MS);
    this.#tick();
  }

  #tick() {
    const leftMs = Math.max(0, (this.#asking?.expiresAtMs ?? 0) - performance.now());
    const s = Math.ceil(leftMs / 1_000);
    setText("confirm-left", this.#texts.get("confirm.left", { s }));
    const share = Math.min(1, leftMs / this.#totalMs).toFixed(3);
    element("confirm-clock").style.setProperty("--left", share);
    if (leftMs === 0) this.render(null); // too late for this page; the bridge denies it
  }
}

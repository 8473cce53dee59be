/**
 * The quality of the connection: a word on the stage, everything else in its sheet.
 */

import { element, make, setText, sheet } from "./element.js";
import { FigureWords } from "./figure-words.js";
import { factRows } from "./parts.js";
import { drawSparkline } from "./sparkline.js";

/** @typedef {import("../call/connection-quality.js").Quality} Quality */
/** @typedef {import("../call/connection-quality.js").Hop} Hop */
/** @typedef {import("../texts/texts.js").Texts} Texts */
/** @typedef {import("../texts/texts.js").TextKey} TextKey */

export class ConnectionView {
  #dialog = sheet("connection");
  #open = element("connection-open", HTMLButtonElement);
  #texts;
  #words;
  /** @type {Quality | null} */ #shown = null;

  /** @param {Texts} texts */
  constructor(texts) {
    this.#texts = texts;
    this.#words = new FigureWords(texts);
    this.#open.onclick = () => {
      this.#dialog.showModal();
      if (this.#shown) this.render(this.#shown);
    };
  }

  /** After a change of language, and before anything is known. */
  translate() {
    const grade = this.#shown?.grade ?? "unknown";
    setText("quality-word", this.#texts.get(`quality.${grade}`));
  }

  /** @param {Quality} quality */
  render(quality) {
    this.#shown = quality;
    this.#open.dataset.grade = quality.grade;
    setText("quality-word", this.#texts.get(`quality.${quality.grade}`));
    setText("figure-rtt", this.#words.ms(quality.rttMs));
    const playout = quality.down.find((hop) => hop.name === "playout");
    setText("figure-buffer", this.#words.ms(playout?.ms ?? null));
    if (!this.#dialog.open) return;
    const word = element("connection-word");
    word.dataset.grade = quality.grade;
    setText(word, this.#texts.get(`quality.${quality.grade}.words`));
    drawSparkline(element("connection-plot", HTMLCanvasElement), quality.history, {
      unit: " ms",
    });
    this.#renderHops("hops-up", quality.up);
    this.#renderHops("hops-down", quality.down);
    this.#renderFacts(quality);
  }

  /**
   * @param {string} id
   * @param {Hop[]} hops
   */
  #renderHops(id, hops) {
    const total = hops.reduce((sum, hop) => sum + hop.ms, 0);
    const bars = hops.map((hop) => {
      const bar = make("span", { class: `hop hop-${hop.name}` });
      bar.style.flexGrow = String(Math.max(hop.ms, total / 100));
      return bar;
    });
    const words = hops.map((hop) =>
      make(
        "li",
        { class: `hop-word hop-${hop.name}` },
        make("span", { text: this.#texts.get(`hop.${hop.name}`) }),
        make("strong", { text: this.#words.ms(hop.ms) }),
      ),
    );
    element(id).replaceChildren(
      make("div", { class: "hop-bar", "aria-hidden": "true" }, ...bars),
      make("strong", { class: "hop-total", text: this.#words.ms(total) }),
      make("ul", { class: "hop-words" }, ...words),
    );
  }

  /** @param {Quality} quality */
  #renderFacts(quality) {
    const { leg, thread } = quality;
    /** @type {[TextKey, string][]} */
    const facts = [
      ["fact.jitter", this.#words.ms(quality.jitterMs)],
      ["fact.lost", this.#words.ms(quality.lostMs)],
      ["fact.concealed", this.#words.ms(quality.concealedMs)],
      ["fact.late", this.#words.ms(quality.lateMs)],
      ["fact.dropouts", this.#words.count(quality.dropouts)],
    ];
    if (leg) facts.push(["fact.leg", this.#texts.get(`leg.${leg}`)]);
    if (isThread(thread)) {
      facts.push(["fact.thread", this.#texts.get(`thread.${thread}`)]);
    }
    element("connection-list").replaceChildren(
      ...factRows(facts.map(([key, value]) => [this.#texts.get(key), value])),
    );
  }
}

/**
 * @param {string | null} thread
 * @returns {thread is "worker" | "page" | "track"}
 */
function isThread(thread) {
  return thread === "worker" || thread === "page" || thread === "track";
}

/**
 * The running conversation: its lines, the way to the newest, and what is read aloud.
 */

import { createEntryItem, updateEntryItem } from "./entry-item.js";
import { make } from "./element.js";
import { VirtualList } from "./virtual-list.js";

/** @typedef {import("../call/conversation.js").Entry} Entry */
/** @typedef {import("../texts/texts.js").Texts} Texts */

const MAX_ANNOUNCED = 5;

export class TranscriptView {
  /** @type {VirtualList<Entry>} */ #list;
  /** @type {WeakSet<Entry>} */ #announced = new WeakSet();
  /** @type {Texts} */ #texts;

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.list
   * @param {HTMLElement} parts.scroller
   * @param {HTMLElement} parts.empty shown while there is nothing
   * @param {HTMLElement} parts.latest button that leads to the end
   * @param {HTMLElement} parts.announcer live region; it gets finished lines only, so
   *   that a screen reader is not interrupted by every word
   * @param {Texts} texts
   */
  constructor(parts, texts) {
    this.parts = parts;
    this.#texts = texts;
    this.#list = new VirtualList({
      list: parts.list,
      scroller: parts.scroller,
      create: createEntryItem,
      update: (item, entry) => this.#update(item, entry),
      onScroll: () => (parts.latest.hidden = this.#list.follows),
    });
    parts.latest.addEventListener("click", () => {
      this.#list.toEnd();
      this.#list.render(this.#visible);
    });
  }

  /** @type {Entry[]} */ #visible = [];

  /** @param {Entry[]} entries */
  render(entries) {
    this.#visible = entries.filter((entry) => !entry.hidden);
    this.#list.render(this.#visible);
    this.parts.empty.hidden = this.#visible.length > 0;
  }

  /**
   * @param {HTMLElement} item
   * @param {Entry} entry
   */
  #update(item, entry) {
    if (updateEntryItem(item, entry, this.#texts)) this.#announce(entry);
  }

  /** @param {Entry} entry */
  #announce(entry) {
    if (!entry.final || this.#announced.has(entry) || entry.typed || entry.past) return;
    this.#announced.add(entry);
    this.parts.announcer.append(make("p", { text: this.#spoken(entry) }));
    while (this.parts.announcer.childElementCount > MAX_ANNOUNCED) {
      this.parts.announcer.firstElementChild?.remove();
    }
  }

  /** @param {Entry} entry */
  #spoken({ role, text, status }) {
    if (role === "tool") {
      return this.#texts.get(`tool.${endOf(status)}`, { name: text });
    }
    const who = this.#texts.get(role === "user" ? "talk.you" : "talk.assistant");
    return `${who}: ${text}`;
  }
}

/**
 * @param {Entry["status"]} status
 * @returns {"finished" | "failed" | "denied"}
 */
function endOf(status) {
  return status === "failed" || status === "denied" ? status : "finished";
}

/**
 * The list of conversations: newest first, by day, with a search.
 */

import { conversationRoute } from "../routes.js";
import { element, make, setProblem } from "./element.js";

/** @typedef {import("../bridge/conversations.js").StoredConversation} StoredConversation */
/** @typedef {import("../texts/texts.js").Texts} Texts */

export class ShelfView {
  #texts;
  #search = element("shelf-search", HTMLInputElement);
  /** @type {StoredConversation[]} */ #all = [];
  /** @type {string | null} */ #openId = null;
  #words = "";

  /** @param {Texts} texts */
  constructor(texts) {
    this.#texts = texts;
    this.#search.oninput = () => this.#draw();
  }

  /**
   * @param {StoredConversation[]} all
   * @param {string | null} openId
   * @param {string} [words] why there is nothing
   */
  render(all, openId, words = "") {
    this.#all = all;
    this.#openId = openId;
    this.#words = words;
    this.#draw();
  }

  #draw() {
    const texts = this.#texts;
    this.#search.placeholder = texts.get("shelf.search");
    const wanted = this.#search.value.trim().toLowerCase();
    const found = this.#all.filter(({ title, first_words, id }) =>
      `${title ?? ""} ${first_words ?? ""} ${id}`.toLowerCase().includes(wanted),
    );
    const nothing = this.#all.length ? "shelf.nothing" : "shelf.empty";
    const words = this.#words || (found.length ? "" : texts.get(nothing));
    setProblem("shelf-empty", words);
    element("shelf-list").replaceChildren(...found.map((it) => this.#row(it)));
  }

  /** @param {StoredConversation} conversation */
  #row({ id, title, first_words, updated_at }) {
    const link = make(
      "a",
      {
        href: conversationRoute(id),
        class: "shelf-row",
        "aria-current": id === this.#openId && "true",
      },
      make("strong", {
        text: title || first_words || this.#texts.get("shelf.untitled"),
      }),
      make("small", { text: this.#texts.moment(Date.parse(updated_at)) }),
    );
    return make("li", {}, link);
  }
}

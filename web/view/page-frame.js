/**
 * What is around every view: the languages, the way from view to view, fixed words.
 */

import { element, setText } from "./element.js";

/** @typedef {import("../routes.js").Route} Route */
/** @typedef {import("../texts/texts.js").Texts} Texts */
/** @typedef {import("../texts/texts.js").TextKey} TextKey */
/** @typedef {import("../texts/texts.js").Language} Language */

const VIEWS = /** @type {const} */ (["talk", "conversations", "dashboard"]);

export class PageFrame {
  #texts;
  /** @type {Route["view"]} */ #view = "talk";

  /**
   * @param {Texts} texts
   * @param {(language: Language) => void} onLanguage
   */
  constructor(texts, onLanguage) {
    this.#texts = texts;
    for (const button of languageButtons()) {
      const language = /** @type {Language} */ (button.dataset.language);
      button.onclick = () => onLanguage(language);
    }
    element("skip").onclick = () => element(`view-${this.#view}`).focus();
  }

  /** Put every fixed text into the page; after a change of language again. */
  translate() {
    document.documentElement.lang = this.#texts.language;
    for (const node of document.querySelectorAll("[data-text]")) {
      node.textContent = this.#texts.get(key(node, "text"));
    }
    for (const node of document.querySelectorAll("[data-label]")) {
      node.setAttribute("aria-label", this.#texts.get(key(node, "label")));
    }
    for (const button of languageButtons()) {
      button.ariaPressed = String(button.dataset.language === this.#texts.language);
    }
    this.#renderTitle();
  }

  /** @param {Route["view"]} view */
  show(view) {
    const isChange = view !== this.#view;
    this.#view = view;
    document.body.dataset.view = view;
    for (const name of VIEWS) element(`view-${name}`).hidden = name !== view;
    for (const link of document.querySelectorAll("[data-route]")) {
      const isHere = link.getAttribute("data-route") === view;
      if (isHere) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.#renderTitle();
    // A screen reader is to notice; a person who only arrives is not to be moved.
    if (isChange) element(`view-${view}`).focus({ preventScroll: true });
  }

  #renderTitle() {
    const name = this.#texts.get("page.title");
    const view = this.#texts.get(`nav.${this.#view}`);
    document.title = this.#view === "talk" ? name : `${view} – ${name}`;
  }

  /** @param {string | null} kind of model that answers */
  renderModel(kind) {
    const badge = element("model");
    const known = kind === "fake" || kind === "openai" ? kind : null;
    badge.hidden = !kind;
    setText(badge, known ? this.#texts.get(`model.${known}`) : (kind ?? ""));
    badge.title = known ? this.#texts.get(`model.${known}.hint`) : "";
  }
}

/** @returns {NodeListOf<HTMLButtonElement>} */
function languageButtons() {
  return document.querySelectorAll("button[data-language]");
}

/**
 * @param {Element} node
 * @param {"text" | "label"} name
 */
function key(node, name) {
  return /** @type {TextKey} */ (node.getAttribute(`data-${name}`));
}

/**
 * Asks for the access key when the bridge wants one.
 */

import { element, setProblem, sheet } from "./element.js";

/** @typedef {import("../texts/texts.js").Texts} Texts */

export class KeyDialog {
  #dialog = sheet("key", "key-cancel");
  #value = element("key-value", HTMLInputElement);
  #remember = element("key-remember", HTMLInputElement);
  #texts;
  /** @type {Promise<{key: string, isRemembered: boolean} | null> | null} */ #asked = null;

  /** @param {Texts} texts */
  constructor(texts) {
    this.#texts = texts;
  }

  /**
   * @param {boolean} wasWrong a key was given and not accepted
   * @returns {Promise<{key: string, isRemembered: boolean} | null>} null: given up
   */
  ask(wasWrong) {
    // Several requests may fail at once; the person is asked once.
    this.#asked ??= this.#open(wasWrong).finally(() => (this.#asked = null));
    return this.#asked;
  }

  /**
   * @param {boolean} wasWrong
   * @returns {Promise<{key: string, isRemembered: boolean} | null>}
   */
  #open(wasWrong) {
    setProblem("key-problem", wasWrong ? this.#texts.get("key.wrong") : "");
    this.#value.value = "";
    return new Promise((resolve) => {
      /** @type {{key: string, isRemembered: boolean} | null} */
      let given = null;
      element("key-form").onsubmit = (event) => {
        event.preventDefault();
        const key = this.#value.value.trim();
        if (key) given = { key, isRemembered: this.#remember.checked };
        this.#dialog.close();
      };
      this.#dialog.onclose = () => {
        this.#value.value = ""; // it need not stay in the page
        resolve(given);
      };
      this.#dialog.showModal();
    });
  }
}

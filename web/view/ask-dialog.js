/**
 * "Are you sure?", as a promise.
 */

import { element, setText, sheet } from "./element.js";

const dialog = () => element("ask", HTMLDialogElement);

/**
 * @param {{title: string, text: string, yes: string}} words
 * @returns {Promise<boolean>}
 */
export function askForYes({ title, text, yes }) {
  const ask = sheet("ask", "ask-no");
  setText("ask-title", title);
  setText("ask-text", text);
  setText("ask-yes", yes);
  return new Promise((resolve) => {
    let isYes = false;
    element("ask-yes").onclick = () => {
      isYes = true;
      dialog().close();
    };
    ask.onclose = () => resolve(isYes);
    ask.showModal();
    element("ask-no").focus();
  });
}

/**
 * Finding what the page's HTML promises, and making what it cannot.
 */

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [kind]
 * @returns {T}
 */
export function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof (kind ?? HTMLElement))) throw new Error(`no element #${id}`);
  return /** @type {T} */ (found);
}

/**
 * A new element. Words are text and never markup.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes]
 *   `class`, `type`, `aria-label` …; `text` is the words in it; false and null are left out
 * @param {(Node | string | null)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "text") made.textContent = String(value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/**
 * An icon of the sprite in index.html.
 *
 * @param {string} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(svg.namespaceURI, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return /** @type {SVGSVGElement} */ (svg);
}

/**
 * Leaves an unchanged node alone, so that a selection in it survives.
 *
 * @param {Element | string} target an element, or the id of one
 * @param {string} text
 */
export function setText(target, text) {
  const node = typeof target === "string" ? element(target) : target;
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Show words where something went wrong, or take them away.
 *
 * @param {string} id
 * @param {string} text "" for nothing
 */
export function setProblem(id, text) {
  setText(id, text);
  element(id).hidden = text === "";
}

/**
 * A dialog that closes by its button, by Escape and by a click beside it.
 *
 * @param {string} id
 * @param {string} [closeId] of its closing button
 * @returns {HTMLDialogElement}
 */
export function sheet(id, closeId = `${id}-close`) {
  const dialog = element(id, HTMLDialogElement);
  const button = document.getElementById(closeId);
  if (button) button.onclick = () => dialog.close();
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  return dialog;
}

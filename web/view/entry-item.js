/**
 * One line of a transcript: what somebody said, or what a tool did.
 */

import { icon, make, setText } from "./element.js";

/** @typedef {import("../call/conversation.js").Entry} Entry */
/** @typedef {import("../texts/texts.js").Texts} Texts */

/** @type {WeakMap<HTMLElement, string>} what a line shows at present */
const shown = new WeakMap();

/**
 * @param {Entry} entry
 * @returns {HTMLElement} empty; `updateEntry` fills it
 */
export function createEntryItem(entry) {
  if (entry.role !== "tool") {
    const who = make("span", { class: "said-who" });
    return make("li", {}, who, make("div", { class: "said-text" }));
  }
  const summary = make("summary", {}, icon("tool"), make("span"));
  return make("li", {}, make("details", {}, summary, make("div", { class: "used-body" })));
}

/**
 * @param {HTMLElement} item
 * @param {Entry} entry
 * @param {Texts} texts
 * @returns {boolean} whether anything changed
 */
export function updateEntryItem(item, entry, texts) {
  const content = JSON.stringify([texts.language, entry]);
  if (shown.get(item) === content) return false; // most of a long talk stays as it is
  shown.set(item, content);
  item.dataset.key = entry.key;
  if (entry.role === "tool") updateTool(item, entry, texts);
  else updateSaid(item, entry, texts);
  return true;
}

/**
 * @param {HTMLElement} item
 * @param {Entry} entry
 * @param {Texts} texts
 */
function updateSaid(item, entry, texts) {
  const [who, text] = item.children;
  const isPlaying = item.classList.contains("playing");
  item.className = `said said-${entry.role}`;
  item.classList.toggle("playing", isPlaying);
  item.ariaBusy = String(!entry.final);
  const name = texts.get(entry.role === "user" ? "talk.you" : "talk.assistant");
  setText(who, entry.typed ? `${name}, ${texts.get("talk.typed")}` : name);
  setText(text, entry.text);
}

/**
 * @param {HTMLElement} item
 * @param {Entry} entry
 * @param {Texts} texts
 */
function updateTool(item, entry, texts) {
  item.className = "used";
  item.dataset.status = entry.status ?? "";
  const details = /** @type {HTMLDetailsElement} */ (item.firstElementChild);
  const [summary, body] = details.children;
  const words = texts.get(`tool.${entry.status ?? "started"}`, { name: "\n" });
  const [before, after] = words.split("\n");
  summary.children[1].replaceChildren(before, make("code", { text: entry.text }), after);
  const latest = entry.final ? entry.result : entry.progress.at(-1);
  const teaser = make("span", { class: "used-teaser", text: latest ?? "" });
  if (latest) summary.children[1].append(teaser);
  body.replaceChildren(...toolDetails(entry, texts));
  // Without anything to unfold it is a plain line.
  details.classList.toggle("plain", body.childElementCount === 0);
}

/**
 * @param {Entry} entry
 * @param {Texts} texts
 * @returns {HTMLElement[]}
 */
function toolDetails(entry, texts) {
  const parts = [];
  if (entry.arguments) {
    parts.push(make("h3", { text: texts.get("tool.arguments") }));
    parts.push(make("pre", { text: readable(entry.arguments) }));
  }
  if (entry.progress.length) {
    parts.push(make("h3", { text: texts.get("tool.progress") }));
    const steps = entry.progress.map((step) => make("li", { text: step }));
    parts.push(make("ol", { class: "used-steps" }, ...steps));
  }
  if (entry.result) {
    parts.push(make("h3", { text: texts.get("tool.result") }));
    parts.push(make("pre", { text: readable(entry.result) }));
  }
  return parts;
}

/**
 * @param {string} text JSON perhaps
 * @returns {string} the same, one value on each line
 */
export function readable(text) {
  try {
    const value = JSON.parse(text);
    if (typeof value !== "object" || value === null) return String(value);
    const entries = Object.entries(value);
    const isFlat = entries.every(([, it]) => typeof it !== "object" || it === null);
    if (!isFlat) return JSON.stringify(value, null, 2);
    return entries.map(([name, it]) => `${name}: ${it}`).join("\n");
  } catch {
    return text;
  }
}

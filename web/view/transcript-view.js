/**
 * The transcript's DOM: one list item per entry, changed in place.
 */

/** @typedef {import("../call/conversation.js").Entry} Entry */
/** @typedef {import("../texts/texts.js").Texts} Texts */

const NEAR_END_PX = 48;

export class TranscriptView {
  /** @type {Map<Entry, HTMLElement>} */ #items = new Map();
  /** @type {WeakMap<Entry, string>} */ #shown = new WeakMap();
  /** @type {WeakSet<Entry>} */ #announced = new WeakSet();
  #follows = true;

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.list
   * @param {HTMLElement} parts.scroller
   * @param {HTMLElement} parts.empty shown while there is nothing
   * @param {HTMLElement} parts.latest button that leads to the end
   * @param {HTMLElement} parts.announcer live region; it gets finished lines only, so
   *   that a screen reader is not interrupted by every word
   */
  constructor(parts) {
    this.parts = parts;
    parts.scroller.addEventListener("scroll", () => this.#noteScroll(), {
      passive: true,
    });
    parts.latest.addEventListener("click", () => this.#toEnd());
  }

  /**
   * @param {Entry[]} entries
   * @param {Texts} texts
   */
  render(entries, texts) {
    const visible = entries.filter((entry) => !entry.hidden);
    const kept = new Set(visible);
    for (const [entry, item] of this.#items) {
      if (kept.has(entry)) continue;
      item.remove();
      this.#items.delete(entry);
    }
    visible.forEach((entry, i) => {
      const item = this.#items.get(entry) ?? this.#create(entry);
      if (this.parts.list.children[i] !== item) {
        this.parts.list.insertBefore(item, this.parts.list.children[i] ?? null);
      }
      this.#update(item, entry, texts);
    });
    this.parts.empty.hidden = visible.length > 0;
    if (this.#follows) this.#toEnd();
  }

  /**
   * @param {HTMLElement} item
   * @param {Entry} entry
   * @param {Texts} texts
   */
  #update(item, entry, texts) {
    const content = JSON.stringify([texts.language, entry]);
    if (this.#shown.get(entry) === content) return; // most of a long talk stays as it is
    this.#shown.set(entry, content);
    if (entry.role === "tool") renderTool(item, entry, texts);
    else renderSaid(item, entry, texts);
    this.#announce(entry, item);
  }

  /** @param {Entry} entry */
  #create(entry) {
    const item = document.createElement("li");
    item.append(...(entry.role === "tool" ? toolParts() : saidParts()));
    this.#items.set(entry, item);
    return item;
  }

  /**
   * @param {Entry} entry
   * @param {HTMLElement} item
   */
  #announce(entry, item) {
    if (!entry.final || this.#announced.has(entry) || entry.typed) return;
    this.#announced.add(entry);
    const line = document.createElement("p");
    line.textContent = [...item.children]
      .map((child) => child.textContent)
      .filter(Boolean)
      .join(": ");
    this.parts.announcer.append(line);
    while (this.parts.announcer.childElementCount > 5) {
      this.parts.announcer.firstElementChild?.remove();
    }
  }

  #noteScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.parts.scroller;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    this.parts.latest.hidden = this.#follows;
  }

  #toEnd() {
    this.#follows = true;
    this.parts.latest.hidden = true;
    this.parts.scroller.scrollTop = this.parts.scroller.scrollHeight;
  }
}

function saidParts() {
  const who = document.createElement("span");
  who.className = "said-who";
  const text = document.createElement("div");
  text.className = "said-text";
  return [who, text];
}

/**
 * @param {HTMLElement} item
 * @param {Entry} entry
 * @param {Texts} texts
 */
function renderSaid(item, entry, texts) {
  const [who, text] = item.children;
  item.className = `said said-${entry.role}`;
  item.dataset.key = entry.key;
  item.ariaBusy = String(!entry.final);
  const name = texts.get(entry.role === "user" ? "talk.you" : "talk.assistant");
  setText(who, entry.typed ? `${name}, ${texts.get("talk.typed")}` : name);
  setText(text, entry.text);
}

function toolParts() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(svg.namespaceURI, "use");
  use.setAttribute("href", "#i-tool");
  svg.append(use);
  return [svg, document.createElement("span")];
}

/**
 * @param {HTMLElement} item
 * @param {Entry} entry
 * @param {Texts} texts
 */
function renderTool(item, entry, texts) {
  item.className = "used";
  item.dataset.key = entry.key;
  item.dataset.status = entry.status ?? "";
  const words = texts.get(`tool.${entry.status ?? "started"}`, { name: "\n" });
  const [before, after] = words.split("\n");
  const name = document.createElement("code");
  name.textContent = entry.text;
  item.children[1].replaceChildren(before, name, after);
}

/**
 * Leaves an unchanged node alone, so that a selection in it survives.
 *
 * @param {Element} element
 * @param {string} text
 */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

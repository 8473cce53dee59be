/**
 * A list of which only what is near the eye exists: ten thousand lines cost like fifty.
 *
 * Short lists exist as a whole. What is left out is a spacer before and one after; the
 * place under the eye is held by hand, because not every browser does.
 */

import { rangeOf } from "./window-of-list.js";

const WHOLE_UP_TO = 60;
const SPARE_PX = 900;
const USUAL_HEIGHT_PX = 76;
const NEAR_END_PX = 48;

/**
 * A line by which a place is held.
 *
 * @template T
 * @typedef {{item: T, offset: number}} Anchor offset: px below the scroller's top
 */

/**
 * @template {object} T
 */
export class VirtualList {
  /** @type {T[]} */ #items = [];
  /** @type {Map<T, HTMLElement>} */ #made = new Map();
  /** @type {WeakMap<T, number>} */ #heights = new WeakMap();
  #before = spacer();
  #after = spacer();
  #parts;
  #isAsked = false;

  /** Whether the end stays in view when something is added. */
  follows = true;

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.list
   * @param {HTMLElement} parts.scroller
   * @param {(item: T) => HTMLElement} parts.create
   * @param {(made: HTMLElement, item: T) => void} parts.update called at every render for
   *   what exists: it should be cheap when nothing changed
   * @param {() => void} [parts.onScroll]
   */
  constructor(parts) {
    this.#parts = parts;
    parts.scroller.addEventListener("scroll", () => this.#noteScroll(), {
      passive: true,
    });
    new ResizeObserver(() => this.#ask()).observe(parts.scroller);
  }

  /** @param {T[]} items the same object is the same line */
  render(items) {
    const anchor = this.follows ? null : this.#anchor();
    this.#items = items;
    const isWhole = items.length <= WHOLE_UP_TO;
    const range = isWhole
      ? { start: 0, end: items.length, before: 0, after: 0 }
      : this.#range(anchor);
    this.#fill(range.start, range.end);
    this.#space(range);
    this.#measure();
    if (this.follows) this.toEnd();
    else if (anchor) this.#hold(anchor);
  }

  /** @param {T} item brought into the middle of what can be seen */
  reveal(item) {
    const y = this.#placeOf(item);
    if (y === null) return;
    const { scroller, list } = this.#parts;
    this.follows = false;
    const middle = (scroller.clientHeight - this.#heightOf(item)) / 2;
    scroller.scrollTop = list.offsetTop + y - middle;
    this.render(this.#items);
    this.#made.get(item)?.scrollIntoView({ block: "center" });
  }

  /** @param {T} item */
  elementOf(item) {
    return this.#made.get(item) ?? null;
  }

  toEnd() {
    const { scroller } = this.#parts;
    this.follows = true;
    scroller.scrollTop = scroller.scrollHeight;
    this.#parts.onScroll?.();
  }

  get #gap() {
    return parseFloat(getComputedStyle(this.#parts.list).rowGap) || 0;
  }

  /**
   * @param {T} item
   * @returns {number | null} px from the beginning of the list
   */
  #placeOf(item) {
    const at = this.#items.indexOf(item);
    if (at < 0) return null;
    return this.#items.slice(0, at).reduce((sum, it) => sum + this.#heightOf(it), 0);
  }

  /** @param {Anchor<T> | null} anchor */
  #range(anchor) {
    const { scroller, list } = this.#parts;
    const heights = this.#items.map((item) => this.#heightOf(item));
    const visible = scroller.clientHeight || 800;
    const total = heights.reduce((sum, height) => sum + height, 0);
    const place = anchor && this.#placeOf(anchor.item);
    const held = anchor && place !== null ? place - anchor.offset : null;
    const top = this.follows
      ? Math.max(0, total - visible)
      : (held ?? scroller.scrollTop - list.offsetTop);
    return rangeOf(heights, top, visible, SPARE_PX);
  }

  /** @param {T} item */
  #heightOf(item) {
    return this.#heights.get(item) ?? USUAL_HEIGHT_PX;
  }

  /**
   * @param {number} start
   * @param {number} end
   */
  #fill(start, end) {
    const { list, create, update } = this.#parts;
    const wanted = this.#items.slice(start, end);
    const kept = new Set(wanted);
    for (const [item, made] of this.#made) {
      if (kept.has(item)) continue;
      made.remove();
      this.#made.delete(item);
    }
    const first = this.#before.isConnected ? 1 : 0;
    wanted.forEach((item, i) => {
      let made = this.#made.get(item);
      if (!made) {
        made = create(item);
        this.#made.set(item, made);
      }
      const there = list.children[first + i];
      if (there !== made) list.insertBefore(made, there ?? null);
      update(made, item);
      made.ariaPosInSet = String(start + i + 1);
      made.ariaSetSize = String(this.#items.length);
    });
  }

  /** @param {import("./window-of-list.js").Range} range */
  #space({ before, after }) {
    const { list } = this.#parts;
    const gap = this.#gap;
    place(this.#before, before - gap, (it) => list.prepend(it));
    place(this.#after, after - gap, (it) => list.append(it));
  }

  #measure() {
    const gap = this.#gap;
    for (const [item, made] of this.#made) {
      if (made.offsetHeight) this.#heights.set(item, made.offsetHeight + gap);
    }
  }

  /** @returns {Anchor<T> | null} the first line in view, or else the next after it */
  #anchor() {
    const { top } = this.#parts.scroller.getBoundingClientRect();
    for (const item of this.#items) {
      const made = this.#made.get(item);
      if (!made) continue;
      const box = made.getBoundingClientRect();
      if (box.bottom > top) return { item, offset: box.top - top };
    }
    return null;
  }

  /** @param {Anchor<T>} anchor */
  #hold({ item, offset }) {
    const made = this.#made.get(item);
    if (!made) return;
    const { scroller } = this.#parts;
    const { top } = scroller.getBoundingClientRect();
    const moved = made.getBoundingClientRect().top - top - offset;
    if (Math.abs(moved) >= 1) scroller.scrollTop += moved;
  }

  #noteScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.#parts.scroller;
    this.follows = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    this.#parts.onScroll?.();
    if (this.#items.length > WHOLE_UP_TO) this.#ask();
  }

  #ask() {
    if (this.#isAsked) return;
    this.#isAsked = true;
    requestAnimationFrame(() => {
      this.#isAsked = false;
      this.render(this.#items);
    });
  }
}

function spacer() {
  const made = document.createElement("li");
  made.className = "spacer";
  made.ariaHidden = "true";
  return made;
}

/**
 * @param {HTMLElement} made
 * @param {number} height px; nothing of it is needed when not positive
 * @param {(made: HTMLElement) => void} put
 */
function place(made, height, put) {
  if (height <= 0) return made.remove();
  made.style.height = `${height}px`;
  if (!made.isConnected) put(made);
}

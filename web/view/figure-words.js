/**
 * Figures as people read them: with their unit, as exact as they are worth.
 */

/** @typedef {import("../texts/texts.js").Texts} Texts */

export class FigureWords {
  #texts;

  /** @param {Texts} texts */
  constructor(texts) {
    this.#texts = texts;
  }

  /** What stands where nothing is known. */
  get none() {
    return this.#texts.get("figures.none");
  }

  /** @param {number | null} value */
  count(value) {
    return value === null ? this.none : this.#texts.number(value, 0);
  }

  /** @param {number | null} value */
  percent(value) {
    return this.#with("unit.percent", value);
  }

  /** @param {number | null} value */
  megabytes(value) {
    return this.#with("unit.mb", value);
  }

  /** @param {number | null} value; from a second on in seconds */
  ms(value) {
    if (value === null || value < 1_000) return this.#with("figures.ms", value);
    return this.#texts.get("unit.s", { value: this.#texts.number(value / 1_000, 2) });
  }

  /**
   * @param {"unit.percent" | "unit.mb" | "figures.ms"} key
   * @param {number | null} value
   */
  #with(key, value) {
    if (value === null) return this.none;
    return this.#texts.get(key, { value: this.#texts.number(value, value < 10 ? 1 : 0) });
  }
}

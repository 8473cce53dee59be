/**
 * The page's words in the reader's language.
 */

import { de } from "./de.js";
import { en } from "./en.js";

/** @typedef {keyof typeof en} TextKey */
/** @typedef {"en" | "de"} Language */

/** @type {Record<Language, typeof en>} */
const LANGUAGES = { en, de };
const STORAGE_KEY = "voicebridge.language";

export class Texts {
  /** @param {Language} language */
  constructor(language) {
    this.language = language;
  }

  /**
   * The language chosen here before, else the browser's first that we speak.
   *
   * @param {readonly string[]} preferred e.g. navigator.languages
   * @param {Pick<Storage, "getItem">} storage
   */
  static choose(preferred, storage) {
    const known = [storage.getItem(STORAGE_KEY), ...preferred]
      .map((tag) => tag?.slice(0, 2).toLowerCase())
      .find((tag) => tag && Object.hasOwn(LANGUAGES, tag));
    return new Texts(/** @type {Language} */ (known ?? "en"));
  }

  /**
   * @param {Language} language
   * @param {Pick<Storage, "setItem">} storage
   */
  use(language, storage) {
    this.language = language;
    storage.setItem(STORAGE_KEY, language);
  }

  /**
   * @param {TextKey} key
   * @param {Record<string, string | number>} [values] for `{name}` places
   */
  get(key, values = {}) {
    return LANGUAGES[this.language][key].replace(/\{(\w+)\}/g, (_, name) =>
      String(values[name]),
    );
  }

  /**
   * A name that comes from the bridge: in our words where there are any, else as it is.
   *
   * @param {string} family of keys
   * @param {string} name
   */
  named(family, name) {
    const texts = LANGUAGES[this.language];
    const key = /** @type {TextKey} */ (`${family}.${name}`);
    return Object.hasOwn(texts, key) ? texts[key] : name;
  }

  /**
   * @param {number} value
   * @param {number} [digits] after the point, at most
   */
  number(value, digits = 1) {
    return value.toLocaleString(this.language, { maximumFractionDigits: digits });
  }

  /**
   * A moment, said as shortly as it can be understood.
   *
   * @param {number} ms UTC
   * @param {number} [nowMs]
   */
  moment(ms, nowMs = Date.now()) {
    const isToday = new Date(ms).toDateString() === new Date(nowMs).toDateString();
    const format = isToday
      ? { timeStyle: /** @type {const} */ ("short") }
      : {
          dateStyle: /** @type {const} */ ("medium"),
          timeStyle: /** @type {const} */ ("short"),
        };
    return new Date(ms).toLocaleString(this.language, format);
  }

  /** @param {number} ms */
  duration(ms) {
    const seconds = Math.max(0, Math.round(ms / 1_000));
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    const rest = String(seconds % 60).padStart(2, "0");
    if (!hours) return `${minutes}:${rest}`;
    return `${hours}:${String(minutes).padStart(2, "0")}:${rest}`;
  }

  /**
   * A failure in words: ours for its code, else the bridge's own.
   *
   * @param {{code: string, message: string}} failure
   */
  describe({ code, message }) {
    const texts = LANGUAGES[this.language];
    const key = /** @type {TextKey} */ (`error.${code}`);
    const known = Object.hasOwn(texts, key) ? texts[key] : "";
    return known || message || texts["error.internal"];
  }
}

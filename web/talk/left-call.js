/**
 * The call this tab was in when it was left (reload, back, a crash of the browser), so
 * that it can be gone on with. Kept for the tab, never longer.
 */

const STORAGE_KEY = "voicebridge.call";

/** @typedef {import("../call/signaling.js").Ticket} Ticket */

/**
 * @typedef {object} LeftCall
 * @property {string} conversationId
 * @property {Ticket | null} ticket
 */

export class LeftCallStore {
  #storage;

  /** @param {Pick<Storage, "getItem" | "setItem" | "removeItem">} storage */
  constructor(storage) {
    this.#storage = storage;
  }

  /** @returns {LeftCall | null} */
  load() {
    try {
      const left = JSON.parse(this.#storage.getItem(STORAGE_KEY) ?? "null");
      return typeof left?.conversationId === "string" ? left : null;
    } catch {
      return null; // not ours
    }
  }

  /** @param {LeftCall} call */
  save(call) {
    this.#storage.setItem(STORAGE_KEY, JSON.stringify(call));
  }

  clear() {
    this.#storage.removeItem(STORAGE_KEY);
  }
}

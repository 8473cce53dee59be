/**
 * The access key of this device, where the bridge asks for one.
 *
 * Kept for the tab, or for the device when the person says so. Never sent anywhere but
 * to the bridge this page came from, and never put into an address.
 */

const STORAGE_KEY = "voicebridge.key";

/** @typedef {Pick<Storage, "getItem" | "setItem" | "removeItem">} Store */

export class AccessKey {
  #tab;
  #device;

  /**
   * @param {Store} tab forgets with the tab
   * @param {Store} device remembers
   */
  constructor(tab, device) {
    this.#tab = tab;
    this.#device = device;
  }

  /** @returns {string | null} */
  get value() {
    return this.#tab.getItem(STORAGE_KEY) ?? this.#device.getItem(STORAGE_KEY);
  }

  get isKnown() {
    return this.value !== null;
  }

  /**
   * @param {string} key
   * @param {boolean} isRemembered on this device, beyond this tab
   */
  keep(key, isRemembered) {
    this.forget();
    (isRemembered ? this.#device : this.#tab).setItem(STORAGE_KEY, key);
  }

  forget() {
    this.#tab.removeItem(STORAGE_KEY);
    this.#device.removeItem(STORAGE_KEY);
  }
}

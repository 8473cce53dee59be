/**
 * Keeps the screen of a phone from going dark during a call, where that is possible.
 */
export class WakeLock {
  /** @type {Promise<WakeLockSentinel | null> | null} */ #lock = null;
  #isWanted = false;

  constructor() {
    // The system takes it away with the page's visibility and does not give it back.
    document.addEventListener("visibilitychange", () => {
      this.#lock = null;
      this.#apply();
    });
  }

  /** @param {boolean} isWanted */
  set wanted(isWanted) {
    if (isWanted === this.#isWanted) return;
    this.#isWanted = isWanted;
    this.#apply();
  }

  #apply() {
    if (!this.#isWanted) {
      void this.#lock?.then((lock) => lock?.release());
      this.#lock = null;
    } else if (!this.#lock && document.visibilityState === "visible") {
      // Refused (battery, policy): the screen goes dark as it always does.
      this.#lock = navigator.wakeLock?.request("screen").catch(() => null) ?? null;
    }
  }
}

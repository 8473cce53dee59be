/**
 * What a connection is like, from what this page and the bridge measure. Pure.
 *
 * @typedef {"good" | "fair" | "poor" | "unknown"} Grade
 *
 * @typedef {object} Hop
 * @property {"frame" | "network" | "buffer" | "bridge" | "playout"} name
 * @property {number} ms
 *
 * @typedef {object} Quality
 * @property {Grade} grade
 * @property {number | null} rttMs
 * @property {number | null} jitterMs
 * @property {number | null} lostMs since the call began
 * @property {number | null} lateMs since the call began
 * @property {number} concealedMs here and in the bridge, since the call began
 * @property {number} dropouts
 * @property {Hop[]} up from the mouth to the model's leg
 * @property {Hop[]} down from the model's leg to the ear
 * @property {(number | null)[]} history round trips, one a second, newest last
 * @property {import("./leg.js").LegKind | null} leg
 * @property {string | null} thread
 */

/** @typedef {import("./messages.js").QualityMessage} QualityMessage */
/** @typedef {import("./lasting-call.js").Figures} Figures */

const FRAME_MS = 20;
const HISTORY_S = 120;
const WINDOW_S = 10;

/** Of the last ten seconds, what share of the audio was not as it should be. */
const POOR_SHARE = 0.05;
const FAIR_SHARE = 0.01;

export class ConnectionQuality {
  /** @type {QualityMessage | null} */ #told = null;
  /** @type {Figures | null} */ #seen = null;
  /** @type {(number | null)[]} */ #history = [];
  /** @type {number[]} ms that were bad so far, one a second */ #bad = [];

  /** @param {QualityMessage} message from the bridge */
  tell(message) {
    this.#told = message;
  }

  /** @param {Figures} figures of this page; once a second */
  see(figures) {
    this.#seen = figures;
    this.#history = [...this.#history, figures.rttMs].slice(-HISTORY_S);
    this.#bad = [...this.#bad, this.#badMs].slice(-WINDOW_S - 1);
  }

  /** Another connection begins: its counts begin anew. */
  restart() {
    this.#told = this.#seen = null;
    this.#bad = [];
  }

  get #badMs() {
    const told = this.#told;
    const seen = this.#seen;
    const here = (seen?.concealedMs ?? 0) + FRAME_MS * (seen?.unsent ?? 0);
    // What was lost or came too late the bridge has concealed: it counts once.
    const missing = (told?.lost_ms ?? 0) + (told?.late_ms ?? 0);
    return here + Math.max(missing, told?.concealed_ms ?? 0);
  }

  /** @returns {Quality} */
  get now() {
    const told = this.#told;
    const seen = this.#seen;
    const rttMs = seen?.rttMs ?? told?.rtt_ms ?? null;
    const oneWayMs = (rttMs ?? 0) / 2;
    return {
      grade: this.#grade(rttMs),
      rttMs,
      jitterMs: told?.jitter_ms ?? null,
      lostMs: told?.lost_ms ?? null,
      lateMs: told?.late_ms ?? null,
      concealedMs: (seen?.concealedMs ?? 0) + (told?.concealed_ms ?? 0),
      dropouts: seen?.dropouts ?? 0,
      up: hops({
        frame: FRAME_MS,
        network: oneWayMs,
        buffer: told?.buffer_ms,
        bridge: told?.uplink_added_ms,
      }),
      down: hops({
        bridge: told?.downlink_added_ms,
        network: oneWayMs,
        playout: seen?.bufferedMs,
      }),
      history: this.#history,
      leg: seen?.leg ?? null,
      thread: seen?.thread ?? null,
    };
  }

  /**
   * @param {number | null} rttMs
   * @returns {Grade}
   */
  #grade(rttMs) {
    if (rttMs === null) return "unknown";
    const seconds = this.#bad.length - 1;
    const bad = seconds > 0 ? this.#bad[seconds] - this.#bad[0] : 0;
    // One click in the first second is no bad connection.
    const share = bad / (1_000 * Math.max(seconds, WINDOW_S / 2));
    const jitter = this.#told?.jitter_ms ?? 0;
    if (share > POOR_SHARE || rttMs > 400 || jitter > 100) return "poor";
    if (share > FAIR_SHARE || rttMs > 180 || jitter > 30) return "fair";
    return "good";
  }
}

/**
 * @param {Record<string, number | null | undefined>} parts ms; what is not known is left out
 * @returns {Hop[]}
 */
function hops(parts) {
  return Object.entries(parts)
    .filter(([, ms]) => ms !== undefined && ms !== null)
    .map(([name, ms]) => ({
      name: /** @type {Hop["name"]} */ (name),
      ms: /** @type {number} */ (ms),
    }));
}

/**
 * How audio travels between this page and the bridge. Pure.
 *
 *   pcm16   data channel, uncompressed: the least delay, 384 kbit/s each way
 *   opus    data channel, Opus packets: about a tenth of that
 *   track   WebRTC media track: the browser's own Opus, jitter buffer and concealment;
 *           gets through where data channels do not
 *
 * "auto" is opus where the browser can. Elsewhere it begins with pcm16 and goes over to
 * the track when the network cannot carry it: by what the browser says of the network,
 * or by what was not sent.
 */

/** @typedef {"pcm16" | "opus" | "track"} LegKind */

/**
 * @typedef {object} LegConditions
 * @property {boolean} isThin the network is slow, metered or has failed to carry pcm16
 * @property {boolean} canOpus this browser encodes and decodes Opus packets
 */

/**
 * @param {"auto" | LegKind} wanted
 * @param {LegConditions} conditions
 * @returns {LegKind}
 */
export function chooseLeg(wanted, { isThin, canOpus }) {
  if (wanted === "auto" && canOpus) return "opus";
  if (wanted === "auto") return isThin ? "track" : "pcm16";
  if (wanted === "opus" && !canOpus) return "track"; // the same codec by another way
  return wanted;
}

/** What a browser may say of its network; most say nothing. */
/** @typedef {{saveData?: boolean, effectiveType?: string}} NetworkHint */

/** @param {NetworkHint | undefined} hint e.g. navigator.connection */
export function seemsThin(hint) {
  return Boolean(hint?.saveData) || /^(slow-)?2g$|^3g$/.test(hint?.effectiveType ?? "");
}

const WINDOW_S = 6;
const MAX_DROPPED_SHARE = 0.06;

/**
 * Watches whether the network carries what is sent. Fed once a second.
 */
export class ThinnessWatch {
  /** @type {{sent: number, dropped: number}[]} */ #seconds = [];

  /**
   * @param {{framesSent: number, framesDropped: number}} counts since the connection began
   * @returns {boolean} for six seconds together too much was not carried
   */
  add({ framesSent, framesDropped }) {
    this.#seconds.push({ sent: framesSent, dropped: framesDropped });
    if (this.#seconds.length <= WINDOW_S) return false;
    const first = /** @type {{sent: number, dropped: number}} */ (this.#seconds.shift());
    const dropped = framesDropped - first.dropped;
    const sent = framesSent - first.sent;
    return dropped > MAX_DROPPED_SHARE * (sent + dropped);
  }

  reset() {
    this.#seconds = [];
  }
}

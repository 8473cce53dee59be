/**
 * Whether the far side still answers. Pings it, and judges by what arrives.
 *
 * What arrives is counted against pings that were sent, never against a clock: a page
 * that was asleep, throttled or busy has read nothing meanwhile, and lost nothing.
 */

const PING_EVERY_MS = 1_000;
const MAX_UNANSWERED_PINGS = 4;
/** After so many it is worth asking by another way. */
const DOUBTFUL_PINGS = 2;
/** How long an answer may take after the network or the device woke up: twice this. */
const HALF_A_CHECK_MS = 750;

export class Liveness {
  #ping;
  #onLost;
  #onDoubt;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #heartbeat;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #checking;
  #unanswered = 0;

  /**
   * @param {() => void} ping send something that is answered
   * @param {(why: string) => void} onLost it does not answer any more
   * @param {() => void} [onDoubt] it has not answered for a while
   */
  constructor(ping, onLost, onDoubt = () => {}) {
    this.#ping = ping;
    this.#onLost = onLost;
    this.#onDoubt = onDoubt;
  }

  start() {
    this.#heartbeat = setInterval(() => this.#beat(), PING_EVERY_MS);
    this.#beat();
  }

  stop() {
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    this.#endCheck();
  }

  /** Whether it has begun and not ended. */
  get isOn() {
    return this.#heartbeat !== undefined;
  }

  /** Something arrived. */
  heard() {
    this.#unanswered = 0;
    this.#endCheck();
  }

  /** Something happened that may have cut the connection: find out soon. */
  check() {
    if (!this.isOn || this.#checking !== undefined) return;
    this.#ping();
    // In two steps: a page that was busy reads between them what has come meanwhile.
    this.#checking = setTimeout(() => {
      this.#checking = setTimeout(() => this.#onLost("no answer to a check"), HALF_A_CHECK_MS);
    }, HALF_A_CHECK_MS);
  }

  #beat() {
    const unanswered = this.#unanswered++;
    if (unanswered === DOUBTFUL_PINGS) this.#onDoubt();
    if (unanswered < MAX_UNANSWERED_PINGS) this.#ping();
    else this.#onLost("no answer to pings");
  }

  #endCheck() {
    clearTimeout(this.#checking);
    this.#checking = undefined;
  }
}

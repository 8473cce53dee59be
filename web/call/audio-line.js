/**
 * The audio data channel with its pump, in a worker where the browser lets it move.
 */

import { AudioPump } from "../audio/audio-pump.js";

/** @typedef {import("../audio/audio-pump.js").PumpEvents} PumpEvents */
/** @typedef {import("../audio/audio-pump.js").PumpStats} PumpStats */
/** @typedef {import("../audio/framing.js").Framing} Framing */

/**
 * @typedef {object} AudioLine
 * @property {"worker" | "page" | "track"} thread where audio is carried
 * @property {PumpStats | null} stats as of the last `refresh`
 * @property {(framing: Framing) => void} use what the bridge speaks, told by its hello
 * @property {() => void} refresh
 * @property {() => void} close
 */

/**
 * Start carrying audio over a channel that was created this very moment: a data
 * channel can be transferred only before anything else was done with it.
 *
 * @param {RTCDataChannel} channel
 * @param {MessagePort} capture
 * @param {MessagePort} playout
 * @param {PumpEvents} events
 * @returns {AudioLine}
 */
export function openAudioLine(channel, capture, playout, events) {
  return (
    WorkerLine.tryOpen(channel, capture, playout, events) ??
    new PageLine(channel, capture, playout, events)
  );
}

/** @implements {AudioLine} */
class PageLine {
  /** @type {"page"} */ thread = "page";
  #pump;

  /**
   * @param {RTCDataChannel} channel
   * @param {MessagePort} capture
   * @param {MessagePort} playout
   * @param {PumpEvents} events
   */
  constructor(channel, capture, playout, events) {
    this.#pump = new AudioPump(channel, capture, playout, events);
  }

  get stats() {
    return this.#pump.stats();
  }

  /** @param {Framing} framing */
  use(framing) {
    this.#pump.use(framing);
  }

  refresh() {}

  close() {
    this.#pump.close();
  }
}

/** @implements {AudioLine} */
class WorkerLine {
  /** @type {"worker"} */ thread = "worker";
  /** @type {PumpStats | null} */ stats = null;
  #worker;

  /**
   * @param {RTCDataChannel} channel
   * @param {MessagePort} capture
   * @param {MessagePort} playout
   * @param {PumpEvents} events
   */
  static tryOpen(channel, capture, playout, events) {
    const worker = new Worker(new URL("../audio/pump-worker.js", import.meta.url), {
      type: "module",
    });
    try {
      worker.postMessage({ type: "start", channel, capture, playout }, [
        channel,
        capture,
        playout,
      ]);
      return new WorkerLine(worker, events);
    } catch {
      worker.terminate(); // DataCloneError: this browser cannot; nothing has moved
      return null;
    }
  }

  /**
   * @param {Worker} worker
   * @param {PumpEvents} events
   */
  constructor(worker, events) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => {
      if (data.type === "open") events.onopen();
      if (data.type === "close") events.onclose(data.why);
      if (data.type === "text") events.ontext(data.text);
      if (data.type === "stats") this.stats = data.stats;
    };
  }

  /** @param {Framing} framing */
  use(framing) {
    this.#worker.postMessage({ type: "use", framing });
  }

  refresh() {
    this.#worker.postMessage({ type: "stats" });
  }

  close() {
    this.#worker.onmessage = null;
    this.#worker.postMessage({ type: "close" });
  }
}

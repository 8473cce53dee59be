/**
 * Carries audio between the data channel and the worklets' ports.
 *
 * The same code runs in a worker, where a busy page cannot delay it, and on the
 * page's own thread where a data channel cannot be transferred.
 */

import { createFrameCodec } from "./frame-codec.js";

/** @typedef {import("./framing.js").Framing} Framing */
/** @typedef {import("./frame-codec.js").FrameCodec} FrameCodec */

/** Unsent audio beyond this (100 ms) is old news: the newest frame is dropped. */
const MAX_UNSENT_BYTES = { raw: 4800, "pcm16.v1": 4840, "opus.v1": 900 };

/**
 * @typedef {object} PumpStats
 * @property {Framing | null} framing null until the bridge has said which it is
 * @property {number} framesSent
 * @property {number} framesDropped microphone frames not sent: the network is behind
 * @property {number} framesReceived
 * @property {number} bytesReceived
 * @property {number} bytesSent
 * @property {number} lost frames of the bridge that never came; 0 where nobody can see
 * @property {number} late frames that came after they had been given up
 */

/**
 * @typedef {object} PumpEvents
 * @property {() => void} onopen
 * @property {(why: string) => void} onclose
 * @property {(text: string) => void} ontext a JSON message that came by this channel
 */

export class AudioPump {
  #channel;
  #capture;
  #playout;
  #events;
  /** @type {FrameCodec | null} */ #codec = null;
  #counts = {
    framesSent: 0,
    framesDropped: 0,
    framesReceived: 0,
    bytesReceived: 0,
    bytesSent: 0,
  };

  /**
   * @param {RTCDataChannel} channel
   * @param {MessagePort} capture gives microphone frames, ArrayBuffers of PCM16
   * @param {MessagePort} playout takes frames to play
   * @param {PumpEvents} events
   */
  constructor(channel, capture, playout, events) {
    this.#channel = channel;
    this.#capture = capture;
    this.#playout = playout;
    this.#events = events;
    // A channel that asks for a framing gets it only if the bridge says so in `hello`.
    if (!channel.protocol) this.use("raw");
    channel.binaryType = "arraybuffer";
    channel.onopen = () => events.onopen();
    channel.onclose = () => events.onclose("the audio channel closed");
    channel.onmessage = ({ data }) => {
      if (typeof data === "string") events.ontext(data);
      else this.#receive(data);
    };
    capture.onmessage = ({ data }) => this.#codec?.send(data);
    if (channel.readyState === "open") events.onopen();
  }

  /** @param {Framing} framing what the bridge speaks on this channel */
  use(framing) {
    if (this.#codec?.framing === framing) return;
    this.#codec?.close();
    this.#codec = createFrameCodec(framing, {
      transmit: (message) => this.#transmit(message, MAX_UNSENT_BYTES[framing]),
      play: (pcm) => this.#playout.postMessage(pcm, [pcm]),
      // A new connection begins anew.
      onerror: () => this.#events.onclose("the codec failed"),
    });
  }

  /** @returns {PumpStats} */
  stats() {
    const { lost, late } = this.#codec?.counts() ?? { lost: 0, late: 0 };
    return { framing: this.#codec?.framing ?? null, ...this.#counts, lost, late };
  }

  close() {
    this.#capture.onmessage = null;
    this.#channel.onmessage = null;
    this.#codec?.close();
    this.#codec = null;
    this.#channel.close();
  }

  /**
   * @param {ArrayBuffer} message
   * @param {number} maxUnsentBytes
   */
  #transmit(message, maxUnsentBytes) {
    if (this.#channel.readyState !== "open") return;
    if (this.#channel.bufferedAmount > maxUnsentBytes) {
      this.#counts.framesDropped++;
      return;
    }
    this.#counts.framesSent++;
    this.#counts.bytesSent += message.byteLength;
    this.#channel.send(message);
  }

  /** @param {ArrayBuffer} message */
  #receive(message) {
    this.#counts.framesReceived++;
    this.#counts.bytesReceived += message.byteLength;
    this.#codec?.receive(message);
  }
}

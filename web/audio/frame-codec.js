/**
 * Microphone frames to messages, and messages to frames to play, in one framing.
 */

import { FrameCounter, FrameOrder, packFrame, unpackFrame } from "./framing.js";
import { OpusDecoder, OpusEncoder } from "./opus-codec.js";

/** @typedef {import("./framing.js").Framing} Framing */

const FRAME_SAMPLES = 480;
/** -6 dB per repeated frame, as long as it makes sense. */
const FADE = 0.5;
const MAX_REPEATS = 4;

/**
 * @typedef {object} FrameCodec
 * @property {Framing} framing
 * @property {(frame: ArrayBuffer) => void} send one microphone frame, PCM16
 * @property {(message: ArrayBuffer) => void} receive one message of the bridge
 * @property {() => {lost: number, late: number}} counts in frames, of what came
 * @property {() => void} close
 */

/**
 * @typedef {object} FrameSinks
 * @property {(message: ArrayBuffer) => void} transmit
 * @property {(pcm: ArrayBuffer) => void} play PCM16, 24 kHz; may be transferred
 * @property {() => void} onerror the browser's codec has failed
 */

/**
 * @param {Framing} framing
 * @param {FrameSinks} sinks
 * @returns {FrameCodec}
 */
export function createFrameCodec(framing, sinks) {
  if (framing === "opus.v1") return new OpusFrames(sinks);
  if (framing === "pcm16.v1") return new PcmFrames(sinks);
  return {
    framing: "raw",
    send: sinks.transmit,
    receive: sinks.play,
    counts: () => ({ lost: 0, late: 0 }),
    close() {},
  };
}

/** @implements {FrameCodec} */
class PcmFrames {
  /** @type {"pcm16.v1"} */ framing = "pcm16.v1";
  #sinks;
  #counter = new FrameCounter(FRAME_SAMPLES);
  #order = new FrameOrder((payload) => this.#play(payload));
  #last = new Int16Array(FRAME_SAMPLES);
  #repeats = 0;

  /** @param {FrameSinks} sinks */
  constructor(sinks) {
    this.#sinks = sinks;
  }

  /** @param {ArrayBuffer} frame */
  send(frame) {
    const header = this.#counter.next(isSilent(frame));
    if (header) this.#sinks.transmit(packFrame(header, new Uint8Array(frame)));
  }

  /** @param {ArrayBuffer} message */
  receive(message) {
    const frame = unpackFrame(message);
    if (frame && frame.payload.length % 2 === 0) this.#order.push(frame);
  }

  counts() {
    return { lost: this.#order.lost, late: this.#order.late };
  }

  close() {}

  /** @param {Uint8Array | null} payload */
  #play(payload) {
    if (payload) {
      const bytes = payload.slice();
      this.#last = new Int16Array(bytes.slice().buffer);
      this.#repeats = 0;
      this.#sinks.play(bytes.buffer);
    } else if (this.#repeats++ < MAX_REPEATS) {
      this.#sinks.play(/** @type {ArrayBuffer} */ (this.#fadedRepetition().buffer));
    }
  }

  /** The last frame, backwards and forwards in turn so that the seams are smooth. */
  #fadedRepetition() {
    const n = this.#last.length;
    const from = FADE ** (this.#repeats - 1);
    const again = this.#last.slice();
    if (this.#repeats % 2 === 1) again.reverse();
    for (let i = 0; i < n; i++) again[i] *= from * (1 - ((1 - FADE) * i) / n);
    return again;
  }
}

/** @implements {FrameCodec} */
class OpusFrames {
  /** @type {"opus.v1"} */ framing = "opus.v1";
  #counter = new FrameCounter(FRAME_SAMPLES);
  /** Headers of frames that are being encoded: packets come in the same order. */
  /** @type {ReturnType<FrameCounter["next"]>[]} */ #headers = [];
  #encoder;
  #decoder;
  #order = new FrameOrder((payload) => this.#decoder.push(payload));

  /** @param {FrameSinks} sinks */
  constructor({ transmit, play, onerror }) {
    this.#encoder = new OpusEncoder((packet) => {
      const header = this.#headers.shift();
      if (header) transmit(packFrame(header, packet));
    }, onerror);
    this.#decoder = new OpusDecoder(
      (pcm) => play(/** @type {ArrayBuffer} */ (pcm.buffer)),
      onerror,
    );
  }

  /** @param {ArrayBuffer} frame */
  send(frame) {
    const header = this.#counter.next(isSilent(frame));
    if (!header) return; // and nothing is encoded either
    this.#headers.push(header);
    this.#encoder.push(new Int16Array(frame));
  }

  /** @param {ArrayBuffer} message */
  receive(message) {
    const frame = unpackFrame(message);
    if (frame && frame.payload.length > 0) this.#order.push(frame);
  }

  counts() {
    return { lost: this.#order.lost, late: this.#order.late };
  }

  close() {
    this.#encoder.close();
    this.#decoder.close();
  }
}

/** @param {ArrayBuffer} frame */
function isSilent(frame) {
  return new Int16Array(frame).every((sample) => sample === 0);
}

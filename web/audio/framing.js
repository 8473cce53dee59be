/**
 * The framing of audio messages on the data channel (docs/framing.md). Pure.
 */

/** @typedef {"raw" | "pcm16.v1" | "opus.v1"} Framing */

const VERSION = 1;
export const HEADER_BYTES = 8;
/** The first frame after a pause: nothing between it and the last was lost. */
export const START = 0x01;
/** Nothing follows for now. */
export const PAUSE = 0x02;
/** Frames of silence still sent, so that codecs and ears come to rest. */
const SETTLING_FRAMES = 3;
/** In a pause one frame per 400 ms says that we are still there. */
const KEEPALIVE_FRAMES = 20;

/**
 * @typedef {object} Frame
 * @property {number} flags
 * @property {number} sequence counts messages, modulo 2**16
 * @property {number} timestamp sample (24 kHz) at which it begins, modulo 2**32
 * @property {Uint8Array} payload
 */

/**
 * @param {Omit<Frame, "payload">} header
 * @param {Uint8Array} payload
 * @returns {ArrayBuffer}
 */
export function packFrame({ flags, sequence, timestamp }, payload) {
  const message = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(message.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, flags);
  view.setUint16(2, sequence);
  view.setUint32(4, timestamp);
  message.set(payload, HEADER_BYTES);
  return message.buffer;
}

/**
 * @param {ArrayBuffer} message
 * @returns {Frame | null} null when it is none, or of another version
 */
export function unpackFrame(message) {
  if (message.byteLength < HEADER_BYTES) return null;
  const view = new DataView(message);
  if (view.getUint8(0) !== VERSION) return null;
  return {
    flags: view.getUint8(1),
    sequence: view.getUint16(2),
    timestamp: view.getUint32(4),
    payload: new Uint8Array(message, HEADER_BYTES),
  };
}

/** Numbers the frames of one sender, and leaves out silence. */
export class FrameCounter {
  #samples;
  #sequence = 0;
  #timestamp = 0;
  #silent = 0;
  #pauses = true;

  /** @param {number} samplesPerFrame */
  constructor(samplesPerFrame) {
    this.#samples = samplesPerFrame;
  }

  /**
   * The header of the next 20 ms, or null when nothing is to be sent for them.
   *
   * @param {boolean} isSilent
   * @returns {Omit<Frame, "payload"> | null}
   */
  next(isSilent) {
    if (!isSilent) {
      const flags = this.#pauses ? START : 0;
      this.#pauses = false;
      this.#silent = 0;
      return this.#header(flags);
    }
    const settled = ++this.#silent - SETTLING_FRAMES;
    if (settled < 0) return this.#header(0);
    this.#pauses = true;
    if (settled % KEEPALIVE_FRAMES === 0) return this.#header(PAUSE);
    this.#advance();
    return null;
  }

  /** @param {number} flags */
  #header(flags) {
    const header = { flags, sequence: this.#sequence, timestamp: this.#timestamp };
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#advance();
    return header;
  }

  #advance() {
    this.#timestamp = (this.#timestamp + this.#samples) % 2 ** 32;
  }
}

/** So many frames may wait behind a missing one before it is given up. */
const DEPTH = 2;
/** More lost frames than this in a row are a hole; they are not made up. */
const MAX_LOST = 5;
/** A jump of so many frames is another stream. */
const RESTART = 1000;

/** Puts frames in order; says where one is lost. Without trouble nothing waits. */
export class FrameOrder {
  #emit;
  /** @type {number | null} */ #expected = null;
  /** @type {Map<number, Uint8Array>} */ #held = new Map();
  lost = 0;
  late = 0;

  /** @param {(payload: Uint8Array | null) => void} emit gets null for a lost frame */
  constructor(emit) {
    this.#emit = emit;
  }

  /** @param {Frame} frame */
  push({ sequence, payload }) {
    this.#expected ??= sequence;
    const ahead = (sequence - this.#expected) & 0xffff;
    if (ahead > 0xffff - RESTART) {
      this.late++;
      return;
    }
    if (ahead >= RESTART) {
      this.#held.clear();
      this.#expected = sequence;
    }
    this.#held.set(sequence, payload);
    this.#release();
    if (this.#held.size > DEPTH) this.#giveUp();
  }

  #release() {
    for (;;) {
      const next = /** @type {number} */ (this.#expected);
      const payload = this.#held.get(next);
      if (payload === undefined) return;
      this.#held.delete(next);
      this.#expected = (next + 1) & 0xffff;
      this.#emit(payload);
    }
  }

  #giveUp() {
    const expected = /** @type {number} */ (this.#expected);
    const gap = Math.min(...[...this.#held.keys()].map((n) => (n - expected) & 0xffff));
    this.lost += gap;
    for (let i = 0; i < Math.min(gap, MAX_LOST); i++) this.#emit(null);
    this.#expected = (expected + gap) & 0xffff;
    this.#release();
  }
}

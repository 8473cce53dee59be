/**
 * The loudspeaker: playout worklet, volume, what it really plays.
 */

import { openFramePort } from "./audio-context.js";
import { SILENCE_DBFS } from "./level.js";
import { DEFAULT_PLAYOUT } from "./playout-buffer.js";

/** @typedef {import("./playout-buffer.js").PlayoutStats} PlayoutStats */

const FADE_S = 0.01;

export class Speaker {
  #node;
  #volume;
  #muted = false;
  #level = { rmsDbfs: SILENCE_DBFS, peakDbfs: SILENCE_DBFS };
  /** @type {PlayoutStats | null} */ #stats = null;

  /** @param {AudioContext} context */
  constructor(context) {
    this.#node = new AudioWorkletNode(context, "voicebridge-playout", {
      numberOfInputs: 0,
      numberOfOutputs: 1,
      outputChannelCount: [1],
      processorOptions: DEFAULT_PLAYOUT,
    });
    this.#node.port.onmessage = ({ data }) => {
      this.#level = data;
      this.#stats = data.stats;
    };
    this.#volume = new GainNode(context);
    this.#node.connect(this.#volume).connect(context.destination);
  }

  /** @returns {MessagePort} takes frames; may be moved to a worker; once only */
  openFramePort() {
    return openFramePort(this.#node);
  }

  /** Silence at once: the assistant was interrupted. */
  flush() {
    this.#node.port.postMessage({ type: "flush" });
  }

  get levelDbfs() {
    return this.#level.rmsDbfs;
  }

  /** @returns {PlayoutStats | null} null until the first block was played */
  get stats() {
    return this.#stats;
  }

  get muted() {
    return this.#muted;
  }

  /** Muted, everything goes on but the sound. */
  set muted(muted) {
    if (muted === this.#muted) return;
    this.#muted = muted;
    const { context, gain } = this.#volume;
    gain.setTargetAtTime(muted ? 0 : 1, context.currentTime, FADE_S);
  }

  /** Where a recorder hears what is played. */
  get tap() {
    return this.#volume;
  }

  close() {
    this.#node.port.postMessage({ type: "close" });
    this.#node.port.onmessage = null;
    this.#node.disconnect();
    this.#volume.disconnect();
  }
}

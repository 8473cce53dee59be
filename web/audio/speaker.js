/**
 * The loudspeaker: playout worklet, volume, what it really plays.
 */

import { openFramePort } from "./audio-context.js";
import { amplitudeToDbfs, SILENCE_DBFS } from "./level.js";
import { DEFAULT_PLAYOUT } from "./playout-buffer.js";

/** @typedef {import("./playout-buffer.js").PlayoutStats} PlayoutStats */

const FADE_S = 0.01;
/** What a jitter buffer of the browser may still hold when the bridge says flush. */
const STREAM_FLUSH_S = 0.15;

export class Speaker {
  #node;
  #volume;
  #muted = false;
  #level = { rmsDbfs: SILENCE_DBFS, peakDbfs: SILENCE_DBFS };
  /** @type {PlayoutStats | null} */ #stats = null;
  /** @type {StreamPlayer | null} */ #stream = null;

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

  /**
   * Play a media track, until another connection plays something else.
   *
   * @param {MediaStream} stream
   */
  playStream(stream) {
    this.#stream?.close();
    this.#stream = new StreamPlayer(stream, this.#volume);
  }

  /** Silence at once: the assistant was interrupted. */
  flush() {
    this.#node.port.postMessage({ type: "flush" });
    this.#stream?.flush();
  }

  get levelDbfs() {
    return Math.max(this.#level.rmsDbfs, this.#stream?.levelDbfs ?? SILENCE_DBFS);
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
    this.#stream?.close();
    this.#node.port.postMessage({ type: "close" });
    this.#node.port.onmessage = null;
    this.#node.disconnect();
    this.#volume.disconnect();
  }
}

/** A media track in the same audio graph as everything else that is played. */
class StreamPlayer {
  #source;
  #gate;
  #meter;
  #block = new Float32Array(512);
  /** Chromium decodes a remote track only while an element plays it, be it muted. */
  #puller = new Audio();

  /**
   * @param {MediaStream} stream
   * @param {AudioNode} output
   */
  constructor(stream, output) {
    const context = /** @type {AudioContext} */ (output.context);
    this.#puller.muted = true;
    this.#puller.srcObject = stream;
    this.#puller.play().catch(() => {}); // removed before it began
    this.#source = context.createMediaStreamSource(stream);
    this.#gate = new GainNode(context);
    this.#meter = new AnalyserNode(context, { fftSize: this.#block.length });
    this.#source.connect(this.#gate).connect(output);
    this.#gate.connect(this.#meter);
  }

  get levelDbfs() {
    this.#meter.getFloatTimeDomainData(this.#block);
    let sum = 0;
    for (const sample of this.#block) sum += sample * sample;
    return amplitudeToDbfs(Math.sqrt(sum / this.#block.length));
  }

  flush() {
    const { context, gain } = this.#gate;
    gain.cancelScheduledValues(context.currentTime);
    gain.setTargetAtTime(0, context.currentTime, FADE_S / 4);
    gain.setTargetAtTime(1, context.currentTime + STREAM_FLUSH_S, FADE_S);
  }

  close() {
    this.#puller.srcObject = null;
    this.#source.disconnect();
    this.#gate.disconnect();
  }
}

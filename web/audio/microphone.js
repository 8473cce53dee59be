/**
 * The microphone: permission, track, capture worklet.
 */

import { CallFailure } from "../call/failures.js";
import { openFramePort } from "./audio-context.js";
import { SILENCE_DBFS } from "./level.js";

/** @type {Record<string, string>} what getUserMedia throws, in our words */
const FAILURES = {
  NotAllowedError: "microphone_denied",
  SecurityError: "microphone_denied",
  NotFoundError: "microphone_missing",
  OverconstrainedError: "microphone_missing",
  NotReadableError: "microphone_busy",
  AbortError: "microphone_busy",
};

export class Microphone {
  #context;
  #input;
  #node;
  #onEnded;
  /** @type {MediaStream} */ #stream;
  /** @type {MediaStreamAudioSourceNode} */ #source;
  #level = { rmsDbfs: SILENCE_DBFS, peakDbfs: SILENCE_DBFS };
  #muted = false;

  /**
   * Ask for the microphone.
   *
   * @param {MediaTrackConstraints} audio
   * @returns {Promise<MediaStream>} for the constructor, or to be stopped by the caller
   * @throws {CallFailure} insecure_origin, microphone_denied, _missing or _busy
   */
  static async request(audio) {
    if (!window.isSecureContext || !navigator.mediaDevices) {
      throw new CallFailure("insecure_origin");
    }
    try {
      return await navigator.mediaDevices.getUserMedia({ audio });
    } catch (cause) {
      const name = cause instanceof DOMException ? cause.name : "";
      throw new CallFailure(FAILURES[name] ?? "microphone_busy", { cause });
    }
  }

  /**
   * @param {AudioContext} context
   * @param {MediaStream} stream taken over: `close` stops it
   * @param {() => void} onEnded the device has gone (unplugged, permission revoked)
   */
  constructor(context, stream, onEnded) {
    this.#context = context;
    this.#onEnded = onEnded;
    this.#node = new AudioWorkletNode(context, "voicebridge-capture", {
      numberOfInputs: 1,
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    this.#node.port.onmessage = ({ data }) => (this.#level = data);
    this.#input = new GainNode(context); // stays when the device changes
    this.#input.connect(this.#node);
    [this.#stream, this.#source] = this.#attach(stream);
  }

  /**
   * Go on with another stream (device, processing) without a break in the frames.
   *
   * @param {MediaStream} stream taken over
   */
  replace(stream) {
    this.#detach();
    [this.#stream, this.#source] = this.#attach(stream);
  }

  /** @returns {MessagePort} gives 20 ms frames; may be moved to a worker; once only */
  openFramePort() {
    return openFramePort(this.#node);
  }

  /** RMS of the last 20 ms; silence while muted. */
  get levelDbfs() {
    return this.#level.rmsDbfs;
  }

  get muted() {
    return this.#muted;
  }

  /** Muted, it still gives frames, of silence: the far side needs its clock. */
  set muted(muted) {
    this.#muted = muted;
    for (const track of this.#stream.getTracks()) track.enabled = !muted;
  }

  /** Where a recorder hears what is captured. */
  get tap() {
    return this.#input;
  }

  close() {
    this.#detach();
    this.#input.disconnect();
    this.#node.port.postMessage({ type: "close" });
    this.#node.port.onmessage = null;
  }

  /**
   * @param {MediaStream} stream
   * @returns {[MediaStream, MediaStreamAudioSourceNode]}
   */
  #attach(stream) {
    const source = this.#context.createMediaStreamSource(stream);
    source.connect(this.#input);
    for (const track of stream.getTracks()) {
      track.enabled = !this.#muted;
      track.onended = this.#onEnded;
    }
    return [stream, source];
  }

  #detach() {
    for (const track of this.#stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    this.#source.disconnect();
  }
}

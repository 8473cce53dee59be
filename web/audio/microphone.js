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

const SILENT_LEVEL = { rmsDbfs: SILENCE_DBFS, peakDbfs: SILENCE_DBFS };

export class Microphone {
  #context;
  #input;
  #node;
  #onEnded;
  /** @type {MediaStream | null} */ #stream = null;
  /** @type {MediaStreamAudioSourceNode | null} */ #source = null;
  /** @type {MediaStreamAudioDestinationNode | null} */ #outlet = null;
  #level = SILENT_LEVEL;
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
   * @param {MediaStream | null} stream taken over: `close` stops it; null on a device
   *   that only listens
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
    this.#attach(stream);
  }

  /**
   * Go on with another stream (device, processing) without a break in the frames.
   *
   * @param {MediaStream | null} stream taken over; null closes the device
   */
  replace(stream) {
    this.#detach();
    this.#attach(stream);
  }

  /** Whether a device is open. */
  get isOpen() {
    return this.#stream !== null;
  }

  /** @returns {MediaStreamTrack} what is captured, whatever device it comes from */
  openTrack() {
    this.#outlet ??= this.#context.createMediaStreamDestination();
    this.#input.connect(this.#outlet);
    return this.#outlet.stream.getAudioTracks()[0];
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
    for (const track of this.#stream?.getTracks() ?? []) track.enabled = !muted;
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

  /** @param {MediaStream | null} stream */
  #attach(stream) {
    this.#stream = stream;
    if (!stream) return;
    this.#source = this.#context.createMediaStreamSource(stream);
    this.#source.connect(this.#input);
    for (const track of stream.getTracks()) {
      track.enabled = !this.#muted;
      track.onended = this.#onEnded;
    }
  }

  #detach() {
    for (const track of this.#stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.#source?.disconnect();
    this.#stream = this.#source = null;
    this.#level = SILENT_LEVEL;
  }
}

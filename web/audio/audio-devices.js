/**
 * The page's microphone and loudspeaker on one audio context.
 *
 * They outlive a connection: when the network breaks, they stay open and the next
 * connection takes new frame ports. So nobody is asked for permission twice.
 */

import { CallFailure } from "../call/failures.js";
import { microphoneConstraints } from "../settings.js";
import { openAudioContext } from "./audio-context.js";
import { SILENCE_DBFS } from "./level.js";
import { Microphone } from "./microphone.js";
import { Recorder } from "./recorder.js";
import { Speaker } from "./speaker.js";

/** @typedef {import("../settings.js").Settings} Settings */

/** No device's id: as an ideal it asks for any device there is. */
const GONE = "gone";

export class AudioDevices {
  #context;
  #settings;
  #onLost;
  /** @type {Recorder[]} */ #recorders = [];

  /**
   * Open both; on a device that only listens, no microphone is asked for. Call this
   * inside a click: browsers allow sound only then.
   *
   * @param {Settings} settings
   * @param {(failure: CallFailure) => void} onLost the microphone has gone, and there
   *   is no other
   * @returns {Promise<AudioDevices>} the caller closes it
   * @throws {CallFailure}
   */
  static async open(settings, onLost) {
    const [context, stream] = await Promise.allSettled([
      openAudioContext(),
      requestFor(settings),
    ]);
    if (context.status === "fulfilled" && stream.status === "fulfilled") {
      return new AudioDevices(context.value, stream.value, settings, onLost);
    }
    if (context.status === "fulfilled") void context.value.close();
    if (stream.status === "fulfilled" && stream.value) stopTracks(stream.value);
    // The microphone's reason first: it is the one a person can do something about.
    throw stream.status === "rejected" ? stream.reason : rejectionOf(context);
  }

  /**
   * @param {AudioContext} context taken over
   * @param {MediaStream | null} stream taken over
   * @param {Settings} settings
   * @param {(failure: CallFailure) => void} onLost
   */
  constructor(context, stream, settings, onLost) {
    this.#context = context;
    this.#settings = settings;
    this.#onLost = onLost;
    this.speaker = new Speaker(context);
    this.microphone = new Microphone(context, stream, () => this.#useDefault());
    void this.#chooseSpeaker();
    // A telephone call or a sleeping device suspends it; sound comes back with them.
    context.onstatechange = () => {
      if (context.state !== "running") context.resume().catch(() => {});
    };
  }

  /**
   * Use other devices or another processing, in the middle of a call too.
   *
   * @param {Settings} settings
   * @throws {CallFailure} the microphone cannot be opened; the old one goes on
   */
  async use(settings) {
    const before = wish(this.#settings);
    this.#settings = settings;
    void this.#chooseSpeaker();
    if (wish(settings) === before) return;
    await this.#openMicrophone();
  }

  async #openMicrophone() {
    const settings = this.#settings;
    const stream = await requestFor(settings);
    const isOutdated = settings !== this.#settings || this.#context.state === "closed";
    if (isOutdated && stream) stopTracks(stream);
    if (isOutdated) return;
    this.microphone.replace(stream);
  }

  /** @returns {{microphone: number, speaker: number}} RMS of the last 20 ms, dBFS */
  get levels() {
    return {
      microphone: this.microphone.levelDbfs,
      speaker: this.speaker.levelDbfs,
    };
  }

  /** Record both ends from now on. Closed with the devices. */
  async record() {
    const { microphone, speaker } = this;
    const recorder = await Recorder.open(this.#context, microphone.tap, speaker.tap);
    this.#recorders.push(recorder);
    return recorder;
  }

  /** The microphone was unplugged: go on with whatever the system has now. */
  async #useDefault() {
    this.#settings = { ...this.#settings, microphoneId: GONE };
    try {
      await this.#openMicrophone();
    } catch {
      this.#onLost(new CallFailure("microphone_lost"));
    }
  }

  async #chooseSpeaker() {
    const { speakerId } = this.#settings;
    // TypeScript does not know these two yet, and not every browser has them.
    /** @type {AudioContext & {sinkId?: string, setSinkId?: (id: string) => Promise<void>}} */
    const context = this.#context;
    if (!context.setSinkId || (context.sinkId ?? "") === speakerId) return;
    // A loudspeaker that has gone: the system's default plays on.
    await context.setSinkId(speakerId).catch(() => {});
  }

  close() {
    for (const recorder of this.#recorders) recorder.close();
    this.microphone.close();
    this.speaker.close();
    this.#context.onstatechange = null;
    void this.#context.close();
  }
}

/** What there is to hear when nothing is open. */
export const SILENT = { microphone: SILENCE_DBFS, speaker: SILENCE_DBFS };

/**
 * @param {Settings} settings
 * @returns {Promise<MediaStream | null>} null where nobody speaks
 */
async function requestFor(settings) {
  if (settings.mode === "listen") return null;
  return Microphone.request(microphoneConstraints(settings));
}

/** @param {Settings} settings which microphone, used how; equal when nothing changes */
function wish(settings) {
  return settings.mode === "listen" ? "" : JSON.stringify(microphoneConstraints(settings));
}

/** @param {PromiseSettledResult<unknown>} result */
function rejectionOf(result) {
  return result.status === "rejected" ? result.reason : undefined;
}

/** @param {MediaStream} stream */
function stopTracks(stream) {
  for (const track of stream.getTracks()) track.stop();
}

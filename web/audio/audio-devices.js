/**
 * The page's microphone and loudspeaker on one audio context.
 *
 * They outlive a connection: when the network breaks, they stay open and the next
 * connection takes new frame ports. So nobody is asked for permission twice.
 */

import { SILENCE_DBFS } from "./level.js";
import { openAudioContext } from "./audio-context.js";
import { Microphone } from "./microphone.js";
import { Recorder } from "./recorder.js";
import { Speaker } from "./speaker.js";

export class AudioDevices {
  #context;
  /** @type {Recorder[]} */ #recorders = [];

  /**
   * Open both. Call this inside a click: browsers allow sound only then.
   *
   * @param {{onLost: () => void}} events onLost: the microphone has gone
   * @returns {Promise<AudioDevices>} the caller closes it
   * @throws {import("../call/failures.js").CallFailure}
   */
  static async open({ onLost }) {
    const opened = await Promise.allSettled([openAudioContext(), Microphone.request()]);
    const [context, stream] = opened;
    if (context.status === "fulfilled" && stream.status === "fulfilled") {
      return new AudioDevices(context.value, stream.value, onLost);
    }
    if (context.status === "fulfilled") void context.value.close();
    if (stream.status === "fulfilled") stopTracks(stream.value);
    // The microphone's reason first: it is the one a person can do something about.
    throw stream.status === "rejected" ? stream.reason : rejectionOf(context);
  }

  /**
   * @param {AudioContext} context taken over
   * @param {MediaStream} stream taken over
   * @param {() => void} onLost
   */
  constructor(context, stream, onLost) {
    this.#context = context;
    this.speaker = new Speaker(context);
    this.microphone = new Microphone(context, stream, onLost);
    // A telephone call or a sleeping device suspends it; sound comes back with them.
    context.onstatechange = () => {
      if (context.state !== "running") context.resume().catch(() => {});
    };
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

/** @param {PromiseSettledResult<unknown>} result */
function rejectionOf(result) {
  return result.status === "rejected" ? result.reason : undefined;
}

/** @param {MediaStream} stream */
function stopTracks(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/**
 * The peer connection to the bridge: a channel for messages, and a leg for audio.
 */

import { openAudioLine } from "./audio-line.js";
import { CallFailure } from "./failures.js";
import { TrackLine } from "./track-line.js";

/** @typedef {import("../audio/audio-devices.js").AudioDevices} AudioDevices */
/** @typedef {import("./leg.js").LegKind} LegKind */

/**
 * @typedef {object} LegIdentity
 * @property {LegKind} leg
 * @property {"worker" | "page" | "track"} thread
 */

/** @typedef {LegIdentity & Partial<import("../audio/audio-pump.js").PumpStats & import("./track-line.js").TrackStats>} LegStats */

/** @type {Record<"pcm16" | "opus", import("../audio/framing.js").Framing>} */
const FRAMING = { pcm16: "pcm16.v1", opus: "opus.v1" };

/** Without any candidate "complete" may never come: then what there is must do. */
const GATHERING_TIMEOUT_MS = 1_000;
const OPEN_TIMEOUT_MS = 10_000;
/** A goodbye needs a moment to leave before the transport is torn down. */
const BYE_FLUSH_MS = 150;

/** Late audio is worthless: give it 100 ms to get through, then drop it. */
const AUDIO_CHANNEL = { ordered: false, maxPacketLifeTime: 100 };

export class Peer {
  #pc;
  #control;
  #line;
  #open = withResolvers();
  #nOpen = 0;
  #nWanted = 1;

  /**
   * @param {object} parts
   * @param {AudioDevices} parts.audio stays the caller's
   * @param {LegKind} parts.leg
   * @param {RTCIceServer[]} parts.iceServers
   * @param {(text: string) => void} parts.onText a JSON message came
   * @param {(why: string) => void} parts.onLost the connection or a channel is gone
   */
  constructor({ audio, leg, iceServers, onText, onLost }) {
    this.#open.promise.catch(() => {}); // may fail before anybody waits for it
    this.#pc = new RTCPeerConnection({ iceServers });
    this.#pc.onconnectionstatechange = () => {
      if (this.#pc.connectionState === "failed") onLost("the connection failed");
    };
    const onopen = () => {
      if (++this.#nOpen === this.#nWanted) this.#open.resolve();
    };
    this.leg = leg;
    if (leg === "track") {
      const { microphone, speaker } = audio;
      this.#line = new TrackLine(this.#pc, microphone.openTrack(), (stream) =>
        speaker.playStream(stream),
      );
    } else {
      this.#nWanted = 2;
      this.#line = openAudioLine(
        this.#pc.createDataChannel("audio", {
          ...AUDIO_CHANNEL,
          protocol: FRAMING[leg],
        }),
        audio.microphone.openFramePort(),
        audio.speaker.openFramePort(),
        { onopen, onclose: onLost, ontext: onText },
      );
    }
    this.#control = this.#pc.createDataChannel("control");
    this.#control.onopen = onopen;
    this.#control.onclose = () => onLost("the control channel closed");
    this.#control.onmessage = ({ data }) => {
      if (typeof data === "string") onText(data);
    };
  }

  /** @returns {Promise<string>} SDP with every candidate found in time */
  async offer() {
    await this.#pc.setLocalDescription(await this.#pc.createOffer());
    await this.#gathered();
    return /** @type {RTCSessionDescription} */ (this.#pc.localDescription).sdp;
  }

  /**
   * @param {string} sdp the bridge's answer
   * @throws {CallFailure} server_bad_answer, connection_failed
   */
  async accept(sdp) {
    try {
      await this.#pc.setRemoteDescription({ type: "answer", sdp });
    } catch (cause) {
      throw new CallFailure("server_bad_answer", { cause });
    }
    const timer = setTimeout(
      () => this.#open.reject(new CallFailure("connection_failed")),
      OPEN_TIMEOUT_MS,
    );
    await this.#open.promise.finally(() => clearTimeout(timer));
  }

  /** @param {import("./messages.js").ClientMessage} message dropped if not open */
  send(message) {
    if (this.#control.readyState === "open")
      this.#control.send(JSON.stringify(message));
  }

  /**
   * Counts of the audio leg, and where it is carried.
   *
   * @returns {LegStats}
   */
  get audio() {
    return { leg: this.leg, thread: this.#line.thread, ...this.#line.stats };
  }

  /** @param {import("../audio/framing.js").Framing} framing the bridge's own choice */
  use(framing) {
    this.#line.use(framing);
  }

  get connectionState() {
    return this.#pc.connectionState;
  }

  /** Ask the audio line for fresh counts. */
  refresh() {
    this.#line.refresh();
  }

  /** @param {CallFailure} failure told to whoever still waits for the channels */
  fail(failure) {
    this.#open.reject(failure);
  }

  /** Say goodbye and close. Audio stops now; the rest when the goodbye has left. */
  close() {
    this.#open.reject(new CallFailure("connection_lost"));
    this.#pc.onconnectionstatechange = null;
    this.#control.onclose = this.#control.onmessage = null;
    const isOpen = this.#control.readyState === "open";
    this.send({ type: "bye" });
    this.#line.close();
    if (isOpen) setTimeout(() => this.#pc.close(), BYE_FLUSH_MS);
    else this.#pc.close();
  }

  async #gathered() {
    const pc = this.#pc;
    if (pc.iceGatheringState === "complete") return;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, GATHERING_TIMEOUT_MS);
      pc.onicegatheringstatechange = () => {
        if (pc.iceGatheringState !== "complete") return;
        clearTimeout(timer);
        resolve(undefined);
      };
    });
    pc.onicegatheringstatechange = null;
  }
}

/**
 * `Promise.withResolvers`, which Safari before 17.4 lacks.
 *
 * @returns {{promise: Promise<void>, resolve: () => void, reject: (e: Error) => void}}
 */
function withResolvers() {
  /** @type {any} */
  const deferred = {};
  deferred.promise = new Promise((resolve, reject) => {
    Object.assign(deferred, { resolve, reject });
  });
  return deferred;
}

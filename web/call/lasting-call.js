/**
 * A call as a person means it: it lasts until somebody ends it.
 *
 * It keeps the audio devices and what is to be remembered (muted or not, which
 * conversation), and replaces the connection when that breaks, waiting a little longer
 * before each attempt. Only the first connection may fail without a second try: then
 * the person is still looking and should know why.
 */

import { AudioDevices, SILENT } from "../audio/audio-devices.js";
import { Call } from "./call.js";
import { CallFailure } from "./failures.js";

/** @typedef {import("../settings.js").Settings} Settings */
/** @typedef {import("./messages.js").ServerMessage} ServerMessage */

/** Waits before each attempt; about 30 s, then it is given up. */
export const BACK_OFF_MS = [200, 500, 1_000, 2_000, 4_000, 6_000, 8_000, 8_000];

/** Failures of an attempt that the next one may not meet. */
const PASSING = new Set([
  "connection_lost",
  "connection_failed",
  "server_unreachable",
  "server_timeout",
  "server_bad_answer", // a proxy whose server is just starting again
  "at_capacity",
  "model_unreachable",
  "model_unavailable",
  "model_timeout",
]);

/**
 * @typedef {object} Figures
 * @property {number | null} rttMs round trip of a control message
 * @property {number | null} bufferedMs audio waiting to be played
 * @property {number} dropouts frames not sent for a slow network, and moments in which
 *   the assistant's audio came too late
 */

/**
 * @typedef {object} LastingCallOptions
 * @property {string | URL} base where the bridge's `api/` is
 * @property {Settings} settings
 * @property {string} [conversationId] to go on with a conversation
 * @property {(message: ServerMessage) => void} onMessage
 * @property {(progress: "live" | "reconnecting") => void} onProgress
 * @property {(failure: CallFailure) => void} onEnd it is over and closed
 * @property {typeof AudioDevices.open} [openAudio] for tests
 * @property {(options: import("./call.js").CallOptions) => Call} [createCall] for tests
 */

export class LastingCall {
  #options;
  /** @type {AudioDevices | null} */ #audio = null;
  /** @type {Call | null} */ #call = null;
  /** @type {string | undefined} */ #conversationId;
  #muted = false;
  #speakerMuted = false;
  #isOver = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /** @param {LastingCallOptions} options */
  constructor(options) {
    this.#options = options;
    this.#conversationId = options.conversationId;
  }

  /** Ask for the microphone and connect. Call it inside a click. Never rejects. */
  async start() {
    const openAudio = this.#options.openAudio ?? AudioDevices.open;
    try {
      const { settings } = this.#options;
      const audio = await openAudio(settings, (failure) => this.#end(failure));
      if (this.#isOver) return audio.close();
      this.#audio = audio;
      audio.microphone.muted = this.#muted;
      audio.speaker.muted = this.#speakerMuted;
      await this.#connect();
    } catch (error) {
      this.#end(CallFailure.from(error));
    }
  }

  /** Hang up and give everything back. Idempotent; nothing is reported any more. */
  close() {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#call?.close();
    this.#audio?.close();
    this.#call = this.#audio = null;
  }

  // --- what a person can do ------------------------------------------------------

  /** @param {boolean} muted */
  mute(muted) {
    this.#muted = muted;
    if (this.#audio) this.#audio.microphone.muted = muted;
    this.#call?.send({ type: "mute", muted });
  }

  /** @param {boolean} muted nothing is played; the bridge need not know */
  muteSpeaker(muted) {
    this.#speakerMuted = muted;
    if (this.#audio) this.#audio.speaker.muted = muted;
  }

  /**
   * Use other devices from now on.
   *
   * @param {Settings} settings
   * @throws {CallFailure} the microphone cannot be opened; the old one goes on
   */
  async use(settings) {
    await this.#audio?.use(settings);
  }

  /** Stop the assistant's speech. Silence is immediate; the bridge is told. */
  interrupt() {
    this.#audio?.speaker.flush();
    this.#call?.send({ type: "interrupt" });
  }

  /** @param {string} text */
  sendText(text) {
    this.#call?.send({ type: "text", text });
  }

  // --- what can be read ----------------------------------------------------------

  get conversationId() {
    return this.#conversationId;
  }

  /** @returns {{microphone: number, speaker: number}} RMS of the last 20 ms, dBFS */
  get levels() {
    return this.#audio?.levels ?? SILENT;
  }

  /** @returns {Figures} */
  get figures() {
    const playout = this.#audio?.speaker.stats;
    const unsent = this.#call?.diagnostics.channel?.framesDropped ?? 0;
    return {
      rttMs: this.#call?.rttMs ?? null,
      bufferedMs: playout?.bufferedMs ?? null,
      dropouts: unsent + (playout?.underruns ?? 0),
    };
  }

  /** Everything countable, for the test hook and for bug reports. */
  get diagnostics() {
    return {
      ...this.#call?.diagnostics,
      levels: this.levels,
      playout: this.#audio?.speaker.stats ?? null,
    };
  }

  /** Record both ends from now on; closed with the call. */
  async record() {
    if (!this.#audio) throw new Error("nothing to record: no call is running");
    return this.#audio.record();
  }

  // --- inside --------------------------------------------------------------------

  /** @throws {CallFailure} */
  async #connect() {
    const audio = /** @type {AudioDevices} */ (this.#audio);
    const create = this.#options.createCall ?? ((options) => new Call(options));
    const call = create({
      base: this.#options.base,
      audio,
      conversationId: this.#conversationId,
      onMessage: (message) => this.#receive(message),
      onLost: (failure) => this.#reconnect(failure, 0),
    });
    this.#call = call;
    await call.start();
    if (this.#call !== call) return;
    if (this.#muted) call.send({ type: "mute", muted: true });
    this.#options.onProgress("live");
  }

  /**
   * @param {CallFailure} failure why
   * @param {number} attempt counting from 0
   */
  #reconnect(failure, attempt) {
    if (this.#isOver) return;
    this.#call?.close();
    this.#audio?.speaker.flush();
    if (attempt >= BACK_OFF_MS.length || !PASSING.has(failure.code)) {
      this.#end(failure);
      return;
    }
    if (attempt === 0) this.#options.onProgress("reconnecting");
    this.#timer = setTimeout(async () => {
      try {
        await this.#connect();
      } catch (error) {
        this.#reconnect(CallFailure.from(error), attempt + 1);
      }
    }, BACK_OFF_MS[attempt]);
  }

  /** @param {ServerMessage} message */
  #receive(message) {
    if (message.type === "hello") this.#conversationId = message.conversation_id;
    this.#options.onMessage(message);
    if (message.type === "error" && message.fatal) {
      const { code, message: words, retryable } = message.error;
      this.#end(new CallFailure(code, { message: words, retryable }));
    }
    // An error that explains it has come before, if there was one.
    if (message.type === "ended") this.#end(new CallFailure("session_ended"));
  }

  /** @param {CallFailure} failure */
  #end(failure) {
    if (this.#isOver) return;
    this.close();
    this.#options.onEnd(failure);
  }
}

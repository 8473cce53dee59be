/**
 * A call as a person means it: it lasts until somebody ends it.
 *
 * It keeps the audio devices and what is to be remembered (muted or not, which
 * conversation), and replaces the connection when that breaks, waiting a little longer
 * before each attempt. Only the first connection may fail without a second try: then
 * the person is still looking and should know why.
 */

import { SAMPLE_RATE_HZ } from "../audio/audio-context.js";
import { AudioDevices, SILENT } from "../audio/audio-devices.js";
import { Call } from "./call.js";
import { CallFailure } from "./failures.js";
import { chooseLeg, ThinnessWatch } from "./leg.js";

/** @typedef {import("../settings.js").Settings} Settings */
/** @typedef {import("../bridge/bridge-http.js").BridgeHttp} BridgeHttp */
/** @typedef {import("./messages.js").ServerMessage} ServerMessage */
/** @typedef {import("./messages.js").TextTarget} TextTarget */
/** @typedef {import("./signaling.js").Ticket} Ticket */

/** Waits before each attempt; about five minutes, then it is given up. */
export const BACK_OFF_MS = [
  ...[200, 500, 1_000, 2_000, 4_000, 6_000, 8_000, 8_000],
  ...Array(27).fill(10_000),
];

/** Failures of an attempt that the next one may not meet. */
const PASSING = new Set([
  "connection_lost",
  "connection_failed",
  "server_unreachable",
  "server_timeout",
  "server_bad_answer", // a proxy whose server is just starting again
  "draining",
  "media_failed",
  "rate_limited",
  "worker_lost",
  "at_capacity",
  "model_unreachable",
  "model_unavailable",
  "model_timeout",
]);

/** Reasons for an end after which the bridge, or another like it, is there again. */
const COMING_BACK = new Set(["shutdown", "draining", "worker_lost"]);

/** For diagnostics: the latest. */
const KEPT_LOSSES = 20;

/**
 * A connection that went, or an attempt that came to nothing.
 *
 * @typedef {object} Loss
 * @property {number} atMs since the page was opened
 * @property {string} code
 * @property {unknown} why
 */

/**
 * @typedef {object} Figures
 * @property {number | null} rttMs round trip of a control message
 * @property {number | null} bufferedMs audio waiting to be played
 * @property {number} unsent frames the network was too slow for
 * @property {number} dropouts frames not sent for a slow network, and moments in which
 *   the assistant's audio came too late
 * @property {number} concealedMs sound made up here because it came too late
 * @property {import("./leg.js").LegKind | null} leg
 * @property {string | null} thread where audio is carried
 */

/**
 * @typedef {object} LastingCallOptions
 * @property {BridgeHttp} http
 * @property {Settings} settings
 * @property {string} [conversationId] to go on with a conversation
 * @property {Ticket | null} [ticket] to come back as the same client, or an invitation
 * @property {boolean} [isThin] the network is known to be slow or metered
 * @property {boolean} [canOpus] this browser can code Opus packets itself
 * @property {(message: ServerMessage) => void} onMessage
 * @property {(ticket: Ticket | null) => void} [onTicket] a new one, worth keeping
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
  /** @type {Ticket | null} */ #ticket;
  /** @type {Settings} */ #settings;
  #muted = false;
  #speakerMuted = false;
  #isThin;
  #thinness = new ThinnessWatch();
  #attempt = -1; // that is waited for, while the connection is down
  #isTrying = false;
  /** @type {Loss[]} */ #losses = [];
  #lookedAt = 0;
  #isOver = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /** @param {LastingCallOptions} options */
  constructor(options) {
    this.#options = options;
    this.#settings = options.settings;
    this.#conversationId = options.conversationId;
    this.#ticket = options.ticket ?? null;
    this.#isThin = options.isThin ?? false;
  }

  /** Ask for the microphone and connect. Call it inside a click. Never rejects. */
  async start() {
    const openAudio = this.#options.openAudio ?? AudioDevices.open;
    try {
      const settings = this.#settings;
      const audio = await openAudio(settings, (failure) => this.#end(failure));
      if (this.#isOver) return audio.close();
      this.#audio = audio;
      audio.microphone.muted = this.#muted;
      this.#silenceSpeaker();
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
    this.#silenceSpeaker();
  }

  /**
   * Use other devices, another leg or another name from now on.
   *
   * @param {Settings} settings
   * @throws {CallFailure} the microphone cannot be opened; the old one goes on
   */
  async use(settings) {
    const before = this.#settings;
    const legBefore = this.#leg;
    this.#settings = settings;
    this.#silenceSpeaker();
    if (settings.mode !== before.mode) {
      this.#call?.send({ type: "mode", mode: settings.mode });
    }
    if (settings.name !== before.name && settings.name) {
      this.#call?.send({ type: "rename", name: settings.name });
    }
    await this.#audio?.use(settings);
    if (this.#leg !== legBefore) this.#changeLeg();
  }

  /**
   * Something happened to the network or the device (woken up, another network): do
   * not wait for time-outs.
   */
  nudge() {
    if (this.#isOver) return;
    if (this.#attempt >= 0) this.#tryAgain(0);
    else this.#call?.check();
  }

  /** Stop the assistant's speech. Silence is immediate; the bridge is told. */
  interrupt() {
    this.#audio?.speaker.flush();
    this.#call?.send({ type: "interrupt" });
  }

  /**
   * @param {string} text
   * @param {TextTarget} [target] who is to read it; the assistant, unless said
   */
  sendText(text, target = "voice") {
    const other = target === "voice" ? {} : { target };
    this.#call?.send({ type: "text", text, ...other });
  }

  /**
   * Answer a tool that asks before it does something.
   *
   * @param {string} callId
   * @param {boolean} approve
   */
  confirm(callId, approve) {
    this.#call?.send({ type: "confirm", call_id: callId, approve });
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
    const { channel } = this.#call?.diagnostics ?? {};
    const isTrack = channel?.leg === "track";
    this.#watchThinness();
    return {
      rttMs: this.#call?.rttMs ?? null,
      bufferedMs: (isTrack ? channel?.bufferedMs : playout?.bufferedMs) ?? null,
      unsent: channel?.framesDropped ?? 0,
      dropouts: (channel?.framesDropped ?? 0) + (playout?.underruns ?? 0),
      concealedMs: isTrack
        ? (channel?.concealedMs ?? 0)
        : ((playout?.concealed ?? 0) * 1000) / SAMPLE_RATE_HZ,
      leg: channel?.leg ?? null,
      thread: channel?.thread ?? null,
    };
  }

  /** Everything countable, for the test hook and for bug reports. */
  get diagnostics() {
    return {
      ...this.#call?.diagnostics,
      levels: this.levels,
      playout: this.#audio?.speaker.stats ?? null,
      losses: this.#losses,
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
      http: this.#options.http,
      audio,
      leg: this.#leg,
      conversationId: this.#conversationId,
      ticket: this.#ticket,
      name: this.#settings.name,
      onMessage: (message) => this.#receive(message),
      onLost: (failure) => this.#reconnect(failure, 0),
    });
    this.#call = call;
    this.#thinness.reset();
    await call.start();
    if (this.#call !== call) return;
    this.#attempt = -1;
    this.#ticket = call.ticket ?? null;
    this.#options.onTicket?.(this.#ticket);
    if (this.#muted) call.send({ type: "mute", muted: true });
    const { mode } = this.#settings;
    if (mode !== "both") call.send({ type: "mode", mode });
    this.#options.onProgress("live");
  }

  /**
   * @param {CallFailure} failure why
   * @param {number} attempt counting from 0
   */
  #reconnect(failure, attempt) {
    if (this.#isOver) return;
    const loss = { atMs: performance.now(), code: failure.code, why: failure.cause };
    this.#losses = [...this.#losses, loss].slice(-KEPT_LOSSES);
    this.#call?.close();
    this.#audio?.speaker.flush();
    if (attempt >= BACK_OFF_MS.length || !PASSING.has(failure.code)) {
      this.#end(failure);
      return;
    }
    if (this.#attempt < 0) this.#options.onProgress("reconnecting");
    this.#attempt = attempt;
    this.#tryAgain(BACK_OFF_MS[attempt]);
  }

  /** @param {number} inMs */
  #tryAgain(inMs) {
    clearTimeout(this.#timer);
    if (this.#isTrying) return; // it will say how it went
    this.#timer = setTimeout(async () => {
      this.#isTrying = true;
      try {
        await this.#connect();
        this.#isTrying = false;
      } catch (error) {
        this.#isTrying = false;
        this.#reconnect(CallFailure.from(error), this.#attempt + 1);
      }
    }, inMs);
  }

  get #leg() {
    return chooseLeg(this.#settings.leg, {
      isThin: this.#isThin,
      canOpus: this.#options.canOpus ?? false,
    });
  }

  #silenceSpeaker() {
    const isMuted = this.#speakerMuted || this.#settings.mode === "speak";
    if (this.#audio) this.#audio.speaker.muted = isMuted;
  }

  /** The same client by another way; nobody is told of a lost connection. */
  #changeLeg() {
    if (this.#attempt >= 0 || !this.#call) return;
    this.#reconnect(new CallFailure("connection_lost", { cause: "another leg" }), 0);
  }

  /** Called with the figures; looks once a second. */
  #watchThinness() {
    const now = performance.now();
    if (now - this.#lookedAt < 1_000) return;
    this.#lookedAt = now;
    const channel = this.#call?.diagnostics.channel;
    if (this.#settings.leg !== "auto" || this.#isThin || !channel) return;
    const { framesSent = 0, framesDropped = 0 } = channel;
    if (!this.#thinness.add({ framesSent, framesDropped })) return;
    this.#isThin = true;
    this.#changeLeg();
  }

  /** @param {ServerMessage} message */
  #receive(message) {
    if (message.type === "hello") this.#conversationId = message.conversation_id;
    this.#options.onMessage(message);
    if (message.type === "error" && message.fatal) {
      const { code, message: words, retryable } = message.error;
      const failure = new CallFailure(code, { message: words, retryable });
      if (COMING_BACK.has(code)) this.#reconnect(failure, 0);
      else this.#end(failure);
    }
    if (message.type === "ended") this.#take(message.reason);
  }

  /**
   * The bridge has ended it. An error that explains it has come before, if there was one.
   *
   * @param {string} reason
   */
  #take(reason) {
    if (COMING_BACK.has(reason)) {
      this.#reconnect(new CallFailure("connection_lost", { cause: reason }), 0);
    } else if (reason === "removed") {
      this.#end(new CallFailure("removed", { retryable: false }));
    } else {
      this.#end(new CallFailure("session_ended"));
    }
  }

  /** @param {CallFailure} failure */
  #end(failure) {
    if (this.#isOver) return;
    this.close();
    this.#options.onEnd(failure);
  }
}

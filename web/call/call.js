/**
 * One call, from the microphone's permission to the goodbye. Knows no page.
 *
 * A call is used once: start it, use it, close it. Whatever it opens it owns, and
 * `close` gives back in reverse order, also when starting is still under way.
 */

import { openAudioContext } from "../audio/audio-context.js";
import { SILENCE_DBFS } from "../audio/level.js";
import { Microphone } from "../audio/microphone.js";
import { Recorder } from "../audio/recorder.js";
import { Speaker } from "../audio/speaker.js";
import { CallFailure } from "./failures.js";
import { parseServerMessage } from "./messages.js";
import { Peer } from "./peer.js";
import { Signaling } from "./signaling.js";

/** @typedef {import("./messages.js").ServerMessage} ServerMessage */
/** @typedef {import("./messages.js").Hello} Hello */

const PING_EVERY_MS = 1_000;
const MAX_UNANSWERED_PINGS = 6;
const HELLO_TIMEOUT_MS = 5_000;

/**
 * @typedef {object} Figures
 * @property {number | null} rttMs round trip of a control message
 * @property {number | null} bufferedMs audio waiting to be played
 * @property {number | null} targetMs
 * @property {number} lostFrames microphone frames not sent, network behind
 * @property {number} underruns moments in which the assistant's audio came too late
 * @property {number} skippedMs audio left out to catch up
 */

/**
 * @typedef {object} CallOptions
 * @property {string | URL} base where the bridge's `api/` is
 * @property {string} [conversationId] to go on with a conversation
 * @property {(message: ServerMessage) => void} onMessage in the order of arrival,
 *   `hello` first
 * @property {(failure: CallFailure) => void} onLost it ended by itself; close it
 */

export class Call {
  #options;
  #abort = new AbortController();
  /** @type {(() => void)[]} */ #cleanups = [];
  /** @type {AudioContext | null} */ #context = null;
  /** @type {Microphone | null} */ #microphone = null;
  /** @type {Speaker | null} */ #speaker = null;
  /** @type {Peer | null} */ #peer = null;
  /** @type {Hello | null} */ #hello = null;
  /** @type {(() => void) | null} */ #onHello = null;
  #unansweredPings = 0;
  /** @type {number | null} */ #rttMs = null;

  /** @param {CallOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /**
   * Connect. Call it inside a click (sound). Resolves when the bridge said hello.
   *
   * @throws {CallFailure} why it could not; close the call then too
   */
  async start() {
    try {
      await this.#start();
    } catch (error) {
      throw CallFailure.from(error);
    }
  }

  async #start() {
    // Both need the click; both are asked for before the session, which costs money.
    const [stream, context] = await settleBoth(
      Microphone.request(),
      openAudioContext(),
    );
    this.#own(() => stream.getTracks().forEach((track) => track.stop()));
    this.#own(() => {
      context.onstatechange = null;
      void context.close();
    });
    // A telephone call or a sleeping device suspends it; sound comes back with them.
    context.onstatechange = () => {
      if (context.state !== "running") context.resume().catch(() => {});
    };
    this.#context = context;
    this.#own((this.#speaker = new Speaker(context)));
    this.#microphone = new Microphone(context, stream, () =>
      this.#lose(new CallFailure("microphone_lost")),
    );
    this.#own(this.#microphone);

    const peer = new Peer({
      capture: this.#microphone.openFramePort(),
      playout: this.#speaker.openFramePort(),
      onText: (text) => this.#receive(text),
      onLost: () => this.#lose(new CallFailure("connection_lost")),
    });
    this.#peer = peer;
    this.#own(peer);
    const signaling = new Signaling(this.#options.base, this.#abort.signal);
    const [sessionId, offer] = await Promise.all([
      signaling.openSession(
        this.#options.conversationId
          ? { conversation_id: this.#options.conversationId }
          : {},
      ),
      peer.offer(),
    ]);
    await peer.accept(await signaling.exchange(sessionId, offer));
    await this.#greeted();
    const heartbeat = setInterval(() => this.#beat(), PING_EVERY_MS);
    this.#own(() => clearInterval(heartbeat));
    this.#beat();
  }

  /** Give everything back, saying goodbye if there is a connection. Idempotent. */
  close() {
    this.#abort.abort();
    while (this.#cleanups.length) this.#cleanups.pop()?.();
  }

  // --- what a person can do ------------------------------------------------------

  /** @param {boolean} muted */
  mute(muted) {
    if (this.#microphone) this.#microphone.muted = muted;
    this.#peer?.send({ type: "mute", muted });
  }

  /** Stop the assistant's speech. Silence is immediate; the bridge is told. */
  interrupt() {
    this.#speaker?.flush();
    this.#peer?.send({ type: "interrupt" });
  }

  /** @param {string} text */
  sendText(text) {
    this.#peer?.send({ type: "text", text });
  }

  // --- what can be read ----------------------------------------------------------

  /** @returns {{microphone: number, speaker: number}} RMS of the last 20 ms, dBFS */
  get levels() {
    return {
      microphone: this.#microphone?.levelDbfs ?? SILENCE_DBFS,
      speaker: this.#speaker?.levelDbfs ?? SILENCE_DBFS,
    };
  }

  /** @returns {Figures} */
  get figures() {
    const playout = this.#speaker?.stats;
    return {
      rttMs: this.#rttMs,
      bufferedMs: playout?.bufferedMs ?? null,
      targetMs: playout?.targetMs ?? null,
      lostFrames: this.#peer?.audio.framesDropped ?? 0,
      underruns: playout?.underruns ?? 0,
      skippedMs: ((playout?.skipped ?? 0) * 1000) / (this.#context?.sampleRate ?? 1),
    };
  }

  /** Everything countable, for the test hook and for bug reports. */
  get diagnostics() {
    return {
      ...this.figures,
      levels: this.levels,
      playout: this.#speaker?.stats ?? null,
      channel: this.#peer?.audio ?? null,
      connection: this.#peer?.connectionState ?? "none",
      hello: this.#hello,
    };
  }

  /**
   * Record both ends from now on.
   *
   * @returns {Promise<Recorder>} closed with the call
   * @throws {Error} the call has not started or is over
   */
  async record() {
    if (!this.#context || !this.#microphone || !this.#speaker) {
      throw new Error("nothing to record: no call is running");
    }
    const recorder = await Recorder.open(
      this.#context,
      this.#microphone.tap,
      this.#speaker.tap,
    );
    this.#own(recorder);
    return recorder;
  }

  // --- inside --------------------------------------------------------------------

  /** @param {{close(): void} | (() => void)} resource */
  #own(resource) {
    this.#cleanups.push(
      typeof resource === "function" ? resource : () => resource.close(),
    );
    if (this.#abort.signal.aborted) {
      this.close();
      this.#abort.signal.throwIfAborted();
    }
  }

  /** @param {CallFailure} failure */
  #lose(failure) {
    if (this.#abort.signal.aborted) return;
    if (this.#hello) this.#options.onLost(failure);
    // While starting, whoever waits for the channels is told by their closing.
    else this.#peer?.fail(failure);
  }

  /** @param {string} text */
  #receive(text) {
    const message = parseServerMessage(text);
    if (!message || this.#abort.signal.aborted) return;
    this.#unansweredPings = 0;
    if (message.type === "pong") {
      this.#rttMs = performance.now() - message.t;
      return;
    }
    if (message.type === "flush") this.#speaker?.flush();
    if (message.type === "hello") {
      this.#hello = message;
      this.#onHello?.();
    }
    this.#options.onMessage(message);
  }

  /** Wait for the bridge's hello; it may have come already. */
  async #greeted() {
    if (this.#hello) return;
    await new Promise((resolve, reject) => {
      const fail = () => reject(new CallFailure("connection_failed"));
      const timer = setTimeout(fail, HELLO_TIMEOUT_MS);
      this.#abort.signal.addEventListener("abort", fail, { once: true });
      this.#onHello = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }

  #beat() {
    if (this.#unansweredPings++ >= MAX_UNANSWERED_PINGS) {
      this.#lose(new CallFailure("connection_lost"));
      return;
    }
    this.#peer?.refresh();
    this.#peer?.send({ type: "ping", t: performance.now() });
  }
}

/**
 * Wait for both; if one fails, give back what the other still brings.
 *
 * @param {Promise<MediaStream>} stream
 * @param {Promise<AudioContext>} context
 * @returns {Promise<[MediaStream, AudioContext]>}
 */
async function settleBoth(stream, context) {
  try {
    return await Promise.all([stream, context]);
  } catch (error) {
    stream
      .then((it) => it.getTracks().forEach((track) => track.stop()))
      .catch(() => {});
    context.then((it) => it.close()).catch(() => {});
    throw error;
  }
}

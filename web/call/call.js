/**
 * One connection to the bridge: from the offer to the goodbye. Knows no page.
 *
 * It is used once: start it, use it, close it. What it opens it gives back on `close`,
 * also while starting is still under way.
 */

import { CallFailure } from "./failures.js";
import { parseServerMessage } from "./messages.js";
import { Peer } from "./peer.js";
import { Signaling } from "./signaling.js";

/** @typedef {import("../audio/audio-devices.js").AudioDevices} AudioDevices */
/** @typedef {import("./messages.js").ClientMessage} ClientMessage */
/** @typedef {import("./messages.js").ServerMessage} ServerMessage */
/** @typedef {import("./messages.js").Hello} Hello */

const PING_EVERY_MS = 1_000;
const MAX_UNANSWERED_PINGS = 4;
const HELLO_TIMEOUT_MS = 5_000;

/**
 * @typedef {object} CallOptions
 * @property {string | URL} base where the bridge's `api/` is
 * @property {AudioDevices} audio stays the caller's
 * @property {string} [conversationId] to go on with a conversation
 * @property {(message: ServerMessage) => void} onMessage in the order of arrival,
 *   `hello` first
 * @property {(failure: CallFailure) => void} onLost it ended by itself; close it
 */

export class Call {
  #options;
  #abort = new AbortController();
  /** @type {Peer | null} */ #peer = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #heartbeat;
  /** @type {Hello | null} */ #hello = null;
  /** @type {(() => void) | null} */ #onHello = null;
  #unansweredPings = 0;
  /** @type {number | null} */ #rttMs = null;

  /** @param {CallOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /**
   * Connect. Resolves when the bridge said hello.
   *
   * @throws {CallFailure} why it could not; close the call then too
   */
  async start() {
    const { audio, base, conversationId } = this.#options;
    const peer = new Peer({
      capture: audio.microphone.openFramePort(),
      playout: audio.speaker.openFramePort(),
      onText: (text) => this.#receive(text),
      onLost: () => this.#lose(),
    });
    this.#peer = peer;
    const signaling = new Signaling(base, this.#abort.signal);
    const request = conversationId ? { conversation_id: conversationId } : {};
    try {
      const [sessionId, offer] = await Promise.all([
        signaling.openSession(request),
        peer.offer(),
      ]);
      await peer.accept(await signaling.exchange(sessionId, offer));
      await this.#greeted();
    } catch (error) {
      throw CallFailure.from(error);
    }
    this.#heartbeat = setInterval(() => this.#beat(), PING_EVERY_MS);
    this.#beat();
  }

  /** Say goodbye and close. Idempotent. */
  close() {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    clearInterval(this.#heartbeat);
    this.#peer?.close();
  }

  /** @param {ClientMessage} message dropped when there is no connection */
  send(message) {
    this.#peer?.send(message);
  }

  /** Round trip of a control message; null until the first came back. */
  get rttMs() {
    return this.#rttMs;
  }

  /** @returns what the connection is and what went over it; for figures and reports */
  get diagnostics() {
    return {
      rttMs: this.#rttMs,
      connection: this.#peer?.connectionState ?? "none",
      channel: this.#peer?.audio ?? null,
      hello: this.#hello,
    };
  }

  #lose() {
    if (this.#abort.signal.aborted) return;
    const failure = new CallFailure("connection_lost");
    if (this.#heartbeat) this.#options.onLost(failure);
    // While starting, whoever waits for the channels is told by their failing.
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
    if (message.type === "flush") this.#options.audio.speaker.flush();
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
      this.#lose();
      return;
    }
    this.#peer?.refresh();
    this.#peer?.send({ type: "ping", t: performance.now() });
  }
}

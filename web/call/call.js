/**
 * One connection to the bridge: from the offer to the goodbye. Knows no page.
 *
 * It is used once: start it, use it, close it. What it opens it gives back on `close`,
 * also while starting is still under way.
 */

import { CallFailure } from "./failures.js";
import { Liveness } from "./liveness.js";
import { parseServerMessage } from "./messages.js";
import { Peer } from "./peer.js";
import { Signaling } from "./signaling.js";

/** @typedef {import("../audio/audio-devices.js").AudioDevices} AudioDevices */
/** @typedef {import("../bridge/bridge-http.js").BridgeHttp} BridgeHttp */
/** @typedef {import("./leg.js").LegKind} LegKind */
/** @typedef {import("./signaling.js").Ticket} Ticket */
/** @typedef {import("./messages.js").ClientMessage} ClientMessage */
/** @typedef {import("./messages.js").ServerMessage} ServerMessage */
/** @typedef {import("./messages.js").Hello} Hello */

const HELLO_TIMEOUT_MS = 5_000;
const ICE_SERVERS_TIMEOUT_MS = 2_000;
const SESSION_TIMEOUT_MS = 2_000;

/** Answers about a session that is no more. */
const GONE = new Set([404, 410]);

/** Answers to a ticket that is good no more; anything else may pass. */
const OUTDATED_TICKET = new Set([401, 403, 404, 410]);

/**
 * @typedef {object} CallOptions
 * @property {BridgeHttp} http
 * @property {AudioDevices} audio stays the caller's
 * @property {LegKind} [leg]
 * @property {string} [conversationId] to go on with a conversation
 * @property {Ticket | null} [ticket] to come back into a session as the same client, or
 *   to follow an invitation; when it is no longer good, the conversation is opened anew
 * @property {string} [name] how this person is shown to the others
 * @property {(message: ServerMessage) => void} onMessage in the order of arrival,
 *   `hello` first
 * @property {(failure: CallFailure) => void} onLost it ended by itself; close it
 */

export class Call {
  #options;
  #abort = new AbortController();
  /** @type {Peer | null} */ #peer = null;
  #liveness = new Liveness(
    () => this.#ping(),
    (why) => this.#lose(why),
    () => void this.#askForSession(),
  );
  /** @type {Hello | null} */ #hello = null;
  /** @type {(() => void) | null} */ #onHello = null;
  /** @type {number | null} */ #rttMs = null;
  /** @type {Ticket | null} */ #ticket = null;

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
    const { audio, http, leg = "pcm16" } = this.#options;
    const iceServers = await this.#iceServers();
    if (this.#abort.signal.aborted) throw new CallFailure("connection_lost");
    const peer = new Peer({
      audio,
      leg,
      iceServers,
      onText: (text) => this.#receive(text),
      onLost: (why) => this.#lose(why),
    });
    this.#peer = peer;
    try {
      const signaling = new Signaling(http, this.#abort.signal);
      await peer.accept(await this.#enter(signaling, peer.offer()));
      await this.#greeted();
    } catch (error) {
      throw CallFailure.from(error);
    }
    if (!this.#abort.signal.aborted) this.#liveness.start();
  }

  /**
   * @returns {Promise<RTCIceServer[]>} none on a LAN, and none where nobody says so: that
   *   the bridge cannot be reached at all the next request will tell
   */
  async #iceServers() {
    const { http, ticket } = this.#options;
    try {
      const { iceServers } = await http.json("api/realtime/ice-servers", {
        token: ticket?.token,
        signal: this.#abort.signal,
        timeoutMs: ICE_SERVERS_TIMEOUT_MS,
      });
      return Array.isArray(iceServers) ? iceServers : [];
    } catch {
      return [];
    }
  }

  /**
   * @param {Signaling} signaling
   * @param {Promise<string>} offer
   * @returns {Promise<string>} the answer's SDP
   */
  async #enter(signaling, offer) {
    const { ticket, conversationId, name } = this.#options;
    if (ticket) {
      try {
        return this.#admit(ticket, await signaling.exchange(ticket, await offer, name));
      } catch (error) {
        const isOutdated = OUTDATED_TICKET.has(CallFailure.from(error).status);
        if (!isOutdated || !conversationId) throw error;
      }
    }
    const request = conversationId ? { conversation_id: conversationId } : {};
    const [fresh, sdp] = await Promise.all([signaling.openSession(request), offer]);
    return this.#admit(fresh, await signaling.exchange(fresh, sdp, name));
  }

  /**
   * @param {Ticket} ticket
   * @param {import("./signaling.js").Admission} admission
   */
  #admit({ sessionId }, { sdp, clientToken }) {
    this.#ticket = clientToken ? { sessionId, token: clientToken } : null;
    return sdp;
  }

  /** With it this client may come back as itself; null where the bridge gives none. */
  get ticket() {
    return this.#ticket;
  }

  /** Something happened that may have cut the connection: find out soon. */
  check() {
    this.#liveness.check();
  }

  /** Say goodbye and close. Idempotent. */
  close() {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    this.#liveness.stop();
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

  /** @param {string} why for diagnostics */
  #lose(why) {
    if (this.#abort.signal.aborted) return;
    const failure = new CallFailure("connection_lost", { cause: why });
    if (this.#liveness.isOn) this.#options.onLost(failure);
    // While starting, whoever waits for the channels is told by their failing.
    else this.#peer?.fail(failure);
  }

  /** @param {string} text */
  #receive(text) {
    const message = parseServerMessage(text);
    if (!message || this.#abort.signal.aborted) return;
    this.#liveness.heard();
    if (message.type === "pong") {
      this.#rttMs = performance.now() - message.t;
      return;
    }
    if (message.type === "flush") this.#options.audio.speaker.flush();
    if (message.type === "hello") {
      this.#hello = message;
      this.#peer?.use(message.audio?.framing ?? "raw");
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

  /** Nobody answers: the session may be gone, with the process that carried it. */
  async #askForSession() {
    if (!this.#ticket) return;
    const { sessionId, token } = this.#ticket;
    const path = `api/realtime/session/${encodeURIComponent(sessionId)}`;
    const signal = this.#abort.signal;
    try {
      await this.#options.http.json(path, { token, signal, timeoutMs: SESSION_TIMEOUT_MS });
    } catch (error) {
      // Any other answer, or none, says nothing: then the pings decide.
      if (GONE.has(CallFailure.from(error).status)) this.#lose("the session is gone");
    }
  }

  #ping() {
    this.#peer?.refresh();
    this.#peer?.send({ type: "ping", t: performance.now() });
  }
}

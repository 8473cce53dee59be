/**
 * The bridge's HTTP of a call: open a session, exchange SDP.
 */

import { CallFailure } from "./failures.js";

/** @typedef {import("../bridge/bridge-http.js").BridgeHttp} BridgeHttp */

/** The bridge connects to the model before it answers. */
const SESSION_TIMEOUT_MS = 20_000;
const SDP_TIMEOUT_MS = 15_000;

/**
 * What opens a session to this page: a key, an invitation, or the token this client got
 * when it connected before. Ids alone open nothing.
 *
 * @typedef {object} Ticket
 * @property {string} sessionId
 * @property {string | null} token null: the device's own key will do
 */

/**
 * @typedef {object} Admission
 * @property {string} sdp the answer
 * @property {string | null} clientToken with it this client may come back as itself
 */

export class Signaling {
  #http;
  #signal;

  /**
   * @param {BridgeHttp} http
   * @param {AbortSignal} signal ends whatever is under way
   */
  constructor(http, signal) {
    this.#http = http;
    this.#signal = signal;
  }

  /**
   * Open a session, or join the one its conversation already has.
   *
   * @param {{conversation_id?: string, voice?: string, agent_name?: string}} request
   * @returns {Promise<Ticket>}
   * @throws {CallFailure} the bridge's own error, or server_*
   */
  async openSession(request) {
    const response = await this.#http.fetch("api/realtime/session", {
      method: "POST",
      json: request,
      timeoutMs: SESSION_TIMEOUT_MS,
      signal: this.#signal,
    });
    const answer = await response.json().catch(() => null);
    if (typeof answer?.session_id !== "string") {
      throw new CallFailure("server_bad_answer");
    }
    const token = response.headers.get("X-Voicebridge-Session-Token");
    return { sessionId: answer.session_id, token };
  }

  /**
   * @param {Ticket} ticket
   * @param {string} offer SDP with its candidates
   * @param {string} [name] how this person is shown to the others
   * @returns {Promise<Admission>}
   * @throws {CallFailure} the bridge's own error, or server_*
   */
  async exchange({ sessionId, token }, offer, name = "") {
    const query = name ? `?name=${encodeURIComponent(name)}` : "";
    const response = await this.#http.fetch(
      `api/realtime/sdp/${encodeURIComponent(sessionId)}${query}`,
      {
        method: "POST",
        type: "application/sdp",
        body: offer,
        token,
        timeoutMs: SDP_TIMEOUT_MS,
        signal: this.#signal,
      },
    );
    return {
      sdp: await response.text(),
      clientToken: response.headers.get("X-Voicebridge-Client-Token"),
    };
  }
}

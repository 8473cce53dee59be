/**
 * HTTP of the bridge: open a session, exchange SDP.
 */

import { CallFailure } from "./failures.js";

/** The bridge connects to the model before it answers. */
const SESSION_TIMEOUT_MS = 20_000;
const SDP_TIMEOUT_MS = 15_000;

export class Signaling {
  #base;
  #signal;

  /**
   * @param {string | URL} base where `api/` is to be found
   * @param {AbortSignal} signal ends whatever is under way
   */
  constructor(base, signal) {
    this.#base = new URL("api/realtime/", base);
    this.#signal = signal;
  }

  /**
   * Open a session, or join the one its conversation already has.
   *
   * @param {{conversation_id?: string, voice?: string, agent_name?: string}} request
   * @returns {Promise<string>} session id
   * @throws {CallFailure} the bridge's own error, or server_*
   */
  async openSession(request) {
    const response = await this.#post("session", {
      type: "application/json",
      body: JSON.stringify(request),
      timeoutMs: SESSION_TIMEOUT_MS,
    });
    const answer = await response.json().catch(() => null);
    if (typeof answer?.session_id !== "string") {
      throw new CallFailure("server_bad_answer");
    }
    return answer.session_id;
  }

  /**
   * @param {string} sessionId
   * @param {string} offer SDP with its candidates
   * @returns {Promise<string>} the answer's SDP
   * @throws {CallFailure} the bridge's own error, or server_*
   */
  async exchange(sessionId, offer) {
    const response = await this.#post(`sdp/${encodeURIComponent(sessionId)}`, {
      type: "application/sdp",
      body: offer,
      timeoutMs: SDP_TIMEOUT_MS,
    });
    return response.text();
  }

  /**
   * @param {string} path
   * @param {{type: string, body: string, timeoutMs: number}} request
   */
  async #post(path, { type, body, timeoutMs }) {
    let response;
    try {
      response = await fetch(new URL(path, this.#base), {
        method: "POST",
        headers: { "Content-Type": type },
        body,
        signal: AbortSignal.any([this.#signal, AbortSignal.timeout(timeoutMs)]),
      });
    } catch (cause) {
      const isTimeout = cause instanceof DOMException && cause.name === "TimeoutError";
      const code = isTimeout ? "server_timeout" : "server_unreachable";
      throw new CallFailure(code, { cause });
    }
    if (!response.ok) throw await failureOf(response);
    return response;
  }
}

/**
 * @param {Response} response
 * @returns {Promise<CallFailure>}
 */
async function failureOf(response) {
  const body = await response.json().catch(() => null);
  const error = body?.error;
  if (typeof error?.code !== "string") return new CallFailure("server_bad_answer");
  return new CallFailure(error.code, {
    message: String(error.message ?? ""),
    retryable: error.retryable !== false,
  });
}

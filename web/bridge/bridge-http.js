/**
 * HTTP to the bridge: who asks, how long to wait, and what went wrong in one type.
 */

import { CallFailure } from "../call/failures.js";

const TIMEOUT_MS = 10_000;

/**
 * @typedef {object} Ask
 * @property {string} [method]
 * @property {unknown} [json] the body, sent as JSON
 * @property {string} [body] the body as it is, of `type`
 * @property {string} [type]
 * @property {string | null} [token] asks by this instead of the device's key
 * @property {AbortSignal} [signal] ends it
 * @property {number} [timeoutMs]
 */

export class BridgeHttp {
  #base;
  #key;

  /**
   * @param {string | URL} base where `api/` is to be found
   * @param {{readonly value: string | null}} [key] of this device, read for each request
   */
  constructor(base, key) {
    this.#base = new URL(base);
    this.#key = key ?? { value: null };
  }

  /** @param {string} path */
  url(path) {
    return new URL(path, this.#base);
  }

  /**
   * @param {string} path below the base
   * @param {Ask} [ask]
   * @returns {Promise<Response>} a success
   * @throws {CallFailure} the bridge's own error with its status, or server_*
   */
  async fetch(path, ask = {}) {
    const { method = "GET", json, type, token, signal, timeoutMs = TIMEOUT_MS } = ask;
    const bearer = token ?? this.#key.value;
    /** @type {Record<string, string>} */
    const headers = {};
    if (bearer) headers.Authorization = `Bearer ${bearer}`;
    if (json !== undefined) headers["Content-Type"] = "application/json";
    if (type) headers["Content-Type"] = type;
    const timeout = AbortSignal.timeout(timeoutMs);
    let response;
    try {
      response = await fetch(this.url(path), {
        method,
        headers,
        body: json === undefined ? ask.body : JSON.stringify(json),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
    } catch (cause) {
      const isTimeout = cause instanceof DOMException && cause.name === "TimeoutError";
      throw new CallFailure(isTimeout ? "server_timeout" : "server_unreachable", {
        cause,
      });
    }
    if (!response.ok) throw await failureOf(response);
    return response;
  }

  /**
   * @param {string} path
   * @param {Ask} [ask]
   * @returns {Promise<any>} null when the answer has no body
   * @throws {CallFailure}
   */
  async json(path, ask) {
    const response = await this.fetch(path, ask);
    const text = await response.text().catch(() => "");
    if (!text) return null;
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new CallFailure("server_bad_answer", { cause });
    }
  }
}

/**
 * @param {Response} response
 * @returns {Promise<CallFailure>}
 */
async function failureOf(response) {
  const { status } = response;
  const body = await response.json().catch(() => null);
  const error = body?.error;
  if (typeof error?.code !== "string") {
    return new CallFailure("server_bad_answer", { status });
  }
  return new CallFailure(error.code, {
    message: String(error.message ?? ""),
    retryable: error.retryable !== false,
    status,
  });
}

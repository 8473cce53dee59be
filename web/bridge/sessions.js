/**
 * The bridge's live sessions: which there are, who is in them, and what may be done.
 */

/** @typedef {import("./bridge-http.js").BridgeHttp} BridgeHttp */

/**
 * @typedef {object} LiveSession
 * @property {string} session_id
 * @property {string} conversation_id
 * @property {string} [agent_name]
 * @property {string} [voice]
 * @property {string} [state]
 * @property {string | number} [started_at]
 * @property {number} [clients]
 */

/**
 * @typedef {object} Invitation
 * @property {string} token
 * @property {string | number} [expires_at]
 */

/** @typedef {{muted?: boolean, volume?: number, mode?: string, name?: string}} ClientChange */

export class Sessions {
  #http;
  #guestToken;

  /**
   * @param {BridgeHttp} http
   * @param {() => string | null} [guestToken] opens the one session a guest is in
   */
  constructor(http, guestToken = () => null) {
    this.#http = http;
    this.#guestToken = guestToken;
  }

  /**
   * @param {AbortSignal} [signal]
   * @returns {Promise<LiveSession[]>} newest first
   */
  async list(signal) {
    const { sessions } = await this.#http.json("api/realtime/sessions", { signal });
    return [...(sessions ?? [])].sort(
      (a, b) => Date.parse(b.started_at) - Date.parse(a.started_at),
    );
  }

  /** @param {string} sessionId */
  detail(sessionId) {
    return this.#ask(at(sessionId));
  }

  /**
   * @param {string} sessionId
   * @returns {Promise<Invitation>}
   */
  invite(sessionId) {
    return this.#ask(`${at(sessionId)}/invite`, { method: "POST", json: {} });
  }

  /**
   * @param {string} sessionId
   * @param {{mix_minus?: boolean, voice?: string}} change
   */
  change(sessionId, change) {
    return this.#ask(at(sessionId), { method: "PATCH", json: change });
  }

  /**
   * @param {string} sessionId
   * @param {boolean} on
   */
  record(sessionId, on) {
    const json = { on };
    return this.#ask(`${at(sessionId)}/recording`, { method: "POST", json });
  }

  /**
   * @param {string} sessionId
   * @param {string} clientId
   * @param {ClientChange} change
   */
  changeClient(sessionId, clientId, change) {
    const path = `${at(sessionId)}/clients/${encodeURIComponent(clientId)}`;
    return this.#ask(path, { method: "PATCH", json: change });
  }

  /**
   * Take somebody out of the conversation.
   *
   * @param {string} sessionId
   * @param {string} clientId
   */
  removeClient(sessionId, clientId) {
    const path = `${at(sessionId)}/clients/${encodeURIComponent(clientId)}`;
    return this.#ask(path, { method: "DELETE" });
  }

  /**
   * End it for everybody.
   *
   * @param {string} sessionId
   */
  close(sessionId) {
    return this.#ask(at(sessionId), { method: "DELETE" });
  }

  /**
   * @param {string} path of one session
   * @param {import("./bridge-http.js").Ask} [ask]
   */
  #ask(path, ask = {}) {
    return this.#http.json(path, { ...ask, token: this.#guestToken() });
  }
}

/** @param {string} sessionId */
function at(sessionId) {
  return `api/realtime/session/${encodeURIComponent(sessionId)}`;
}

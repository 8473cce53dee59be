/**
 * The bridge's store: conversations, what was said in them, and their recordings.
 */

/** @typedef {import("./bridge-http.js").BridgeHttp} BridgeHttp */

/**
 * @typedef {object} StoredConversation
 * @property {string} id
 * @property {string | null} [title]
 * @property {string} created_at ISO 8601, UTC
 * @property {string} updated_at ISO 8601, UTC
 * @property {number} [last_seq]
 * @property {string} [first_words] found by the page, where there is no title
 */

/**
 * @typedef {object} StoredEvent
 * @property {number} seq
 * @property {string} type
 * @property {string} source
 * @property {string} timestamp ISO 8601, UTC
 * @property {string | null} [session_id]
 * @property {number | null} [session_ms] its place on the timeline of the recordings
 * @property {Record<string, any>} payload
 */

/**
 * @typedef {object} Recording
 * @property {string} id
 * @property {string} session_id
 * @property {string} take all files of one take begin at the same sample
 * @property {string} track "mix", or one voice of it
 * @property {string | null} [name]
 * @property {string} media_type
 * @property {string} [state] "recording" while it is written
 * @property {string} started_at ISO 8601, UTC
 * @property {number} session_ms where it begins on the timeline of the session
 * @property {number} duration_ms
 * @property {number} size_bytes
 */

/** @typedef {"json" | "markdown" | "srt" | "vtt"} ExportFormat */

/** Audio of an hour may take its time on a small board. */
const AUDIO_TIMEOUT_MS = 120_000;

export class Conversations {
  #http;

  /** @param {BridgeHttp} http */
  constructor(http) {
    this.#http = http;
  }

  /**
   * @param {AbortSignal} [signal]
   * @returns {Promise<StoredConversation[]>} newest first
   */
  async list(signal) {
    const { conversations } = await this.#http.json("api/conversations?limit=100", {
      signal,
    });
    return conversations ?? [];
  }

  /**
   * @param {string} id
   * @returns {Promise<StoredConversation>}
   */
  detail(id) {
    return this.#http.json(at(id));
  }

  /**
   * One page of what happened, newest last.
   *
   * @param {string} id
   * @param {{before?: number, after?: number, limit?: number, signal?: AbortSignal}} [range]
   * @returns {Promise<{events: StoredEvent[], hasOlder: boolean}>}
   */
  async events(id, { before, after, limit = 200, signal } = {}) {
    const query = new URLSearchParams({ limit: String(limit) });
    if (before !== undefined) query.set("before", String(before));
    if (after !== undefined) query.set("after", String(after));
    const page = await this.#http.json(`${at(id)}/events?${query}`, { signal });
    const events = page.events ?? [];
    return { events, hasOlder: page.has_older ?? events.length === limit };
  }

  /**
   * @param {string} id
   * @returns {Promise<Recording[]>}
   */
  async recordings(id) {
    const { recordings } = await this.#http.json(`${at(id)}/recordings`);
    // One that is still being written cannot be played yet.
    return (recordings ?? []).filter((/** @type {Recording} */ it) => it.state !== "recording");
  }

  /**
   * @param {string} recordingId
   * @returns {Promise<Blob>}
   */
  async audio(recordingId) {
    const response = await this.#http.fetch(
      `api/recordings/${encodeURIComponent(recordingId)}`,
      { timeoutMs: AUDIO_TIMEOUT_MS },
    );
    return response.blob();
  }

  /** @param {string} recordingId */
  deleteRecording(recordingId) {
    return this.#http.json(`api/recordings/${encodeURIComponent(recordingId)}`, {
      method: "DELETE",
    });
  }

  /**
   * @param {string} id
   * @param {string} title
   */
  rename(id, title) {
    return this.#http.json(at(id), { method: "PATCH", json: { title } });
  }

  /** @param {string} id with everything in it */
  delete(id) {
    return this.#http.json(at(id), { method: "DELETE" });
  }

  /**
   * @param {string} id
   * @param {ExportFormat} format
   * @returns {Promise<Blob>}
   */
  async export(id, format) {
    const response = await this.#http.fetch(`${at(id)}/export?format=${format}`, {
      timeoutMs: AUDIO_TIMEOUT_MS,
    });
    return response.blob();
  }
}

/** @param {string} id */
function at(id) {
  return `api/conversations/${encodeURIComponent(id)}`;
}

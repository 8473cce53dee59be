/**
 * The conversation as a list of entries, made from the bridge's messages. Pure.
 *
 * Messages come late and in odd orders: the transcript of what the user said is often
 * ready after the answer has begun. So the user's place is taken the moment the bridge
 * hears them ("hearing") and filled in later.
 *
 * @typedef {object} Entry
 * @property {string} key stable; item_id or call_id where there is one
 * @property {"user" | "assistant" | "tool"} role
 * @property {string} text what was said; for a tool its name
 * @property {boolean} final
 * @property {import("./messages.js").ToolStatus | null} status tools only
 * @property {string} arguments tools only: what it was called with
 * @property {string[]} progress tools only: what it told on its way, oldest first
 * @property {string} result tools only: what came of it
 * @property {number | null} expiresAtMs tools only: until when a yes or no is waited for
 * @property {boolean} hidden a place kept for words that may still come
 * @property {boolean} typed
 * @property {boolean} past said in an earlier call, known from the store
 */

/** @typedef {import("./messages.js").TranscriptMessage} TranscriptMessage */
/** @typedef {import("./messages.js").ToolMessage} ToolMessage */
/** @typedef {import("./messages.js").BridgeState} BridgeState */

/** Of one tool; the oldest go. */
const MAX_PROGRESS = 50;

const OVER = new Set(["finished", "failed", "denied"]);

export class Conversation {
  /** @type {Entry[]} in the order to show */ entries = [];
  /** @type {Entry | null} */ #kept = null;
  #nLocal = 0;

  /** @param {BridgeState} state */
  enter(state) {
    if (state === "hearing") {
      if (this.#kept) this.#remove(this.#kept);
      this.#kept = this.#add({ key: this.#localKey(), role: "user" });
    } else if (this.#kept && state !== "thinking") {
      this.#kept.hidden = true;
    }
  }

  /** @param {TranscriptMessage} message */
  transcribe(message) {
    const entry = this.#find(message.item_id) ?? this.#begin(message);
    if (entry.final && !message.final) return; // a partial overtaken by its final
    entry.text = message.text;
    entry.final = message.final;
    entry.hidden = message.text.trim() === "";
  }

  /**
   * @param {ToolMessage} message
   * @param {number} [nowMs] any clock that only goes forward
   */
  useTool(message, nowMs = 0) {
    const { call_id, name, status, detail, expires_s } = message;
    const entry =
      this.#find(call_id) ?? this.#add({ key: call_id, role: "tool", text: name });
    if (entry.status && OVER.has(entry.status)) return; // a step overtaken by the end
    // A run that makes progress is under way, whatever was said before.
    entry.status = status === "progress" ? "started" : status;
    entry.final = OVER.has(status);
    if (message.arguments) entry.arguments = message.arguments;
    if (detail && entry.final) entry.result = detail;
    else if (detail) entry.progress = [...entry.progress, detail].slice(-MAX_PROGRESS);
    const isAsking = status === "awaiting_confirmation";
    entry.expiresAtMs = isAsking ? nowMs + 1_000 * (expires_s ?? 60) : null;
  }

  /**
   * A yes or no was given; what comes of it the bridge will say.
   *
   * @param {string} callId
   */
  answer(callId) {
    const entry = this.#find(callId);
    if (entry?.status !== "awaiting_confirmation") return;
    entry.status = "started";
    entry.expiresAtMs = null;
  }

  /** The tool that waits longest for a yes or no. */
  get asking() {
    return this.entries.find((it) => it.status === "awaiting_confirmation") ?? null;
  }

  /**
   * Add what was said before, or meanwhile, each after what it followed. What is here
   * already stays; what followed nothing that is here goes to the beginning.
   *
   * @param {Entry[]} past oldest first
   */
  recall(past) {
    const entries = [...this.entries];
    let at = 0;
    for (const entry of past) {
      const known = entries.findIndex(({ key }) => key === entry.key);
      if (known < 0) entries.splice(at++, 0, entry);
      else at = known + 1;
    }
    this.entries = entries;
  }

  /** @param {string} text what the user typed, shown before the bridge repeats it */
  type(text) {
    this.#add({
      key: this.#localKey(),
      role: "user",
      text,
      final: true,
      typed: true,
    });
  }

  /** The call is over: nothing that is open will be finished. */
  end() {
    if (this.#kept) this.#remove(this.#kept);
    for (const entry of this.entries) {
      if (entry.role === "tool" && entry.status && !OVER.has(entry.status)) {
        entry.status = "failed";
        entry.expiresAtMs = null;
      }
      entry.final = true;
    }
  }

  /** @param {TranscriptMessage} message the first of its item */
  #begin({ role, item_id, text }) {
    if (role === "user") {
      const typed = this.entries.find(
        (entry) => entry.typed && entry.key.startsWith("local-") && entry.text === text,
      );
      const place = typed ?? this.#kept;
      if (place) {
        if (place === this.#kept) this.#kept = null;
        place.key = item_id;
        place.final = false;
        return place;
      }
    }
    return this.#add({ key: item_id, role });
  }

  /** @param {Partial<Entry> & Pick<Entry, "key" | "role">} entry */
  #add(entry) {
    const added = createEntry(entry);
    this.entries.push(added);
    return added;
  }

  /** @param {Entry} entry */
  #remove(entry) {
    this.entries = this.entries.filter((other) => other !== entry);
    if (entry === this.#kept) this.#kept = null;
  }

  /** @param {string} key */
  #find(key) {
    return this.entries.find((entry) => entry.key === key);
  }

  #localKey() {
    return `local-${++this.#nLocal}`;
  }
}

/**
 * @param {Partial<Entry> & Pick<Entry, "key" | "role">} entry
 * @returns {Entry}
 */
export function createEntry(entry) {
  return {
    text: "",
    final: false,
    status: null,
    arguments: "",
    progress: [],
    result: "",
    expiresAtMs: null,
    hidden: false,
    typed: false,
    past: false,
    ...entry,
  };
}

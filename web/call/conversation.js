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
 * @property {"started" | "finished" | "failed" | null} status tools only
 * @property {boolean} hidden a place kept for words that may still come
 * @property {boolean} typed
 */

/** @typedef {import("./messages.js").TranscriptMessage} TranscriptMessage */
/** @typedef {import("./messages.js").ToolMessage} ToolMessage */
/** @typedef {import("./messages.js").BridgeState} BridgeState */

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

  /** @param {ToolMessage} message */
  useTool(message) {
    const entry =
      this.#find(message.call_id) ??
      this.#add({ key: message.call_id, role: "tool", text: message.name });
    entry.status = message.status;
    entry.final = message.status !== "started";
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
      if (entry.role === "tool" && entry.status === "started") entry.status = "failed";
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
    const added = {
      text: "",
      final: false,
      status: null,
      hidden: false,
      typed: false,
      ...entry,
    };
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

/**
 * What the store remembers of a conversation, as entries to show. Pure.
 */

import { createEntry } from "./conversation.js";

/** @typedef {import("./conversation.js").Entry} Entry */
/** @typedef {import("../bridge/conversations.js").StoredEvent} StoredEvent */

/**
 * Where an entry stands on the timeline of its session's recordings.
 *
 * @typedef {object} Place
 * @property {string | null} sessionId
 * @property {number | null} sessionMs
 * @property {number} atMs UTC
 */

/** @typedef {{entry: Entry, place: Place}} Remembered */

const TOOL_OVER = new Set(["finished", "failed", "denied"]);
const TOOL_STATUS = new Set(["started", ...TOOL_OVER]);

/**
 * @param {StoredEvent[]} events oldest first; later words about the same item win
 * @returns {Remembered[]} what was said and done, oldest first
 */
export function rememberedOf(events) {
  /** @type {Map<string, Remembered>} */
  const items = new Map();
  for (const event of events) {
    const read = event.type.startsWith("tool") ? toolOf(event) : saidOf(event);
    if (!read) continue;
    const before = items.get(read.key);
    const place = before?.place ?? {
      sessionId: event.session_id ?? null,
      sessionMs: event.session_ms ?? null,
      atMs: Date.parse(event.timestamp) || 0,
    };
    const kept = { ...(before?.entry ?? createEntry({ ...read, past: true })) };
    for (const [name, value] of Object.entries(read)) {
      if (value) Object.assign(kept, { [name]: value });
    }
    // Words made for people come before what the model was given.
    kept.result ||= words(event.payload.output);
    kept.final = true;
    items.set(read.key, { entry: kept, place });
  }
  return [...items.values()].filter(({ entry }) => entry.text.trim() !== "");
}

/**
 * What stands for a title where nobody gave one.
 *
 * @param {Remembered[]} talk
 */
export function firstWordsOf(talk) {
  const said = talk.find(({ entry }) => entry.role === "user") ?? talk[0];
  return said?.entry.text ?? "";
}

/**
 * @param {StoredEvent} event
 * @returns {(Partial<Entry> & Pick<Entry, "key" | "role">) | null}
 */
function saidOf({ type, payload, source, seq }) {
  const role = payload.role ?? source;
  const isSaid = type.includes("transcript") || type === "text" || type === "message";
  if (!isSaid || (role !== "user" && role !== "assistant")) return null;
  if (typeof payload.text !== "string") return null;
  return { key: String(payload.item_id ?? `event-${seq}`), role, text: payload.text };
}

/**
 * @param {StoredEvent} event
 * @returns {(Partial<Entry> & Pick<Entry, "key" | "role">) | null}
 */
function toolOf({ payload, seq }) {
  const { call_id, name, status, detail } = payload;
  return {
    key: String(call_id ?? `event-${seq}`),
    role: "tool",
    text: String(name ?? ""),
    status: TOOL_STATUS.has(status) ? status : null,
    arguments: words(payload.arguments),
    result: TOOL_OVER.has(status) ? words(detail) : "",
  };
}

/** @param {unknown} value */
function words(value) {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/**
 * JSON messages of the data channel, protocol version 1. Pure.
 *
 * @typedef {"connecting"|"listening"|"hearing"|"thinking"|"speaking"|"tool"|"ended"} BridgeState
 *
 * @typedef {object} Hello
 * @property {"hello"} type
 * @property {number} version
 * @property {string} session_id
 * @property {string} client_id
 * @property {string} conversation_id
 * @property {string} [agent_name]
 * @property {string} [voice]
 * @property {{kind: string}} [model]
 * @property {{max_text_chars?: number}} [limits]
 *
 * @typedef {object} StateMessage
 * @property {"state"} type
 * @property {BridgeState} state
 *
 * @typedef {object} TranscriptMessage
 * @property {"transcript"} type
 * @property {"user"|"assistant"} role
 * @property {string} item_id
 * @property {string} text the whole text so far, not a delta
 * @property {boolean} final
 *
 * @typedef {object} ToolMessage
 * @property {"tool"} type
 * @property {string} call_id
 * @property {string} name
 * @property {"started"|"finished"|"failed"} status
 *
 * @typedef {object} FlushMessage
 * @property {"flush"} type
 * @property {string} reason
 *
 * @typedef {object} ErrorMessage
 * @property {"error"} type
 * @property {{code: string, message: string, retryable: boolean}} error
 * @property {boolean} fatal
 *
 * @typedef {object} PongMessage
 * @property {"pong"} type
 * @property {number} t
 *
 * @typedef {object} EndedMessage
 * @property {"ended"} type
 * @property {string} reason
 *
 * @typedef {Hello|StateMessage|TranscriptMessage|ToolMessage|FlushMessage|ErrorMessage|PongMessage|EndedMessage} ServerMessage
 *
 * @typedef {{type: "mute", muted: boolean}|{type: "interrupt"}|{type: "text", text: string}|{type: "ping", t: number}|{type: "bye"}} ClientMessage
 */

/** @type {Record<string, Record<string, string>>} field -> typeof, per message type */
const REQUIRED = {
  hello: { version: "number", session_id: "string", conversation_id: "string" },
  state: { state: "string" },
  transcript: { role: "string", item_id: "string", text: "string", final: "boolean" },
  tool: { call_id: "string", name: "string", status: "string" },
  flush: {},
  error: { error: "object" },
  pong: { t: "number" },
  ended: { reason: "string" },
};

/**
 * Read one message of the bridge.
 *
 * @param {string} text
 * @returns {ServerMessage | null} null for what this version does not know or cannot
 *   read: a newer bridge may say more, and a call does not end for that
 */
export function parseServerMessage(text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  const fields = Object.hasOwn(REQUIRED, message?.type) ? REQUIRED[message.type] : null;
  if (!fields) return null;
  for (const [name, kind] of Object.entries(fields)) {
    if (typeof message[name] !== kind || message[name] === null) return null;
  }
  return message;
}

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
 * @property {{framing?: import("../audio/framing.js").Framing}} [audio]
 * @property {{max_text_chars?: number}} [limits]
 * @property {string} [name] how this client is shown to the others
 * @property {ClientMode} [mode]
 * @property {boolean} [resumed] this client was here before and is itself again
 * @property {boolean} [mix_minus] participants hear each other, never themselves
 * @property {boolean} [recording]
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
 * @property {ToolStatus} status
 * @property {string} [detail] progress, result or error, at most 200 characters
 * @property {string} [arguments] at most 1000 characters
 * @property {number} [expires_s] a confirmation is waited for so long
 *
 * @typedef {"started"|"awaiting_confirmation"|"progress"|"finished"|"failed"|"denied"} ToolStatus
 *
 * @typedef {"both"|"listen"|"speak"} ClientMode
 *
 * @typedef {object} Participant
 * @property {string} client_id
 * @property {string} [name]
 * @property {string} [leg] raw, pcm16.v1, opus.v1 or track
 * @property {boolean} [muted]
 * @property {number} [volume] 0..2, 1 is as it comes
 * @property {ClientMode} [mode]
 * @property {boolean} [speaking]
 *
 * @typedef {object} ParticipantsMessage
 * @property {"participants"} type
 * @property {Participant[]} participants all of them
 *
 * @typedef {"live"|"recovering"|"handing_over"|"draining"} SessionState
 *
 * @typedef {object} SessionMessage
 * @property {"session"} type
 * @property {SessionState} state
 * @property {string} [message]
 *
 * @typedef {object} RecordingMessage
 * @property {"recording"} type
 * @property {boolean} on
 * @property {string} [by]
 *
 * @typedef {object} QualityMessage what the bridge sees of this client's leg, at 1 Hz
 * @property {"quality"} type
 * @property {number} [rtt_ms]
 * @property {number} [jitter_ms]
 * @property {number} [lost_ms] since the call began
 * @property {number} [concealed_ms] since the call began
 * @property {number} [late_ms] since the call began
 * @property {number} [buffer_ms] waiting in the bridge's jitter buffer
 * @property {number} [uplink_added_ms] from the socket to the model leg
 * @property {number} [downlink_added_ms] from the model leg to the socket
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
 * @typedef {Hello|StateMessage|TranscriptMessage|ToolMessage|FlushMessage|ErrorMessage|PongMessage|EndedMessage|ParticipantsMessage|SessionMessage|RecordingMessage|QualityMessage} ServerMessage
 *
 * @typedef {"voice"|"team"|"coding_agent"} TextTarget
 *
 * @typedef {{type: "mute", muted: boolean}|{type: "interrupt"}|{type: "text", text: string, target?: TextTarget}|{type: "mode", mode: ClientMode}|{type: "rename", name: string}|{type: "confirm", call_id: string, approve: boolean}|{type: "ping", t: number}|{type: "bye"}} ClientMessage
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
  participants: { participants: "object" },
  session: { state: "string" },
  recording: { on: "boolean" },
  quality: {},
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
  if (message.type === "participants" && !isListOfClients(message.participants)) {
    return null;
  }
  return message;
}

/** @param {unknown} list */
function isListOfClients(list) {
  return Array.isArray(list) && list.every((it) => typeof it?.client_id === "string");
}

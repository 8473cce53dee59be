/**
 * What is shown of a call besides its words, and what the bridge's messages change in it.
 * Pure.
 */

import { CallFailure } from "../call/failures.js";

/** @typedef {import("../call/messages.js").ServerMessage} ServerMessage */
/** @typedef {import("../call/messages.js").Participant} Participant */
/** @typedef {import("../call/messages.js").SessionState} SessionState */
/** @typedef {import("../view/talk-view.js").TalkModel} TalkModel */

/**
 * @typedef {object} TalkState
 * @property {TalkModel["phase"]} phase
 * @property {TalkModel["state"]} state
 * @property {boolean} muted
 * @property {boolean} speakerMuted
 * @property {boolean} isInvited
 * @property {boolean} isResumable
 * @property {CallFailure | null} failure
 * @property {string | null} modelKind
 * @property {SessionState} session
 * @property {string} sessionMessage the bridge's own words about it
 * @property {boolean} recording
 * @property {string} recordedBy
 * @property {Participant[]} participants
 * @property {string | null} selfId
 * @property {string | null} sessionId
 * @property {boolean} mixMinus
 */

/** @type {Readonly<TalkState>} before anything happened */
export const FRESH = {
  phase: "idle",
  state: "idle",
  muted: false,
  speakerMuted: false,
  isInvited: false,
  isResumable: false,
  failure: null,
  modelKind: null,
  session: "live",
  sessionMessage: "",
  recording: false,
  recordedBy: "",
  participants: [],
  selfId: null,
  sessionId: null,
  mixMinus: true,
};

/**
 * @param {ServerMessage} message
 * @param {TalkState} before
 * @returns {Partial<TalkState>}
 */
export function changeBy(message, before) {
  switch (message.type) {
    case "hello":
      return {
        modelKind: message.model?.kind ?? null,
        sessionId: message.session_id,
        selfId: message.client_id,
        mixMinus: message.mix_minus ?? true,
        recording: message.recording ?? false,
      };
    case "state":
      return { state: message.state };
    case "participants":
      return { participants: message.participants };
    case "session": {
      // What was wrong while the service was away is so no more.
      const isBack = before.session === "recovering" && message.state === "live";
      return {
        session: message.state,
        sessionMessage: message.message ?? "",
        ...(isBack && { failure: null }),
      };
    }
    case "recording":
      return { recording: message.on, recordedBy: message.by ?? "" };
    case "error": {
      const { code, message: words, retryable } = message.error;
      return { failure: new CallFailure(code, { message: words, retryable }) };
    }
    default:
      return {};
  }
}

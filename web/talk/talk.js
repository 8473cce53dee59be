/**
 * The call on this page: what the person and the bridge do, and what is to be shown.
 *
 * Knows no DOM. Everything it shows goes through `onChange`.
 */

import { SILENT } from "../audio/audio-devices.js";
import { ConnectionQuality } from "../call/connection-quality.js";
import { Conversation } from "../call/conversation.js";
import { CallFailure } from "../call/failures.js";
import { LastingCall } from "../call/lasting-call.js";
import { seemsThin } from "../call/leg.js";
import { rememberedOf } from "../call/stored-talk.js";
import { changeBy, FRESH } from "./talk-state.js";

/** @typedef {import("../bridge/bridge-http.js").BridgeHttp} BridgeHttp */
/** @typedef {import("../bridge/conversations.js").Conversations} Conversations */
/** @typedef {import("../call/messages.js").ServerMessage} ServerMessage */
/** @typedef {import("../call/messages.js").TextTarget} TextTarget */
/** @typedef {import("../call/signaling.js").Ticket} Ticket */
/** @typedef {import("../settings.js").Settings} Settings */
/** @typedef {import("./left-call.js").LeftCallStore} LeftCallStore */
/** @typedef {import("./talk-state.js").TalkState} TalkState */

/**
 * @typedef {object} TalkOptions
 * @property {BridgeHttp} http
 * @property {Conversations} conversations
 * @property {LeftCallStore} left
 * @property {() => Settings} settings as they are now
 * @property {string | null} conversationId this page was invited to, or is to go on with
 * @property {() => boolean} canOpus whether this browser codes Opus packets itself
 * @property {() => void} onChange
 * @property {() => Promise<boolean>} onAskForKey whether another key was given
 */

const RECALLED_EVENTS = 400;

export class Talk {
  #options;
  #conversation = new Conversation();
  /** @type {LastingCall | null} */ #call = null;
  /** @type {string | null} */ #conversationId;
  /** @type {{sessionId: string, token: string} | null} */ #invitation = null;
  /** @type {Ticket | null} */ #ticket = null;
  #wasCutOff = false;
  quality = new ConnectionQuality();
  /** @type {TalkState} */ state = { ...FRESH };

  /** @param {TalkOptions} options */
  constructor(options) {
    this.#options = options;
    this.#conversationId = options.conversationId;
    const left = options.left.load();
    if (left && !options.conversationId) {
      this.#conversationId = left.conversationId;
      this.#ticket = left.ticket;
      this.state.isResumable = true;
      void this.#recall(left.conversationId);
    }
    this.state.isInvited = options.conversationId !== null;
  }

  // --- where to -------------------------------------------------------------------

  /**
   * This page was led here by a link. In the middle of a call it is not for it.
   *
   * @param {{conversationId: string | null, invitation: {sessionId: string, token: string} | null}} route
   */
  follow({ conversationId, invitation }) {
    if (this.isOn || (!conversationId && !invitation)) return;
    this.#invitation = invitation;
    this.#ticket = null;
    this.#conversationId = conversationId;
    this.#change({ phase: "idle", state: "idle", isInvited: true, isResumable: false });
    this.#conversation = new Conversation();
    if (conversationId) void this.#recall(conversationId);
  }

  get isOn() {
    return this.state.phase === "live" || this.state.phase === "connecting";
  }

  get conversationId() {
    return this.#conversationId;
  }

  /** What opens the one session a guest is in; null for whoever has a key. */
  get guestToken() {
    return this.#invitation ? (this.#ticket ?? this.#invitation).token : null;
  }

  get entries() {
    return this.#conversation.entries;
  }

  get asking() {
    return this.#conversation.asking;
  }

  // --- what a person can do -------------------------------------------------------

  /** A new conversation, or the one this page was led to. Call it inside a click. */
  start() {
    const { phase, isInvited, isResumable } = this.state;
    const isSame = phase === "idle" && (isInvited || isResumable);
    // The last words before the page was left may not have been kept yet when it came.
    this.#wasCutOff = isSame && isResumable;
    if (!isSame) {
      const { conversationId } = this.#options;
      this.#conversation = new Conversation();
      this.#conversationId = this.#invitation ? null : conversationId;
      this.#ticket = null;
    }
    this.#connect();
  }

  /**
   * @param {string} conversationId that is live already
   */
  join(conversationId) {
    this.#conversation = new Conversation();
    this.#ticket = this.#invitation = null;
    this.#conversationId = conversationId;
    this.#connect();
    void this.#recall(conversationId);
  }

  /** Go on with the conversation that was cut off. */
  retry() {
    this.#connect();
  }

  stop() {
    this.#options.left.clear();
    this.#hangUp();
    this.#change({ phase: "over", state: "ended", failure: null, isResumable: false });
  }

  /** The page is left; it may come back from the browser's memory. */
  leave() {
    if (!this.#call) return;
    this.#hangUp();
    this.#change({ phase: "idle", state: "idle", failure: null, isResumable: true });
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.#call?.mute(muted);
    this.#change({ muted });
  }

  /** @param {boolean} speakerMuted */
  muteSpeaker(speakerMuted) {
    this.#call?.muteSpeaker(speakerMuted);
    this.#change({ speakerMuted });
  }

  interrupt() {
    this.#call?.interrupt();
  }

  /**
   * @param {string} text
   * @param {TextTarget} target
   */
  say(text, target) {
    this.#call?.sendText(text, target);
    this.#conversation.type(text);
    this.#change({});
  }

  /**
   * @param {string} callId
   * @param {boolean} approve
   */
  confirm(callId, approve) {
    this.#call?.confirm(callId, approve);
    this.#conversation.answer(callId);
    this.#change({});
  }

  /**
   * @param {Settings} settings
   * @param {Partial<Settings>} change what of it is new
   */
  async use(settings, change) {
    if ("pushToTalk" in change) this.mute(settings.pushToTalk);
    try {
      await this.#call?.use(settings);
    } catch (error) {
      this.#change({ failure: CallFailure.from(error) });
    }
  }

  /** The network or the device woke up. */
  nudge() {
    this.#call?.nudge();
  }

  dismiss() {
    this.#change({ failure: null });
  }

  // --- what can be read -----------------------------------------------------------

  /** @returns {{microphone: number, speaker: number}} dBFS */
  get levels() {
    return this.#call?.levels ?? SILENT;
  }

  /** Once a second: look at the connection. */
  measure() {
    if (this.#call && this.state.phase === "live") this.quality.see(this.#call.figures);
  }

  /** @returns everything countable, for the test hook and for bug reports */
  get diagnostics() {
    return this.#call?.diagnostics ?? null;
  }

  /** Record both ends of the running call; `take()` gives what was recorded. */
  async record() {
    if (!this.#call) throw new Error("nothing to record: no call is running");
    return this.#call.record();
  }

  // --- inside ---------------------------------------------------------------------

  #connect() {
    this.#hangUp();
    const settings = this.#options.settings();
    this.quality = new ConnectionQuality();
    this.#call = new LastingCall({
      http: this.#options.http,
      settings,
      conversationId: this.#conversationId ?? undefined,
      ticket: this.#ticket ?? this.#invitation,
      isThin: seemsThin(networkHint()),
      canOpus: this.#options.canOpus(),
      onMessage: (message) => this.#take(message),
      onTicket: (ticket) => this.#keep(ticket),
      onProgress: (progress) => this.#proceed(progress),
      onEnd: (failure) => this.#fail(failure),
    });
    const muted = settings.pushToTalk || settings.startMuted; // then silence is the rule
    this.#call.mute(muted);
    this.#call.muteSpeaker(this.state.speakerMuted);
    this.#change({
      phase: "connecting",
      state: "connecting",
      muted,
      failure: null,
      session: "live",
      recording: false,
      participants: [],
    });
    void this.#call.start();
  }

  /** @param {Ticket | null} ticket */
  #keep(ticket) {
    this.#ticket = ticket;
    const conversationId = this.#conversationId;
    if (conversationId) this.#options.left.save({ conversationId, ticket });
  }

  /** @param {"live" | "reconnecting"} progress */
  #proceed(progress) {
    if (progress === "reconnecting") {
      this.#wasCutOff = true;
      this.#conversation.end();
      this.quality.restart();
      this.#change({ phase: "connecting", state: "reconnecting" });
      return;
    }
    const { state } = this.state; // the bridge may have told it already
    const isWaiting = state === "connecting" || state === "reconnecting";
    this.#change({ phase: "live", state: isWaiting ? "listening" : state, failure: null });
    // What was said while this page was away is in the store.
    if (this.#wasCutOff && this.#conversationId) void this.#recall(this.#conversationId);
    this.#wasCutOff = false;
  }

  /** @param {CallFailure} failure it ended, or never began, by itself */
  async #fail(failure) {
    if (failure.code === "internal") console.error(failure.cause);
    this.#hangUp();
    const isOver = failure.code === "session_ended" || failure.code === "removed";
    if (isOver) this.#options.left.clear();
    this.#change({ phase: "over", state: "failed", failure });
    if (failure.asksForKey && (await this.#options.onAskForKey())) this.retry();
  }

  #hangUp() {
    this.#call?.close();
    this.#call = null;
    this.#conversation.end();
  }

  /** @param {ServerMessage} message */
  #take(message) {
    switch (message.type) {
      case "hello":
        this.#conversationId = message.conversation_id;
        break;
      case "state":
        this.#conversation.enter(message.state);
        break;
      case "transcript":
        this.#conversation.transcribe(message);
        break;
      case "tool":
        this.#conversation.useTool(message, performance.now());
        break;
      case "quality":
        this.quality.tell(message);
        return; // shown once a second
    }
    this.#change(changeBy(message, this.state));
  }

  /**
   * Load again what was said; where nothing is kept, what is here is all there is.
   *
   * @param {string} conversationId
   */
  async #recall(conversationId) {
    const conversation = this.#conversation;
    try {
      const range = { limit: RECALLED_EVENTS };
      const { conversations } = this.#options;
      const { events } = await conversations.events(conversationId, range);
      conversation.recall(rememberedOf(events).map(({ entry }) => entry));
    } catch {
      return;
    }
    if (conversation === this.#conversation) this.#change({});
  }

  /** @param {Partial<TalkState>} change */
  #change(change) {
    Object.assign(this.state, change);
    this.#options.onChange();
  }
}

/** @returns {import("../call/leg.js").NetworkHint | undefined} what few browsers tell */
function networkHint() {
  const told = /** @type {any} */ (globalThis.navigator);
  return told?.connection;
}

/**
 * Composition root of the voice page: wires a call, the conversation and the view.
 */

import { SILENT } from "./audio/audio-devices.js";
import { listDevices, watchDevices } from "./audio/device-list.js";
import { dbfsToMeter } from "./audio/level.js";
import { Conversation } from "./call/conversation.js";
import { CallFailure } from "./call/failures.js";
import { LastingCall } from "./call/lasting-call.js";
import { loadSettings, saveSettings } from "./settings.js";
import { Texts } from "./texts/texts.js";
import { View } from "./view/view.js";

/** @typedef {import("./call/messages.js").ServerMessage} ServerMessage */
/** @typedef {import("./view/view.js").Model} Model */

const FIGURES_EVERY_MS = 500;

class App {
  #texts = Texts.choose(navigator.languages, localStorage);
  #conversation = new Conversation();
  /** @type {LastingCall | null} */ #call = null;
  #invitedTo = new URLSearchParams(location.search).get("conversation") ?? undefined;
  #conversationId = this.#invitedTo;
  /** @type {Omit<Model, "entries">} */
  #model = {
    phase: "idle",
    state: "idle",
    muted: false,
    speakerMuted: false,
    isInvited: this.#invitedTo !== undefined,
    modelKind: null,
    failure: null,
    settings: loadSettings(localStorage),
    devices: { microphones: [], speakers: [] },
  };
  #view = new View(this.#texts, {
    onStart: () => this.start(),
    onStop: () => this.stop(),
    onMute: () => this.#setMuted(!this.#model.muted),
    onHold: (isHeld) => this.#setMuted(!isHeld),
    onMuteSpeaker: () => this.#setSpeakerMuted(!this.#model.speakerMuted),
    onInterrupt: () => this.#call?.interrupt(),
    onRetry: () => this.#connect(),
    onDismiss: () => this.#change({ failure: null }),
    onText: (text) => this.#say(text),
    onLanguage: (language) => this.#speak(language),
    onInvite: () => this.#copyInvitation(),
    onSettings: (change) => this.#setUp(change),
    onOpenSettings: () => this.#listDevices(),
  });
  #lastFrame = performance.now();
  #lastFigures = 0;

  constructor() {
    this.#view.translate();
    this.#change({});
    requestAnimationFrame((now) => this.#animate(now));
    watchDevices(() => this.#listDevices());
    window.addEventListener("pagehide", () => {
      if (this.#call) this.stop(); // the page may come back from the browser's cache
    });
  }

  /** A new conversation, or the one this page was invited to. */
  start() {
    this.#conversation = new Conversation();
    this.#conversationId = this.#invitedTo;
    this.#connect();
  }

  stop() {
    this.#hangUp();
    this.#change({ phase: "over", state: "ended", failure: null });
  }

  get state() {
    return this.#model.state;
  }

  get failure() {
    return this.#model.failure?.code ?? null;
  }

  /** Record both ends of the running call; `take()` gives what was recorded. */
  async record() {
    if (!this.#call) throw new Error("nothing to record: no call is running");
    return this.#call.record();
  }

  stats() {
    return this.#call?.diagnostics ?? null;
  }

  /** Start a call; with a conversation that was cut off, go on with it. */
  #connect() {
    this.#hangUp();
    const { settings, speakerMuted } = this.#model;
    this.#call = new LastingCall({
      base: new URL(".", document.baseURI),
      settings,
      conversationId: this.#conversationId,
      onMessage: (message) => this.#take(message),
      onProgress: (progress) => this.#proceed(progress),
      onEnd: (failure) => this.#fail(failure),
    });
    const muted = settings.pushToTalk; // then silence is the rule
    this.#call.mute(muted);
    this.#call.muteSpeaker(speakerMuted);
    this.#change({ phase: "connecting", state: "connecting", muted, failure: null });
    void this.#call.start();
  }

  /** @param {"live" | "reconnecting"} progress */
  #proceed(progress) {
    if (progress === "reconnecting") {
      this.#conversation.end();
      this.#change({ phase: "connecting", state: "reconnecting" });
      return;
    }
    const { state } = this.#model; // the bridge may have told it already
    const isWaiting = state === "connecting" || state === "reconnecting";
    this.#change({ phase: "live", state: isWaiting ? "listening" : state });
  }

  /** @param {CallFailure} failure it ended, or never began, by itself */
  #fail(failure) {
    if (failure.code === "internal") console.error(failure.cause);
    this.#hangUp();
    this.#change({ phase: "over", state: "failed", failure });
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
        return this.#change({ modelKind: message.model?.kind ?? null });
      case "state":
        this.#conversation.enter(message.state);
        return this.#change({ state: message.state });
      case "transcript":
        this.#conversation.transcribe(message);
        return this.#change({});
      case "tool":
        this.#conversation.useTool(message);
        return this.#change({});
      case "error": {
        const { code, message: words, retryable } = message.error;
        const failure = new CallFailure(code, { message: words, retryable });
        return this.#change({ failure });
      }
    }
  }

  /** @param {boolean} muted */
  #setMuted(muted) {
    this.#call?.mute(muted);
    this.#change({ muted });
  }

  /** @param {boolean} speakerMuted */
  #setSpeakerMuted(speakerMuted) {
    this.#call?.muteSpeaker(speakerMuted);
    this.#change({ speakerMuted });
  }

  /** @param {Partial<import("./settings.js").Settings>} change */
  async #setUp(change) {
    const settings = { ...this.#model.settings, ...change };
    saveSettings(settings, localStorage);
    this.#change({ settings });
    if ("pushToTalk" in change) this.#setMuted(settings.pushToTalk);
    try {
      await this.#call?.use(settings);
    } catch (error) {
      this.#change({ failure: CallFailure.from(error) });
    }
    void this.#listDevices();
  }

  async #listDevices() {
    this.#change({ devices: await listDevices() });
  }

  /** @returns {Promise<boolean>} whether the link is in the clipboard */
  async #copyInvitation() {
    if (!this.#conversationId) return false;
    const link = new URL(".", document.baseURI);
    link.searchParams.set("conversation", this.#conversationId);
    try {
      await navigator.clipboard.writeText(link.href);
      return true;
    } catch {
      return false; // not allowed here
    }
  }

  /** @param {string} text */
  #say(text) {
    this.#call?.sendText(text);
    this.#conversation.type(text);
    this.#change({});
  }

  /** @param {import("./texts/texts.js").Language} language */
  #speak(language) {
    this.#texts.use(language, localStorage);
    this.#view.translate();
    this.#change({});
  }

  /** @param {Partial<Model>} change */
  #change(change) {
    Object.assign(this.#model, change);
    this.#view.render({ ...this.#model, entries: this.#conversation.entries });
  }

  /** @param {number} now ms */
  #animate(now) {
    const { microphone, speaker } = this.#call?.levels ?? SILENT;
    this.#view.renderLevels(
      { you: dbfsToMeter(microphone), assistant: dbfsToMeter(speaker) },
      now - this.#lastFrame,
    );
    this.#lastFrame = now;
    if (this.#call && now - this.#lastFigures > FIGURES_EVERY_MS) {
      this.#lastFigures = now;
      this.#view.renderFigures(this.#call.figures);
    }
    requestAnimationFrame((next) => this.#animate(next));
  }
}

const app = new App();

/** For tests and for whoever looks into a call: nothing here changes it. */
Object.defineProperty(window, "voicebridge", {
  value: Object.freeze({
    get state() {
      return app.state;
    },
    get failure() {
      return app.failure;
    },
    stats: () => app.stats(),
    record: () => app.record(),
  }),
});

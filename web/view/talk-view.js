/**
 * The view of a call: shows the model it is given, reports what the person does.
 */

import { BridgeCanvas } from "./bridge-canvas.js";
import { ConfirmView } from "./confirm-view.js";
import { element, setText } from "./element.js";
import { watchHold } from "./hold.js";
import { TranscriptView } from "./transcript-view.js";
import { WakeLock } from "./wake-lock.js";

/** @typedef {import("../call/conversation.js").Entry} Entry */
/** @typedef {import("../call/failures.js").CallFailure} CallFailure */
/** @typedef {import("../settings.js").Settings} Settings */
/** @typedef {import("../call/messages.js").BridgeState} BridgeState */
/** @typedef {import("../call/messages.js").TextTarget} TextTarget */
/** @typedef {import("../texts/texts.js").Texts} Texts */
/** @typedef {import("../texts/texts.js").TextKey} TextKey */

/**
 * Everything the call's view shows, besides the levels that change all the time.
 *
 * @typedef {object} TalkModel
 * @property {"idle" | "connecting" | "live" | "over"} phase
 * @property {"idle" | "reconnecting" | "recovering" | "failed" | BridgeState} state
 * @property {boolean} muted
 * @property {boolean} speakerMuted
 * @property {boolean} isInvited this page was opened by a link to a conversation
 * @property {boolean} isResumable the page was left in the middle of a call
 * @property {string} notice something to know that is no trouble; "" for nothing
 * @property {boolean} recording
 * @property {Settings} settings
 * @property {CallFailure | null} failure
 * @property {Entry[]} entries
 * @property {Entry | null} asking a tool that waits for a yes or no
 */

/**
 * @typedef {object} TalkActions
 * @property {() => void} onStart
 * @property {() => void} onStop
 * @property {() => void} onMute
 * @property {(isHeld: boolean) => void} onHold push-to-talk
 * @property {() => void} onMuteSpeaker
 * @property {() => void} onInterrupt
 * @property {() => void} onRetry
 * @property {() => void} onDismiss
 * @property {(text: string, target: TextTarget) => void} onText
 * @property {(callId: string, approve: boolean) => void} onConfirm
 * @property {() => void} onRecord
 */

const INTERRUPTIBLE = new Set(["speaking", "thinking", "tool"]);

export class TalkView {
  #wakeLock = new WakeLock();
  #bridge = new BridgeCanvas(element("bridge", HTMLCanvasElement));
  #transcript;
  #confirm;
  #call = element("call", HTMLButtonElement);
  #mute = element("mute", HTMLButtonElement);
  #speakerMute = element("speaker-mute", HTMLButtonElement);
  #interrupt = element("interrupt", HTMLButtonElement);
  #record = element("record", HTMLButtonElement);
  #retry = element("retry", HTMLButtonElement);
  #text = element("text", HTMLInputElement);
  #target = element("target", HTMLSelectElement);
  #send = element("send", HTMLButtonElement);
  #texts;
  /** @type {TalkModel["phase"]} */ #phase = "idle";
  #pushToTalk = false;

  /**
   * @param {Texts} texts
   * @param {TalkActions} actions
   */
  constructor(texts, actions) {
    this.#texts = texts;
    this.#transcript = new TranscriptView(
      {
        list: element("transcript"),
        scroller: element("talk-scroll"),
        empty: element("talk-empty"),
        latest: element("latest"),
        announcer: element("announcer"),
      },
      texts,
    );
    this.#confirm = new ConfirmView(texts, actions.onConfirm);
    this.#call.onclick = () => {
      const isOn = this.#phase === "live" || this.#phase === "connecting";
      if (isOn) actions.onStop();
      else actions.onStart();
    };
    this.#mute.onclick = () => {
      if (!this.#pushToTalk) actions.onMute();
    };
    watchHold(
      this.#mute,
      () => this.#pushToTalk && this.#phase === "live" && this.#isInFront,
      actions.onHold,
    );
    this.#speakerMute.onclick = actions.onMuteSpeaker;
    this.#interrupt.onclick = actions.onInterrupt;
    this.#record.onclick = actions.onRecord;
    this.#retry.onclick = actions.onRetry;
    element("dismiss").onclick = actions.onDismiss;
    element("composer").onsubmit = (event) => {
      event.preventDefault();
      const text = this.#text.value.trim();
      if (!text || this.#text.disabled) return;
      this.#text.value = "";
      actions.onText(text, /** @type {TextTarget} */ (this.#target.value));
    };
    document.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** Whether keys mean this view: it is shown and no dialog is before it. */
  get #isInFront() {
    return document.body.dataset.view === "talk" && !document.querySelector("dialog[open]");
  }

  /** @param {TalkModel} model */
  render(model) {
    const texts = this.#texts;
    const isLive = model.phase === "live";
    const isListening = model.settings.mode === "listen";
    const hasJustBegun = isLive && this.#phase !== "live";
    this.#phase = model.phase;
    this.#wakeLock.wanted = isLive;
    document.body.dataset.phase = model.phase;
    document.body.dataset.state = model.state;
    this.#pushToTalk = model.settings.pushToTalk;
    setText("state", texts.get(`state.${model.state}`));
    setText("hint", texts.get(hintKey(model)));
    setText("call-label", texts.get(callLabel(model)));
    this.#mute.disabled = !isLive || isListening;
    this.#mute.classList.toggle("held", this.#pushToTalk);
    this.#mute.ariaPressed = String(model.muted !== this.#pushToTalk);
    this.#mute.title = texts.get("key.mute");
    setText("mute-label", texts.get(muteLabel(model)));
    this.#speakerMute.disabled = !isLive;
    this.#speakerMute.ariaPressed = String(model.speakerMuted);
    this.#interrupt.disabled = !isLive || !INTERRUPTIBLE.has(model.state);
    this.#interrupt.title = texts.get("key.interrupt");
    this.#text.disabled = this.#send.disabled = this.#target.disabled = !isLive;
    this.#text.placeholder = texts.get(
      isLive ? "talk.placeholder" : "talk.placeholder.idle",
    );
    this.#record.hidden = !isLive;
    this.#record.ariaPressed = String(model.recording);
    setText("record-label", texts.get(model.recording ? "record.stop" : "record.start"));
    this.#renderNotice(model.notice);
    this.#renderProblem(model.failure);
    this.#confirm.render(isLive ? model.asking : null);
    this.#transcript.render(model.entries);
    if (hasJustBegun) this.focusTalkKey();
  }

  /**
   * @param {{you: number, assistant: number}} levels 0..1
   * @param {number} elapsedMs since the last call
   */
  renderLevels(levels, elapsedMs) {
    this.#bridge.advance(levels, elapsedMs);
    setMeter("mic-meter", levels.you);
    setMeter("speaker-meter", levels.assistant);
  }

  /** Else the space bar, held to talk, would press whatever was clicked last. */
  focusTalkKey() {
    if (this.#pushToTalk && this.#phase === "live") this.#mute.focus();
  }

  /** @param {string} notice */
  #renderNotice(notice) {
    setText("notice", notice);
    element("notice").hidden = notice === "";
  }

  /** @param {CallFailure | null} failure */
  #renderProblem(failure) {
    // Words first, then shown: an alert region is read when it appears.
    setText("problem-text", failure ? this.#texts.describe(failure) : "");
    element("problem").hidden = !failure;
    this.#retry.hidden = !failure?.retryable || this.#phase === "live";
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (!this.#isInFront) return;
    if (event.key === "Escape") this.#interrupt.click();
    const isTyping = event.target === this.#text || event.target === this.#target;
    if (event.key.toLowerCase() === "m" && !isTyping) this.#mute.click();
  }
}

/**
 * @param {string} id
 * @param {number} level 0..1
 */
function setMeter(id, level) {
  const meter = element(id);
  const percent = String(Math.round(level * 100));
  if (meter.ariaValueNow === percent) return;
  meter.ariaValueNow = percent;
  meter.style.setProperty("--level", level.toFixed(2));
}

/**
 * @param {TalkModel} model
 * @returns {TextKey}
 */
function callLabel({ phase, isInvited, isResumable }) {
  if (phase === "connecting") return "action.cancel";
  if (phase === "live") return "action.stop";
  if (phase === "over") return "action.again";
  if (isResumable) return "action.rejoin";
  return isInvited ? "action.join" : "action.start";
}

/**
 * @param {TalkModel} model
 * @returns {TextKey}
 */
function hintKey({ phase, state, muted, isResumable, settings }) {
  if (phase === "idle" && isResumable) return "hint.idle.resume";
  if (state !== "listening") return `hint.${state}`;
  if (settings.mode === "listen") return "hint.listening.only";
  if (!muted) return "hint.listening";
  return settings.pushToTalk ? "hint.hold" : "hint.muted";
}

/**
 * @param {TalkModel} model
 * @returns {TextKey}
 */
function muteLabel({ muted, settings }) {
  if (settings.pushToTalk) return "action.hold";
  return muted ? "action.unmute" : "action.mute";
}

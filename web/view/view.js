/**
 * The page: shows the model it is given, reports what the person does. DOM only.
 */

import { BridgeCanvas } from "./bridge-canvas.js";
import { element } from "./element.js";
import { watchHold } from "./hold.js";
import { SettingsView } from "./settings-view.js";
import { TranscriptView } from "./transcript-view.js";
import { WakeLock } from "./wake-lock.js";

/** @typedef {import("../call/lasting-call.js").Figures} Figures */
/** @typedef {import("../call/conversation.js").Entry} Entry */
/** @typedef {import("../call/failures.js").CallFailure} CallFailure */
/** @typedef {import("../settings.js").Settings} Settings */
/** @typedef {import("../audio/device-list.js").DeviceList} DeviceList */
/** @typedef {import("../call/messages.js").BridgeState} BridgeState */
/** @typedef {import("../texts/texts.js").Texts} Texts */
/** @typedef {import("../texts/texts.js").TextKey} TextKey */
/** @typedef {import("../texts/texts.js").Language} Language */

/**
 * Everything the page shows, besides the levels and figures that change all the time.
 *
 * @typedef {object} Model
 * @property {"idle" | "connecting" | "live" | "over"} phase
 * @property {"idle" | "reconnecting" | "failed" | BridgeState} state
 * @property {boolean} muted
 * @property {boolean} speakerMuted
 * @property {boolean} isInvited this page was opened by a link to a conversation
 * @property {string | null} modelKind
 * @property {Settings} settings
 * @property {DeviceList} devices
 * @property {CallFailure | null} failure
 * @property {Entry[]} entries
 */

/**
 * @typedef {object} Actions
 * @property {() => void} onStart
 * @property {() => void} onStop
 * @property {() => void} onMute
 * @property {(isHeld: boolean) => void} onHold push-to-talk
 * @property {() => void} onMuteSpeaker
 * @property {() => void} onInterrupt
 * @property {() => void} onRetry
 * @property {() => void} onDismiss
 * @property {(text: string) => void} onText
 * @property {(language: Language) => void} onLanguage
 * @property {() => Promise<boolean>} onInvite whether a link was copied
 * @property {(change: Partial<Settings>) => void} onSettings
 * @property {() => void} onOpenSettings
 */

const INVITED_MS = 2_500;

const INTERRUPTIBLE = new Set(["speaking", "thinking", "tool"]);

export class View {
  #wakeLock = new WakeLock();
  #bridge = new BridgeCanvas(element("bridge", HTMLCanvasElement));
  #transcript = new TranscriptView({
    list: element("transcript"),
    scroller: element("talk-scroll"),
    empty: element("talk-empty"),
    latest: element("latest"),
    announcer: element("announcer"),
  });
  #call = element("call", HTMLButtonElement);
  #mute = element("mute", HTMLButtonElement);
  #speakerMute = element("speaker-mute", HTMLButtonElement);
  #interrupt = element("interrupt", HTMLButtonElement);
  #invite = element("invite", HTMLButtonElement);
  #settings;
  #retry = element("retry", HTMLButtonElement);
  #text = element("text", HTMLInputElement);
  #send = element("send", HTMLButtonElement);
  #texts;
  /** @type {Model["phase"]} */ #phase = "idle";
  #pushToTalk = false;

  /**
   * @param {Texts} texts
   * @param {Actions} actions
   */
  constructor(texts, actions) {
    this.#texts = texts;
    this.#call.onclick = () => {
      const isOn = this.#phase === "live" || this.#phase === "connecting";
      if (isOn) actions.onStop();
      else actions.onStart();
    };
    this.#settings = new SettingsView({
      onChange: actions.onSettings,
      onOpen: actions.onOpenSettings,
      onClose: () => this.#focusTalkKey(),
    });
    this.#mute.onclick = () => {
      if (!this.#pushToTalk) actions.onMute();
    };
    watchHold(
      this.#mute,
      () => this.#pushToTalk && this.#phase === "live" && !this.#settings.isOpen,
      actions.onHold,
    );
    this.#speakerMute.onclick = actions.onMuteSpeaker;
    this.#invite.onclick = async () => {
      if (await actions.onInvite()) this.#showInvited();
    };
    this.#interrupt.onclick = actions.onInterrupt;
    this.#retry.onclick = actions.onRetry;
    element("dismiss").onclick = actions.onDismiss;
    element("composer").onsubmit = (event) => {
      event.preventDefault();
      const text = this.#text.value.trim();
      if (!text || this.#text.disabled) return;
      this.#text.value = "";
      actions.onText(text);
    };
    for (const button of languageButtons()) {
      const language = /** @type {Language} */ (button.dataset.language);
      button.onclick = () => actions.onLanguage(language);
    }
    document.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** Put every fixed text into the page; after a change of language again. */
  translate() {
    document.documentElement.lang = this.#texts.language;
    for (const node of document.querySelectorAll("[data-text]")) {
      node.textContent = this.#texts.get(key(node, "text"));
    }
    for (const node of document.querySelectorAll("[data-label]")) {
      node.setAttribute("aria-label", this.#texts.get(key(node, "label")));
    }
    for (const button of languageButtons()) {
      button.ariaPressed = String(button.dataset.language === this.#texts.language);
    }
    this.#invite.textContent = this.#texts.get("action.invite");
    this.#mute.title = this.#texts.get("key.mute");
    this.#interrupt.title = this.#texts.get("key.interrupt");
  }

  /** @param {Model} model */
  render(model) {
    const texts = this.#texts;
    const isLive = model.phase === "live";
    const hasJustBegun = isLive && this.#phase !== "live";
    this.#phase = model.phase;
    this.#wakeLock.wanted = isLive;
    document.body.dataset.phase = model.phase;
    document.body.dataset.state = model.state;
    this.#pushToTalk = model.settings.pushToTalk;
    setText("state", texts.get(`state.${model.state}`));
    setText("hint", texts.get(hintKey(model)));
    setText("call-label", texts.get(callLabel(model)));
    this.#mute.disabled = !isLive;
    this.#mute.classList.toggle("held", this.#pushToTalk);
    this.#mute.ariaPressed = String(model.muted !== this.#pushToTalk);
    setText("mute-label", texts.get(muteLabel(model)));
    this.#speakerMute.disabled = !isLive;
    this.#speakerMute.ariaPressed = String(model.speakerMuted);
    this.#invite.hidden = !isLive;
    this.#settings.render(model.settings, model.devices, texts);
    this.#interrupt.disabled = !isLive || !INTERRUPTIBLE.has(model.state);
    this.#text.disabled = this.#send.disabled = !isLive;
    this.#text.placeholder = texts.get(
      isLive ? "talk.placeholder" : "talk.placeholder.idle",
    );
    this.#renderModel(model.modelKind);
    this.#renderProblem(model.failure);
    this.#transcript.render(model.entries, texts);
    if (hasJustBegun) this.#focusTalkKey();
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

  /** @param {Figures} figures */
  renderFigures({ rttMs, bufferedMs, dropouts }) {
    setText("figure-rtt", this.#ms(rttMs));
    setText("figure-buffer", this.#ms(bufferedMs));
    setText("figure-drops", String(dropouts));
  }

  /** Else the space bar, held to talk, would press whatever was clicked last. */
  #focusTalkKey() {
    if (this.#pushToTalk && this.#phase === "live") this.#mute.focus();
  }

  #showInvited() {
    const words = this.#texts.get("action.invited");
    this.#invite.textContent = words;
    setTimeout(() => {
      this.#invite.textContent = this.#texts.get("action.invite");
    }, INVITED_MS);
  }

  /** @param {string | null} kind */
  #renderModel(kind) {
    const badge = element("model");
    const known = kind === "fake" || kind === "openai" ? kind : null;
    badge.hidden = !kind;
    badge.textContent = known ? this.#texts.get(`model.${known}`) : kind;
    badge.title = known ? this.#texts.get(`model.${known}.hint`) : "";
  }

  /** @param {CallFailure | null} failure */
  #renderProblem(failure) {
    // Words first, then shown: an alert region is read when it appears.
    setText("problem-text", failure ? this.#texts.describe(failure) : "");
    element("problem").hidden = !failure;
    this.#retry.hidden = !failure?.retryable || this.#phase === "live";
  }

  /** @param {number | null} ms */
  #ms(ms) {
    if (ms === null) return this.#texts.get("figures.none");
    return this.#texts.get("figures.ms", { value: Math.round(ms) });
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (this.#settings.isOpen) return;
    if (event.key === "Escape") this.#interrupt.click();
    if (event.key.toLowerCase() === "m" && event.target !== this.#text) {
      this.#mute.click();
    }
  }
}

/** @returns {NodeListOf<HTMLButtonElement>} */
function languageButtons() {
  return document.querySelectorAll("button[data-language]");
}

/**
 * @param {Element} node
 * @param {"text" | "label"} name
 */
function key(node, name) {
  return /** @type {TextKey} */ (node.getAttribute(`data-${name}`));
}

/**
 * @param {string} id
 * @param {string} text
 */
function setText(id, text) {
  const node = element(id);
  if (node.textContent !== text) node.textContent = text;
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
 * @param {Model} model
 * @returns {TextKey}
 */
function callLabel({ phase, isInvited }) {
  if (phase === "idle") return isInvited ? "action.join" : "action.start";
  if (phase === "connecting") return "action.cancel";
  return phase === "live" ? "action.stop" : "action.again";
}

/**
 * @param {Model} model
 * @returns {TextKey}
 */
function hintKey({ state, muted, settings }) {
  if (state !== "listening" || !muted) return `hint.${state}`;
  return settings.pushToTalk ? "hint.hold" : "hint.muted";
}

/**
 * @param {Model} model
 * @returns {TextKey}
 */
function muteLabel({ muted, settings }) {
  if (settings.pushToTalk) return "action.hold";
  return muted ? "action.unmute" : "action.mute";
}

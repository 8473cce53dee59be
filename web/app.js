/**
 * Composition root of the voice page: makes every part, and connects them.
 */

import { listDevices, watchDevices } from "./audio/device-list.js";
import { dbfsToMeter } from "./audio/level.js";
import { canOpus } from "./audio/opus-codec.js";
import { AccessKey } from "./bridge/access-key.js";
import { BridgeHttp } from "./bridge/bridge-http.js";
import { Conversations } from "./bridge/conversations.js";
import { Operations } from "./bridge/operations.js";
import { Sessions } from "./bridge/sessions.js";
import { CallFailure } from "./call/failures.js";
import { DashboardPage } from "./dashboard/dashboard-page.js";
import { invitationRoute, routeOf } from "./routes.js";
import { loadSettings, saveSettings } from "./settings.js";
import { ShelfPage } from "./shelf/shelf-page.js";
import { LeftCallStore } from "./talk/left-call.js";
import { Lobby } from "./talk/lobby.js";
import { Talk } from "./talk/talk.js";
import { Texts } from "./texts/texts.js";
import { ConnectionView } from "./view/connection-view.js";
import { element } from "./view/element.js";
import { KeyDialog } from "./view/key-dialog.js";
import { timeOf } from "./view/lobby-view.js";
import { PageFrame } from "./view/page-frame.js";
import { PeopleView } from "./view/people-view.js";
import { SettingsView } from "./view/settings-view.js";
import { TalkView } from "./view/talk-view.js";

/** @typedef {import("./settings.js").Settings} Settings */

const MEASURE_EVERY_MS = 1_000;
/** What the bridge calls whoever needs no key; it is no name to show. */
const NOBODY = "local";
const BASE = new URL(".", document.baseURI);
/** A phone in a pocket, or in a room with others, should not speak up by itself. */
const isPhone = matchMedia("(pointer: coarse) and (max-width: 56rem)").matches;

class App {
  #texts = Texts.choose(navigator.languages, localStorage);
  #settings = loadSettings(localStorage, { startMuted: isPhone });
  #devices = { microphones: [], speakers: [] };
  #canOpus = false;
  #key = new AccessKey(sessionStorage, localStorage);
  #http = new BridgeHttp(BASE, this.#key);
  #sessions = new Sessions(this.#http, () => this.#talk.guestToken);
  #conversations = new Conversations(this.#http);
  #frame = new PageFrame(this.#texts, (language) => this.#speak(language));
  #keyDialog = new KeyDialog(this.#texts);
  #connection = new ConnectionView(this.#texts);
  #talk = new Talk({
    http: this.#http,
    conversations: this.#conversations,
    left: new LeftCallStore(sessionStorage),
    settings: () => this.#settings,
    conversationId: new URLSearchParams(location.search).get("conversation"),
    canOpus: () => this.#canOpus,
    onChange: () => this.#render(),
    onAskForKey: () => this.#askForKey(),
  });
  #lobby = new Lobby(this.#sessions, this.#conversations, this.#texts, (id) =>
    this.#talk.join(id),
  );
  #shelf = new ShelfPage(this.#conversations, this.#texts, {
    onFailure: (failure) => this.#explain(failure),
  });
  #dashboard = new DashboardPage(
    new Operations(this.#http),
    this.#sessions,
    this.#texts,
    (failure) => this.#explain(failure),
  );
  #people = new PeopleView(this.#texts, {
    onChangeClient: (id, change) => this.#moderate((s) => this.#sessions.changeClient(s, id, change)),
    onRemove: (id) => this.#moderate((s) => this.#sessions.removeClient(s, id)),
    onRename: (name) => this.#setUp({ name }),
    onMode: (mode) => this.#setUp({ mode }),
    onMixMinus: (isOn) => this.#setMixMinus(isOn),
    onInvite: () => this.#invite(),
  });
  #view = new TalkView(this.#texts, {
    onStart: () => this.#talk.start(),
    onStop: () => this.#talk.stop(),
    onMute: () => this.#talk.mute(!this.#talk.state.muted),
    onHold: (isHeld) => this.#talk.mute(!isHeld),
    onMuteSpeaker: () => this.#talk.muteSpeaker(!this.#talk.state.speakerMuted),
    onInterrupt: () => this.#talk.interrupt(),
    onRetry: () => this.#talk.retry(),
    onDismiss: () => this.#talk.dismiss(),
    onText: (text, target) => this.#talk.say(text, target),
    onConfirm: (callId, approve) => this.#talk.confirm(callId, approve),
    onRecord: () => this.#record(),
  });
  #settingsView = new SettingsView({
    onChange: (change) => this.#setUp(change),
    onOpen: () => this.#listDevices(),
    onClose: () => this.#view.focusTalkKey(),
  });
  #lastFrame = performance.now();

  constructor() {
    this.#translate();
    void canOpus().then((can) => (this.#canOpus = can));
    window.addEventListener("hashchange", () => this.#follow());
    this.#follow();
    requestAnimationFrame((now) => this.#animate(now));
    setInterval(() => this.#measure(), MEASURE_EVERY_MS);
    watchDevices(() => this.#listDevices());
    window.addEventListener("pagehide", () => this.#talk.leave());
    window.addEventListener("online", () => this.#talk.nudge());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#talk.nudge();
    });
    element("key-forget").onclick = () => {
      this.#key.forget();
      this.#render();
    };
  }

  get talk() {
    return this.#talk;
  }

  // --- where to -------------------------------------------------------------------

  #follow() {
    const route = routeOf(location.hash);
    this.#frame.show(route.view);
    if (route.view === "talk") this.#talk.follow(route);
    if (route.invitation) {
      // Used once: it need not stand in the history of a borrowed phone.
      history.replaceState(null, "", "#/talk");
    }
    this.#shelf.show(route.view === "conversations", route.conversationId);
    this.#dashboard.show(route.view === "dashboard");
    this.#render();
  }

  // --- what a person can do -------------------------------------------------------

  /** @param {Partial<Settings>} change */
  #setUp(change) {
    this.#settings = { ...this.#settings, ...change };
    saveSettings(this.#settings, localStorage);
    this.#render();
    void this.#talk.use(this.#settings, change).then(() => this.#listDevices());
  }

  async #listDevices() {
    this.#devices = /** @type {any} */ (await listDevices());
    this.#render();
  }

  /** @param {import("./texts/texts.js").Language} language */
  #speak(language) {
    this.#texts.use(language, localStorage);
    this.#translate();
    this.#shelf.render();
    this.#dashboard.render();
    this.#render();
  }

  #translate() {
    this.#frame.translate();
    this.#people.translate();
    this.#connection.translate();
  }

  /**
   * Do something to the running session.
   *
   * @param {(sessionId: string) => Promise<unknown>} doing
   */
  async #moderate(doing) {
    const { sessionId } = this.#talk.state;
    if (sessionId) await doing(sessionId);
  }

  /** @param {boolean} isOn */
  async #setMixMinus(isOn) {
    try {
      await this.#moderate((id) => this.#sessions.change(id, { mix_minus: isOn }));
      this.#talk.state.mixMinus = isOn;
    } finally {
      this.#render(); // refused, the switch goes back
    }
  }

  async #record() {
    const isOn = this.#talk.state.recording;
    try {
      await this.#moderate((id) => this.#sessions.record(id, !isOn));
    } catch (error) {
      this.#talk.state.failure = CallFailure.from(error);
      this.#render();
    }
  }

  /** A link that opens this conversation and nothing else. */
  async #invite() {
    const { sessionId } = this.#talk.state;
    const link = new URL(BASE);
    try {
      const invitation = await this.#sessions.invite(sessionId ?? "");
      link.hash = invitationRoute(sessionId ?? "", invitation.token);
      return { link: link.href, expiresAtMs: timeOf(invitation.expires_at) || null };
    } catch {
      // A bridge without invitations: the name of the conversation has to do.
      link.searchParams.set("conversation", this.#talk.conversationId ?? "");
      return { link: link.href, expiresAtMs: null };
    }
  }

  /** @returns {Promise<boolean>} whether there is another key now */
  async #askForKey() {
    const given = await this.#keyDialog.ask(this.#key.isKnown);
    if (given) this.#key.keep(given.key, given.isRemembered);
    this.#render();
    return given !== null;
  }

  /**
   * @param {CallFailure} failure of a view that is no call
   * @returns {Promise<boolean>} whether it is worth another try at once
   */
  async #explain(failure) {
    return failure.asksForKey && (await this.#askForKey());
  }

  // --- what is shown --------------------------------------------------------------

  #render() {
    const { state, entries, asking } = this.#talk;
    const settings = this.#settings;
    this.#view.render({
      ...state,
      state: state.session === "recovering" && state.phase === "live" ? "recovering" : state.state,
      notice: this.#notice(),
      settings,
      entries,
      asking,
    });
    this.#people.render({
      participants: state.participants,
      selfId: state.selfId,
      name: settings.name,
      mode: settings.mode,
      mixMinus: state.mixMinus,
      isLive: state.phase === "live",
    });
    this.#settingsView.render(settings, this.#devices, this.#texts);
    this.#frame.renderModel(state.modelKind);
    element("key-forget").hidden = !this.#key.isKnown;
    this.#lobby.wanted = !this.#talk.isOn && document.body.dataset.view === "talk";
  }

  #notice() {
    const { phase, session, sessionMessage, recording, recordedBy } = this.#talk.state;
    if (phase !== "live") return "";
    if (session === "handing_over" || session === "draining") {
      const isEnglish = this.#texts.language === "en"; // the bridge's words are
      const own = this.#texts.get(`notice.${session}`);
      return (isEnglish && sessionMessage) || own;
    }
    if (!recording) return "";
    const isNamed = recordedBy && recordedBy !== NOBODY;
    if (!isNamed) return this.#texts.get("notice.recording.on");
    return this.#texts.get("notice.recording", { by: recordedBy });
  }

  #measure() {
    this.#talk.measure();
    if (this.#talk.state.phase === "live") this.#connection.render(this.#talk.quality.now);
  }

  /** @param {number} now ms */
  #animate(now) {
    const { microphone, speaker } = this.#talk.levels;
    this.#view.renderLevels(
      { you: dbfsToMeter(microphone), assistant: dbfsToMeter(speaker) },
      now - this.#lastFrame,
    );
    this.#lastFrame = now;
    requestAnimationFrame((next) => this.#animate(next));
  }
}

const { talk } = new App();

/** For tests and for whoever looks into a call: nothing here changes it. */
Object.defineProperty(window, "voicebridge", {
  value: Object.freeze({
    get state() {
      return talk.state.state;
    },
    get failure() {
      return talk.state.failure?.code ?? null;
    },
    stats: () => talk.diagnostics,
    quality: () => talk.quality.now,
    record: () => talk.record(),
  }),
});

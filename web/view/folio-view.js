/**
 * One conversation that is over: its words, its recordings, what can be done with it.
 */

import { continueRoute } from "../routes.js";
import { element, setProblem, setText } from "./element.js";
import { createEntryItem, updateEntryItem } from "./entry-item.js";
import { PlayerView } from "./player-view.js";
import { VirtualList } from "./virtual-list.js";

/** @typedef {import("../bridge/conversations.js").StoredConversation} StoredConversation */
/** @typedef {import("../bridge/conversations.js").Recording} Recording */
/** @typedef {import("../bridge/conversations.js").ExportFormat} ExportFormat */
/** @typedef {import("../call/conversation.js").Entry} Entry */
/** @typedef {import("../call/stored-talk.js").Remembered} Remembered */
/** @typedef {import("../texts/texts.js").Texts} Texts */

/**
 * @typedef {object} Folio
 * @property {StoredConversation} conversation
 * @property {Remembered[]} talk oldest first
 * @property {Recording[]} recordings
 * @property {boolean} hasEarlier
 */

/**
 * @typedef {object} FolioActions
 * @property {(title: string) => void} onRename
 * @property {(format: ExportFormat) => void} onExport
 * @property {() => void} onDelete
 * @property {() => void} onEarlier
 * @property {(recording: Recording) => Promise<Blob>} onLoad
 * @property {(recording: Recording) => void} onDeleteRecording
 */

export class FolioView {
  #texts;
  #player;
  /** @type {VirtualList<Entry>} */ #list;
  /** @type {Folio | null} */ #folio = null;
  /** @type {Entry | null} */ #playing = null;
  /** @type {readonly Recording[]} */ #recordings = [];

  /**
   * @param {Texts} texts
   * @param {FolioActions} actions
   */
  constructor(texts, actions) {
    this.#texts = texts;
    this.#player = new PlayerView(texts, {
      onLoad: actions.onLoad,
      onPlace: (recording, ms) => this.#follow(recording, ms),
      onDelete: actions.onDeleteRecording,
    });
    this.#list = new VirtualList({
      list: element("folio-list"),
      scroller: element("folio-scroll"),
      create: (entry) => this.#create(entry),
      update: (item, entry) => this.#update(item, entry),
    });
    const title = element("rename-text", HTMLInputElement);
    element("rename-open").onclick = () => this.#editTitle(true);
    element("rename").onsubmit = (event) => {
      event.preventDefault();
      this.#editTitle(false);
      actions.onRename(title.value.trim());
    };
    title.onkeydown = (event) => {
      if (event.key === "Escape") this.#editTitle(false);
    };
    const format = element("export", HTMLSelectElement);
    format.onchange = () => {
      if (format.value) actions.onExport(/** @type {ExportFormat} */ (format.value));
      format.value = "";
    };
    element("folio-delete").onclick = actions.onDelete;
    element("folio-earlier").onclick = actions.onEarlier;
  }

  /** @param {Folio | null} folio null: none is open */
  render(folio) {
    const isOther = folio?.conversation.id !== this.#folio?.conversation.id;
    this.#folio = folio;
    document.body.dataset.folio = folio ? "open" : "none";
    element("folio-none").hidden = folio !== null;
    element("folio-open").hidden = folio === null;
    if (isOther) {
      this.#playing = null;
      this.#editTitle(false);
      setProblem("folio-problem", "");
    }
    if (!folio) {
      this.#player.stop();
      return;
    }
    const { conversation, talk, recordings, hasEarlier } = folio;
    const { title, first_words } = conversation;
    setText("folio-title", title || first_words || this.#texts.get("shelf.untitled"));
    const link = element("folio-continue", HTMLAnchorElement);
    link.href = continueRoute(conversation.id);
    element("folio-earlier").hidden = !hasEarlier;
    element("folio-empty").hidden = talk.length > 0 || hasEarlier;
    if (recordings !== this.#recordings) this.#player.render(recordings);
    this.#recordings = recordings;
    if (isOther) this.#list.follows = false;
    this.#list.render(talk.map(({ entry }) => entry));
    if (isOther) element("folio-scroll").scrollTop = 0;
  }

  /** @param {string} words "" for nothing */
  complain(words) {
    setProblem("folio-problem", words);
  }

  stop() {
    this.#player.stop();
  }

  /** @param {Entry} entry */
  #create(entry) {
    const item = createEntryItem(entry);
    item.onclick = () => {
      const place = this.#placeOf(entry);
      if (place !== null && getSelection()?.isCollapsed) void this.#player.playFrom(place);
    };
    return item;
  }

  /**
   * @param {HTMLElement} item
   * @param {Entry} entry
   */
  #update(item, entry) {
    updateEntryItem(item, entry, this.#texts);
    item.classList.toggle("playing", entry === this.#playing);
    item.classList.toggle("playable", this.#placeOf(entry) !== null);
  }

  /**
   * @param {Entry} entry
   * @returns {number | null} ms from the beginning of the chosen recording
   */
  #placeOf(entry) {
    const recording = this.#player.recording;
    const found = this.#folio?.talk.find((it) => it.entry === entry);
    if (!recording || !found || found.place.sessionMs === null) return null;
    if (found.place.sessionId !== recording.session_id) return null;
    const ms = found.place.sessionMs - recording.session_ms;
    return ms >= 0 && ms <= recording.duration_ms ? ms : null;
  }

  /**
   * @param {Recording} recording
   * @param {number} ms
   */
  #follow(recording, ms) {
    const at = ms + recording.session_ms;
    const said = this.#folio?.talk.findLast(
      ({ place }) =>
        place.sessionId === recording.session_id &&
        place.sessionMs !== null &&
        place.sessionMs <= at + 1,
    );
    const entry = ms > 0 ? (said?.entry ?? null) : null;
    if (entry === this.#playing) return;
    const before = this.#playing && this.#list.elementOf(this.#playing);
    before?.classList.remove("playing");
    this.#playing = entry;
    if (!entry) return;
    this.#list.reveal(entry);
    this.#list.elementOf(entry)?.classList.add("playing");
  }

  /** @param {boolean} isOn */
  #editTitle(isOn) {
    element("rename").hidden = !isOn;
    element("folio-title").hidden = isOn;
    element("rename-open").hidden = isOn;
    if (!isOn) return;
    const title = element("rename-text", HTMLInputElement);
    title.value = this.#folio?.conversation.title ?? "";
    title.focus();
    title.select();
  }
}

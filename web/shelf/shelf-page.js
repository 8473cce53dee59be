/**
 * The conversations that are kept: finds them, reads them, changes them.
 */

import { CallFailure } from "../call/failures.js";
import { firstWordsOf, rememberedOf } from "../call/stored-talk.js";
import { askForYes } from "../view/ask-dialog.js";
import { saveFile } from "../view/save-file.js";
import { FolioView } from "../view/folio-view.js";
import { ShelfView } from "../view/shelf-view.js";

/** @typedef {import("../bridge/conversations.js").Conversations} Conversations */
/** @typedef {import("../bridge/conversations.js").StoredConversation} StoredConversation */
/** @typedef {import("../bridge/conversations.js").StoredEvent} StoredEvent */
/** @typedef {import("../bridge/conversations.js").Recording} Recording */
/** @typedef {import("../bridge/conversations.js").ExportFormat} ExportFormat */
/** @typedef {import("../view/folio-view.js").Folio} Folio */

/** @type {Record<ExportFormat, string>} */
const SUFFIX = { json: "json", markdown: "md", srt: "srt", vtt: "vtt" };

const MAX_FIRST_WORDS = 20;
const FIRST_EVENTS = 12;

export class ShelfPage {
  #conversations;
  #texts;
  #onFailure;
  #shelf;
  #folioView;
  #isShown = false;
  /** @type {string | null} */ #openId = null;
  /** @type {StoredConversation[]} */ #all = [];
  #words = "";
  /** @type {StoredEvent[]} */ #events = [];
  /** @type {Folio | null} */ #folio = null;

  /**
   * @param {Conversations} conversations
   * @param {import("../texts/texts.js").Texts} texts
   * @param {{onFailure: (failure: CallFailure) => Promise<boolean>}} parts onFailure:
   *   whether it is worth another try at once
   */
  constructor(conversations, texts, { onFailure }) {
    this.#conversations = conversations;
    this.#texts = texts;
    this.#onFailure = onFailure;
    this.#shelf = new ShelfView(texts);
    this.#folioView = new FolioView(texts, {
      onRename: (title) => this.#do((id) => this.#rename(id, title)),
      onExport: (format) => this.#do((id) => this.#export(id, format)),
      onDelete: () => this.#do((id) => this.#delete(id)),
      onEarlier: () => this.#do((id) => this.#readEarlier(id)),
      onLoad: (recording) => this.#conversations.audio(recording.id),
      onDeleteRecording: (recording) => this.#do(() => this.#deleteRecording(recording)),
    });
  }

  /**
   * @param {boolean} isShown
   * @param {string | null} conversationId to open
   */
  show(isShown, conversationId) {
    const isNew = isShown && !this.#isShown;
    this.#isShown = isShown;
    if (!isShown) return this.#folioView.stop();
    const isOther = conversationId !== this.#openId;
    this.#openId = conversationId;
    this.render();
    if (isNew) void this.#list();
    if (conversationId && (isOther || isNew)) void this.#open(conversationId);
    else if (isOther) this.#close();
  }

  render() {
    if (!this.#isShown) return;
    this.#shelf.render(this.#all, this.#openId, this.#words);
    this.#folioView.render(this.#folio);
  }

  async #list() {
    try {
      this.#all = await this.#conversations.list();
      this.#words = "";
      void this.#findFirstWords();
    } catch (error) {
      const failure = CallFailure.from(error);
      if (await this.#onFailure(failure)) return void this.#list();
      const isOff = failure.status === 404;
      this.#words = isOff ? this.#texts.get("shelf.off") : this.#texts.describe(failure);
    }
    this.render();
  }

  /** What was said first stands for a title where nobody gave one. */
  async #findFirstWords() {
    const untitled = this.#all.filter(({ title }) => !title).slice(0, MAX_FIRST_WORDS);
    for (const conversation of untitled) {
      if (!this.#isShown) return;
      const range = { after: 0, limit: FIRST_EVENTS };
      const page = await this.#conversations.events(conversation.id, range).catch(() => null);
      conversation.first_words = firstWordsOf(rememberedOf(page?.events ?? []));
    }
    this.render();
  }

  /** @param {string} id */
  async #open(id) {
    try {
      const [conversation, { events, hasOlder }, recordings] = await Promise.all([
        this.#conversations.detail(id),
        this.#conversations.events(id),
        this.#conversations.recordings(id).catch(() => []),
      ]);
      if (id !== this.#openId) return; // another was chosen meanwhile
      this.#events = events;
      const talk = rememberedOf(events);
      const listed = this.#all.find((it) => it.id === id)?.first_words;
      conversation.first_words = listed || (hasOlder ? "" : firstWordsOf(talk));
      this.#folio = {
        conversation,
        talk,
        recordings: inOrder(recordings),
        hasEarlier: hasOlder,
      };
      this.render();
    } catch (error) {
      const failure = CallFailure.from(error);
      if (await this.#onFailure(failure)) return void this.#open(id);
      this.#close();
      this.#words = this.#texts.describe(failure);
      this.render();
    }
  }

  #close() {
    this.#folio = null;
    this.#events = [];
    this.render();
  }

  /**
   * @param {(id: string) => Promise<void>} doing
   */
  async #do(doing) {
    if (!this.#openId) return;
    try {
      this.#folioView.complain("");
      await doing(this.#openId);
    } catch (error) {
      const failure = CallFailure.from(error);
      if (await this.#onFailure(failure)) return void this.#do(doing);
      this.#folioView.complain(this.#texts.describe(failure));
    }
  }

  /**
   * @param {string} id
   * @param {string} title
   */
  async #rename(id, title) {
    await this.#conversations.rename(id, title);
    if (this.#folio?.conversation.id === id) this.#folio.conversation.title = title;
    for (const it of this.#all) if (it.id === id) it.title = title;
    this.render();
  }

  /**
   * @param {string} id
   * @param {ExportFormat} format
   */
  async #export(id, format) {
    const blob = await this.#conversations.export(id, format);
    const title = this.#folio?.conversation.title || this.#texts.get("nav.conversations");
    saveFile(blob, `${title.replace(/[\\/:*?"<>|]/g, "-")}.${SUFFIX[format]}`);
  }

  /** @param {string} id */
  async #delete(id) {
    const isSure = await askForYes({
      title: this.#texts.get("folio.delete.title"),
      text: this.#texts.get("folio.delete.text"),
      yes: this.#texts.get("action.delete"),
    });
    if (!isSure) return;
    await this.#conversations.delete(id);
    this.#all = this.#all.filter((it) => it.id !== id);
    location.hash = "#/conversations";
  }

  /** @param {Recording} recording */
  async #deleteRecording(recording) {
    const isSure = await askForYes({
      title: this.#texts.get("player.delete.title"),
      text: this.#texts.get("player.delete.text"),
      yes: this.#texts.get("action.delete"),
    });
    if (!isSure || !this.#folio) return;
    await this.#conversations.deleteRecording(recording.id);
    const recordings = this.#folio.recordings.filter((it) => it !== recording);
    this.#folio = { ...this.#folio, recordings };
    this.render();
  }

  /** @param {string} id */
  async #readEarlier(id) {
    const before = this.#events[0]?.seq;
    const { events, hasOlder } = await this.#conversations.events(id, { before });
    if (id !== this.#openId || !this.#folio) return;
    this.#events = [...events, ...this.#events];
    // What is shown already stays the same object: its line need not be made again.
    const known = new Map(this.#folio.talk.map((it) => [it.entry.key, it]));
    const talk = rememberedOf(this.#events).map((it) => known.get(it.entry.key) ?? it);
    this.#folio = { ...this.#folio, talk, hasEarlier: hasOlder };
    this.render();
  }
}

/** @param {Recording[]} recordings the mix of each take first */
function inOrder(recordings) {
  const isVoice = (/** @type {Recording} */ it) => Number(it.track !== "mix");
  return [...recordings].sort(
    (a, b) =>
      a.started_at.localeCompare(b.started_at) ||
      isVoice(a) - isVoice(b) ||
      a.track.localeCompare(b.track),
  );
}

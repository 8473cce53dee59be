/**
 * Who is in the conversation: faces beside its title, everything else in a sheet.
 */

import { askForYes } from "./ask-dialog.js";
import { element, icon, make, setProblem, setText, sheet } from "./element.js";
import { drawQrCode } from "./qr-view.js";

/** @typedef {import("../call/messages.js").Participant} Participant */
/** @typedef {import("../call/messages.js").ClientMode} ClientMode */
/** @typedef {import("../bridge/sessions.js").ClientChange} ClientChange */
/** @typedef {import("../texts/texts.js").Texts} Texts */

const MAX_FACES = 4;
const COPIED_MS = 2_500;

/**
 * @typedef {object} People
 * @property {Participant[]} participants
 * @property {string | null} selfId
 * @property {string} name this person's own
 * @property {ClientMode} mode of this device
 * @property {boolean} mixMinus
 * @property {boolean} isLive
 */

/**
 * @typedef {object} PeopleActions
 * @property {(clientId: string, change: ClientChange) => Promise<void>} onChangeClient
 * @property {(clientId: string) => Promise<void>} onRemove
 * @property {(name: string) => void} onRename
 * @property {(mode: ClientMode) => void} onMode
 * @property {(isOn: boolean) => Promise<void>} onMixMinus
 * @property {() => Promise<{link: string, expiresAtMs: number | null}>} onInvite
 */

export class PeopleView {
  #dialog = sheet("people");
  #texts;
  #actions;
  /** @type {People | null} */ #people = null;
  /** @type {Map<string, HTMLElement>} */ #rows = new Map();
  #link = "";

  /**
   * @param {Texts} texts
   * @param {PeopleActions} actions
   */
  constructor(texts, actions) {
    this.#texts = texts;
    this.#actions = actions;
    element("people-open").onclick = () => this.#open();
    const name = element("people-name", HTMLInputElement);
    element("name-form").onsubmit = (event) => {
      event.preventDefault();
      actions.onRename(name.value.trim());
    };
    const mode = element("people-mode", HTMLSelectElement);
    mode.onchange = () => actions.onMode(/** @type {ClientMode} */ (mode.value));
    const mixMinus = element("mix-minus", HTMLInputElement);
    mixMinus.onchange = () => this.#try(actions.onMixMinus(mixMinus.checked));
    element("invite").onclick = () => this.#copy();
  }

  /** Every fixed word that is not in the HTML; after a change of language again. */
  translate() {
    setText("invite", this.#texts.get("action.copy"));
  }

  /** @param {People} people */
  render(people) {
    this.#people = people;
    const { participants, isLive } = people;
    element("people-open").hidden = !isLive;
    if (!isLive && this.#dialog.open) this.#dialog.close();
    if (!isLive) this.#link = "";
    const n = participants.length;
    const label = n > 1 ? "people.count" : "action.invite"; // alone, it is for that
    setText("people-label", this.#texts.get(label, { n }));
    this.#renderFaces(participants);
    if (this.#dialog.open) this.#renderSheet(people);
  }

  #open() {
    setProblem("people-problem", "");
    this.#dialog.showModal();
    const people = /** @type {People} */ (this.#people);
    const self = people.participants.find((it) => it.client_id === people.selfId);
    element("people-name", HTMLInputElement).value = self?.name || people.name;
    this.#renderSheet(people);
    void this.#invite();
  }

  /** @param {Participant[]} participants */
  #renderFaces(participants) {
    const faces = participants.slice(0, MAX_FACES).map((it, i) =>
      make("span", {
        class: `face face-${i % 4}`,
        text: initialOf(this.#nameOf(it, i)),
        "data-speaking": String(it.speaking === true),
      }),
    );
    const place = element("faces");
    const content = JSON.stringify(
      faces.map((face) => [face.textContent, face.dataset.speaking]),
    );
    if (place.dataset.shown === content) return;
    place.dataset.shown = content;
    place.replaceChildren(...faces);
  }

  /** @param {People} people */
  #renderSheet({ participants, mode, mixMinus, selfId }) {
    element("people-mode", HTMLSelectElement).value = mode;
    element("mix-minus", HTMLInputElement).checked = mixMinus;
    const list = element("people-list");
    const here = new Set(participants.map((it) => it.client_id));
    for (const [id, row] of this.#rows) {
      if (here.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    participants.forEach((it, i) => {
      const row = this.#rows.get(it.client_id) ?? this.#createRow(it.client_id);
      if (list.children[i] !== row) list.insertBefore(row, list.children[i] ?? null);
      this.#updateRow(row, it, i, it.client_id === selfId);
    });
  }

  /** @param {string} id */
  #createRow(id) {
    const mute = make("button", { type: "button", class: "icon-button row-mute" });
    mute.append(icon("mic"), icon("mic-off"));
    const volume = make("input", {
      type: "range",
      min: 0,
      max: 2,
      step: 0.05,
      class: "row-volume",
    });
    const kick = make("button", { type: "button", class: "icon-button row-kick" });
    kick.append(icon("leave"));
    const row = make(
      "li",
      { class: "row" },
      make("span", { class: "face" }),
      make("div", { class: "row-words" }, make("strong"), make("small")),
      volume,
      mute,
      kick,
    );
    mute.onclick = () => {
      const muted = mute.ariaPressed !== "true";
      void this.#try(this.#actions.onChangeClient(id, { muted }));
    };
    volume.onchange = () => {
      const change = { volume: Number(volume.value) };
      void this.#try(this.#actions.onChangeClient(id, change));
    };
    kick.onclick = () => this.#kick(id);
    this.#rows.set(id, row);
    return row;
  }

  /**
   * @param {HTMLElement} row
   * @param {Participant} it
   * @param {number} i
   * @param {boolean} isSelf
   */
  #updateRow(row, it, i, isSelf) {
    const texts = this.#texts;
    const name = this.#nameOf(it, i);
    const [face, words, volume, mute, kick] = /** @type {HTMLElement[]} */ ([
      ...row.children,
    ]);
    face.className = `face face-${i % 4}`;
    face.dataset.speaking = String(it.speaking === true);
    setText(face, initialOf(name));
    const isNamedYou = isSelf && it.name;
    setText(words.children[0], isNamedYou ? `${name} (${texts.get("people.you")})` : name);
    setText(words.children[1], this.#stateOf(it));
    mute.ariaPressed = String(it.muted === true);
    mute.ariaLabel = texts.get(it.muted ? "people.unmute" : "people.mute", { name });
    const slider = /** @type {HTMLInputElement} */ (volume);
    slider.ariaLabel = texts.get("people.volume", { name });
    if (document.activeElement !== slider) slider.value = String(it.volume ?? 1);
    kick.ariaLabel = texts.get("people.kick", { name });
    kick.hidden = isSelf;
    mute.hidden = isSelf; // there is a large button for that
  }

  /** @param {Participant} it */
  #stateOf(it) {
    const parts = [];
    if (it.speaking) parts.push(this.#texts.get("people.speaking"));
    if (it.mode === "listen") parts.push(this.#texts.get("people.listens"));
    if (it.mode === "speak") parts.push(this.#texts.get("people.speaks"));
    if (it.muted && it.mode !== "listen") parts.push(this.#texts.get("people.muted"));
    return parts.join(" · ");
  }

  /**
   * @param {Participant} it
   * @param {number} i
   */
  #nameOf(it, i) {
    if (it.name) return it.name;
    if (it.client_id === this.#people?.selfId) return this.#texts.get("people.you");
    return this.#texts.get("people.guest", { n: i + 1 });
  }

  /** @param {string} id */
  async #kick(id) {
    const participants = this.#people?.participants ?? [];
    const i = participants.findIndex((it) => it.client_id === id);
    if (i < 0) return;
    const name = this.#nameOf(participants[i], i);
    const isSure = await askForYes({
      title: this.#texts.get("people.kick.title", { name }),
      text: this.#texts.get("people.kick.text"),
      yes: this.#texts.get("people.kick.yes"),
    });
    if (isSure) await this.#try(this.#actions.onRemove(id));
  }

  async #invite() {
    const { link, expiresAtMs } = await this.#actions.onInvite();
    this.#link = link;
    drawQrCode(element("qr"), link);
    const { hostname } = new URL(link);
    const isLocal = /^(localhost|127\.|\[::1\])/.test(hostname);
    const until = expiresAtMs
      ? this.#texts.get("invite.until", { time: this.#texts.moment(expiresAtMs) })
      : "";
    const warning = isLocal
      ? this.#texts.get("invite.local", { host: location.host })
      : until;
    setProblem("invite-warning", warning);
  }

  async #copy() {
    if (!this.#link) await this.#invite();
    try {
      await navigator.clipboard.writeText(this.#link);
    } catch {
      return; // not allowed here: the code can still be scanned
    }
    setText("invite", this.#texts.get("action.invited"));
    setTimeout(() => this.translate(), COPIED_MS);
  }

  /** @param {Promise<void>} doing */
  async #try(doing) {
    try {
      await doing;
      setProblem("people-problem", "");
    } catch (error) {
      const failure = /** @type {{code: string, message: string}} */ (error);
      setProblem("people-problem", this.#texts.describe(failure));
    }
  }
}

/** @param {string} name */
function initialOf(name) {
  return ([...name.trim()][0] ?? "?").toUpperCase();
}

/**
 * The settings dialog: shows what is chosen, reports what is changed.
 */

import { element, sheet } from "./element.js";

/** @typedef {import("../settings.js").Settings} Settings */
/** @typedef {import("../audio/device-list.js").DeviceList} DeviceList */
/** @typedef {import("../texts/texts.js").Texts} Texts */

const SWITCHES = /** @type {const} */ ([
  "pushToTalk",
  "startMuted",
  "echoCancellation",
  "noiseSuppression",
  "autoGainControl",
]);

const CHOICES = /** @type {const} */ (["mode", "leg"]);

export class SettingsView {
  #dialog = sheet("settings");
  #name = element("setting-name", HTMLInputElement);
  #microphone = element("setting-microphoneId", HTMLSelectElement);
  #speaker = element("setting-speakerId", HTMLSelectElement);

  /**
   * @param {object} actions
   * @param {(change: Partial<Settings>) => void} actions.onChange
   * @param {() => void} actions.onOpen
   * @param {() => void} actions.onClose
   */
  constructor({ onChange, onOpen, onClose }) {
    element("settings-open").onclick = () => {
      onOpen();
      this.#dialog.showModal();
    };
    this.#dialog.onclose = onClose;
    this.#name.onchange = () => onChange({ name: this.#name.value.trim() });
    for (const name of CHOICES) {
      const select = element(`setting-${name}`, HTMLSelectElement);
      select.onchange = () => onChange({ [name]: select.value });
    }
    this.#microphone.onchange = () =>
      onChange({ microphoneId: this.#microphone.value });
    this.#speaker.onchange = () => onChange({ speakerId: this.#speaker.value });
    for (const name of SWITCHES) {
      const box = element(`setting-${name}`, HTMLInputElement);
      box.onchange = () => onChange({ [name]: box.checked });
    }
  }

  get isOpen() {
    return this.#dialog.open;
  }

  /**
   * @param {Settings} settings
   * @param {DeviceList} devices
   * @param {Texts} texts
   */
  render(settings, devices, texts) {
    const usual = texts.get("settings.default");
    fill(this.#microphone, devices.microphones, settings.microphoneId, usual);
    fill(this.#speaker, devices.speakers, settings.speakerId, usual);
    if (document.activeElement !== this.#name) this.#name.value = settings.name;
    for (const name of CHOICES) {
      element(`setting-${name}`, HTMLSelectElement).value = settings[name];
    }
    element("speaker-choice").hidden = devices.speakers.length === 0;
    for (const name of SWITCHES) {
      element(`setting-${name}`, HTMLInputElement).checked = settings[name];
    }
  }
}

/**
 * @param {HTMLSelectElement} select
 * @param {{id: string, label: string}[]} devices
 * @param {string} chosen
 * @param {string} usual the words for "whatever the system uses"
 */
function fill(select, devices, chosen, usual) {
  const options = [{ id: "", label: usual }, ...devices];
  const value = options.some(({ id }) => id === chosen) ? chosen : "";
  const shown = JSON.stringify([options, value]);
  if (select.dataset.shown === shown) return; // it may be open under a finger
  select.dataset.shown = shown;
  select.replaceChildren(...options.map(({ id, label }) => new Option(label, id)));
  select.value = value;
}

/**
 * The settings dialog: shows what is chosen, reports what is changed.
 */

import { element } from "./element.js";

/** @typedef {import("../settings.js").Settings} Settings */
/** @typedef {import("../audio/device-list.js").DeviceList} DeviceList */
/** @typedef {import("../texts/texts.js").Texts} Texts */

const SWITCHES = /** @type {const} */ ([
  "pushToTalk",
  "echoCancellation",
  "noiseSuppression",
  "autoGainControl",
]);

export class SettingsView {
  #dialog = element("settings", HTMLDialogElement);
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
    element("settings-close").onclick = () => this.#dialog.close();
    this.#dialog.onclose = onClose;
    this.#dialog.onclick = (event) => {
      if (event.target === this.#dialog) this.#dialog.close(); // beside it
    };
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

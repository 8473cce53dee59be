/**
 * What a person has chosen on this device. Pure, but for the storage it is given.
 */

/**
 * @typedef {object} Settings
 * @property {string} microphoneId "" is the system's default
 * @property {string} speakerId "" is the system's default
 * @property {boolean} echoCancellation
 * @property {boolean} noiseSuppression
 * @property {boolean} autoGainControl
 * @property {boolean} pushToTalk heard only while a key or button is held
 * @property {boolean} startMuted a call begins with the microphone muted
 * @property {"auto" | "pcm16" | "opus" | "track"} leg how audio travels
 * @property {import("./call/messages.js").ClientMode} mode what this device is for
 * @property {string} name how this person is shown to the others; "" leaves it open
 */

/** @type {Settings} */
export const DEFAULT_SETTINGS = {
  microphoneId: "",
  speakerId: "",
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
  pushToTalk: false,
  startMuted: false,
  leg: "auto",
  mode: "both",
  name: "",
};

/** @type {Record<string, readonly string[]>} settings that are one of few words */
export const CHOICES = {
  leg: ["auto", "pcm16", "opus", "track"],
  mode: ["both", "listen", "speak"],
};

const STORAGE_KEY = "voicebridge.settings";

/**
 * @param {Pick<Storage, "getItem">} storage
 * @param {Partial<Settings>} [usualHere] defaults of this kind of device
 * @returns {Settings} what was saved, where it is of the right kind; else the defaults
 */
export function loadSettings(storage, usualHere = {}) {
  let saved;
  try {
    saved = JSON.parse(storage.getItem(STORAGE_KEY) ?? "{}");
  } catch {
    saved = {};
  }
  const defaults = { ...DEFAULT_SETTINGS, ...usualHere };
  const entries = Object.entries(defaults).map(([name, usual]) => {
    const value = saved?.[name];
    const isKnown = CHOICES[name]?.includes(value) ?? typeof value === typeof usual;
    return [name, isKnown ? value : usual];
  });
  return Object.fromEntries(entries);
}

/**
 * @param {Settings} settings
 * @param {Pick<Storage, "setItem">} storage
 */
export function saveSettings(settings, storage) {
  storage.setItem(STORAGE_KEY, JSON.stringify(settings));
}

/**
 * @param {Settings} settings
 * @returns {MediaTrackConstraints} a device that has gone does not stand in the way
 */
export function microphoneConstraints(settings) {
  const { microphoneId, echoCancellation, noiseSuppression, autoGainControl } =
    settings;
  return {
    ...(microphoneId && { deviceId: { ideal: microphoneId } }),
    channelCount: 1,
    echoCancellation,
    noiseSuppression,
    autoGainControl,
  };
}

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
 */

/** @type {Settings} */
export const DEFAULT_SETTINGS = {
  microphoneId: "",
  speakerId: "",
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
  pushToTalk: false,
};

const STORAGE_KEY = "voicebridge.settings";

/**
 * @param {Pick<Storage, "getItem">} storage
 * @returns {Settings} what was saved, where it is of the right kind; else the defaults
 */
export function loadSettings(storage) {
  let saved;
  try {
    saved = JSON.parse(storage.getItem(STORAGE_KEY) ?? "{}");
  } catch {
    saved = {};
  }
  const entries = Object.entries(DEFAULT_SETTINGS).map(([name, usual]) => {
    const value = saved?.[name];
    return [name, typeof value === typeof usual ? value : usual];
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

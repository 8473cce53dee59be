/**
 * Which microphones and loudspeakers there are.
 */

/**
 * @typedef {object} DeviceList
 * @property {{id: string, label: string}[]} microphones
 * @property {{id: string, label: string}[]} speakers empty where a page cannot choose
 */

/**
 * @returns {Promise<DeviceList>} with labels only once the microphone was allowed;
 *   empty where the browser gives none
 */
export async function listDevices() {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  const canChooseSpeaker = "setSinkId" in AudioContext.prototype;
  return {
    microphones: ofKind(all, "audioinput"),
    speakers: canChooseSpeaker ? ofKind(all, "audiooutput") : [],
  };
}

/**
 * @param {() => void} onChange something was plugged in or out
 */
export function watchDevices(onChange) {
  navigator.mediaDevices?.addEventListener("devicechange", onChange);
}

/**
 * @param {MediaDeviceInfo[]} all
 * @param {MediaDeviceKind} kind
 */
function ofKind(all, kind) {
  return all
    .filter((device) => device.kind === kind && device.deviceId && device.label)
    .filter((device) => device.deviceId !== "default") // our own first choice says it
    .map((device) => ({ id: device.deviceId, label: device.label }));
}

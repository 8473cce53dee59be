/**
 * The page's one AudioContext, at the rate of the wire, with both worklets loaded.
 */

import { CallFailure } from "../call/failures.js";

export const SAMPLE_RATE_HZ = 24000;

const WORKLETS = ["capture-processor.js", "playout-processor.js"];

/**
 * Open it. Call this inside a click: browsers allow sound only then.
 *
 * @returns {Promise<AudioContext>} running; the caller closes it
 * @throws {CallFailure} audio_unsupported
 */
export async function openAudioContext() {
  /** @type {AudioContext | undefined} */
  let context;
  try {
    context = new AudioContext({
      sampleRate: SAMPLE_RATE_HZ,
      latencyHint: "interactive",
    });
    const { audioWorklet } = context;
    await Promise.all([
      context.resume(),
      ...WORKLETS.map((name) => audioWorklet.addModule(new URL(name, import.meta.url))),
    ]);
    return context;
  } catch (cause) {
    void context?.close();
    throw new CallFailure("audio_unsupported", { cause });
  }
}

/**
 * Give a worklet node a line for PCM frames that any thread may hold the other end of.
 *
 * @param {AudioWorkletNode} node
 * @returns {MessagePort} the other end
 */
export function openFramePort(node) {
  const { port1, port2 } = new MessageChannel();
  node.port.postMessage({ type: "frames", port: port1 }, [port1]);
  return port2;
}

/**
 * Records both ends of a call inside the page, for measuring and for bug reports.
 */

export class Recorder {
  #node;

  /**
   * @param {BaseAudioContext} context
   * @param {AudioNode} microphone
   * @param {AudioNode} speaker
   * @returns {Promise<Recorder>} recording; the last minute is kept
   */
  static async open(context, microphone, speaker) {
    const url = new URL("recorder-processor.js", import.meta.url);
    await context.audioWorklet.addModule(url);
    return new Recorder(context, microphone, speaker);
  }

  /**
   * @param {BaseAudioContext} context
   * @param {AudioNode} microphone
   * @param {AudioNode} speaker
   */
  constructor(context, microphone, speaker) {
    this.#node = new AudioWorkletNode(context, "voicebridge-recorder", {
      numberOfInputs: 2,
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    microphone.connect(this.#node, 0, 0);
    speaker.connect(this.#node, 0, 1);
  }

  /**
   * What was recorded so far.
   *
   * @returns {Promise<{microphone: Float32Array, speaker: Float32Array}>} of equal
   *   length, on one clock, at the context's rate
   */
  take() {
    const { port } = this.#node;
    return new Promise((resolve) => {
      port.onmessage = ({ data }) => resolve(data);
      port.postMessage({ type: "take" });
    });
  }

  close() {
    this.#node.port.postMessage({ type: "close" });
  }
}

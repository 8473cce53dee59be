/**
 * Worklet: PCM16 frames in by a handed-over port, an even mono stream out.
 *
 * The node's own port takes `{type: "frames", port}`, `{type: "flush"}` and
 * `{type: "close"}`, and gives level readings with the buffer's statistics.
 */

import { LevelMeter } from "./level.js";
import { PlayoutBuffer } from "./playout-buffer.js";

const READING_EVERY_BLOCKS = 4; // 21 ms at 24 kHz

class PlayoutProcessor extends AudioWorkletProcessor {
  /** @type {PlayoutBuffer} */ #buffer;
  #meter = new LevelMeter();
  #nBlocks = 0;
  #running = true;

  /** @param {AudioWorkletNodeOptions} options */
  constructor(options) {
    super();
    this.#buffer = new PlayoutBuffer({
      ...options.processorOptions,
      rateHz: sampleRate,
    });
    this.port.onmessage = ({ data }) => {
      if (data.type === "frames") this.#listen(data.port);
      if (data.type === "flush") this.#buffer.flush();
      if (data.type === "close") this.#running = false;
    };
  }

  /** @param {MessagePort} port carries ArrayBuffers of PCM16 */
  #listen(port) {
    port.onmessage = ({ data }) => {
      this.#buffer.push(new Int16Array(data, 0, data.byteLength >> 1));
    };
  }

  /**
   * @param {Float32Array[][]} _inputs
   * @param {Float32Array[][]} outputs
   */
  process(_inputs, outputs) {
    const block = outputs[0][0];
    this.#buffer.pull(block);
    this.#meter.add(block);
    if (++this.#nBlocks % READING_EVERY_BLOCKS === 0) {
      this.port.postMessage({
        type: "level",
        ...this.#meter.take(),
        stats: this.#buffer.stats(),
      });
    }
    return this.#running;
  }
}

registerProcessor("voicebridge-playout", PlayoutProcessor);

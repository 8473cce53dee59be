/**
 * Worklet: microphone blocks in, 20 ms PCM16 frames and level readings out.
 *
 * Frames leave by a port that the page hands over with `{type: "frames", port}`, so
 * that they can go straight to the worker that owns the data channel. Readings leave
 * by the node's own port. Until the port is there nothing is kept: old microphone
 * audio is worth nothing.
 */

import { Framer } from "./framer.js";
import { LevelMeter } from "./level.js";

const READING_EVERY_BLOCKS = 4; // 21 ms at 24 kHz

class CaptureProcessor extends AudioWorkletProcessor {
  #framer = new Framer();
  #meter = new LevelMeter();
  #nBlocks = 0;
  #running = true;
  /** @type {MessagePort | null} */ #frames = null;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      if (data.type === "frames") this.#frames = data.port;
      if (data.type === "close") this.#running = false;
    };
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const block = inputs[0][0];
    if (block === undefined) return this.#running; // no source connected at present
    this.#meter.add(block);
    this.#framer.push(block, (frame) => {
      this.#frames?.postMessage(frame.buffer, [frame.buffer]);
    });
    if (++this.#nBlocks % READING_EVERY_BLOCKS === 0) {
      this.port.postMessage({ type: "level", ...this.#meter.take() });
    }
    return this.#running;
  }
}

registerProcessor("voicebridge-capture", CaptureProcessor);

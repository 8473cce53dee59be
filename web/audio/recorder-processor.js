/**
 * Worklet: keeps the last minute of the microphone (input 0) and of what is played
 * (input 1), block by block on one clock. `{type: "take"}` is answered with both as
 * Float32Arrays of equal length. Loaded only when somebody looks into a call.
 */

const BLOCK = 128;
const MAX_BLOCKS = Math.ceil((60 * sampleRate) / BLOCK);
const SILENCE = new Float32Array(BLOCK);

class RecorderProcessor extends AudioWorkletProcessor {
  /** @type {Float32Array[][]} */ #sides = [[], []];
  #running = true;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      if (data.type === "close") this.#running = false;
      if (data.type !== "take") return;
      const [microphone, speaker] = this.#sides.map(joined);
      const parts = { microphone, speaker };
      this.port.postMessage(parts, [microphone.buffer, speaker.buffer]);
    };
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    this.#sides.forEach((blocks, i) => {
      blocks.push(inputs[i][0]?.slice() ?? SILENCE);
      if (blocks.length > MAX_BLOCKS) blocks.shift();
    });
    return this.#running;
  }
}

/** @param {Float32Array[]} blocks */
function joined(blocks) {
  const all = new Float32Array(blocks.length * BLOCK);
  blocks.forEach((block, i) => all.set(block, i * BLOCK));
  return all;
}

registerProcessor("voicebridge-recorder", RecorderProcessor);

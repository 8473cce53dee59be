/**
 * Cuts a stream of float blocks into equal PCM16 frames. Pure.
 */

/** 20 ms at 24 kHz: what the bridge mixes in one tick. */
export const FRAME_SAMPLES = 480;

export class Framer {
  #frame;
  #filled = 0;

  /** @param {number} frameSamples samples in each frame that `push` hands out */
  constructor(frameSamples = FRAME_SAMPLES) {
    this.frameSamples = frameSamples;
    this.#frame = new Int16Array(frameSamples);
  }

  /**
   * Take a block and hand out every frame it completes.
   *
   * @param {Float32Array} block mono samples; beyond -1..1 they are clipped
   * @param {(frame: Int16Array) => void} emit gets a frame it may keep and transfer
   */
  push(block, emit) {
    for (const sample of block) {
      this.#frame[this.#filled++] = floatToPcm16(sample);
      if (this.#filled === this.frameSamples) {
        emit(this.#frame);
        this.#frame = new Int16Array(this.frameSamples);
        this.#filled = 0;
      }
    }
  }
}

/**
 * @param {number} sample
 * @returns {number} integer in -32768..32767; 32768 steps per unit on both sides,
 *   as the playout side divides, so that a value survives the round trip exactly
 */
export function floatToPcm16(sample) {
  const scaled = Math.round(sample * 32768);
  return scaled > 32767 ? 32767 : scaled < -32768 ? -32768 : scaled;
}

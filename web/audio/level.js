/**
 * Levels of mono float audio. Pure: runs in the worklets, the page and Node.
 */

/** Level of digital silence, and the lowest value any function here returns. */
export const SILENCE_DBFS = -96;

/** Levels at or below this are drawn as nothing: room noise, not speech. */
const METER_FLOOR_DBFS = -60;

/**
 * Accumulates blocks into one RMS and peak reading.
 */
export class LevelMeter {
  #sumOfSquares = 0;
  #peak = 0;
  #nSamples = 0;

  /** @param {Float32Array} block samples in -1..1, any length */
  add(block) {
    for (const sample of block) {
      this.#sumOfSquares += sample * sample;
      const magnitude = Math.abs(sample);
      if (magnitude > this.#peak) this.#peak = magnitude;
    }
    this.#nSamples += block.length;
  }

  /**
   * Read the level since the last call and begin anew.
   *
   * @returns {{rmsDbfs: number, peakDbfs: number}} in dB below a full-scale
   *   square wave (a full-scale sine reads -3.01); silence when nothing was added
   */
  take() {
    const rms = this.#nSamples ? Math.sqrt(this.#sumOfSquares / this.#nSamples) : 0;
    const reading = {
      rmsDbfs: amplitudeToDbfs(rms),
      peakDbfs: amplitudeToDbfs(this.#peak),
    };
    this.#sumOfSquares = 0;
    this.#peak = 0;
    this.#nSamples = 0;
    return reading;
  }
}

/**
 * @param {number} amplitude 1 is full scale
 * @returns {number} dBFS, never below SILENCE_DBFS
 */
export function amplitudeToDbfs(amplitude) {
  return amplitude > 0
    ? Math.max(SILENCE_DBFS, 20 * Math.log10(amplitude))
    : SILENCE_DBFS;
}

/**
 * How much of a meter a level fills, on a scale that matches hearing.
 *
 * @param {number} dbfs
 * @returns {number} 0 (at -60 dBFS or less) to 1 (at 0 dBFS)
 */
export function dbfsToMeter(dbfs) {
  return Math.min(1, Math.max(0, 1 - dbfs / METER_FLOOR_DBFS));
}

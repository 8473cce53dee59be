/**
 * Halves the rate of a stream, block by block, without seams. Pure.
 *
 * A windowed-sinc half-band filter: flat to 10 kHz at 48 kHz in; 0.65 ms of delay.
 */

const TAPS = 63;
const CENTRE = (TAPS - 1) / 2;

/** Every second tap of such a filter is zero, but for the middle one, which is 1/2. */
const ODD_TAPS = oddTaps();

export class HalfBand {
  #tail = new Float32Array(TAPS - 1);

  /**
   * @param {Float32Array} samples an even number of them, -1..1
   * @returns {Int16Array} half as many
   */
  halve(samples) {
    const n = samples.length;
    const padded = new Float32Array(TAPS - 1 + n);
    padded.set(this.#tail);
    padded.set(samples, TAPS - 1);
    this.#tail = padded.slice(n);
    const out = new Int16Array(n >> 1);
    for (let i = 0; i < out.length; i++) {
      const at = 2 * i;
      let sum = 0.5 * padded[at + CENTRE];
      for (let k = 0; k < ODD_TAPS.length; k++) sum += ODD_TAPS[k] * padded[at + 2 * k];
      out[i] = Math.max(-32768, Math.min(32767, Math.round(sum * 32768)));
    }
    return out;
  }
}

function oddTaps() {
  const taps = new Float32Array((TAPS + 1) / 2);
  let sum = 0;
  for (let k = 0; k < taps.length; k++) {
    const x = (2 * k - CENTRE) / 2;
    const window = 0.5 + 0.5 * Math.cos((Math.PI * (2 * k - CENTRE)) / (CENTRE + 1));
    taps[k] = (0.5 * Math.sin(Math.PI * x) * window) / (Math.PI * x);
    sum += taps[k];
  }
  return taps.map((tap) => (tap * 0.5) / sum);
}

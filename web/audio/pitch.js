/**
 * Where a voice repeats itself: the place to cut it unheard. Pure.
 */

/**
 * @typedef {object} Repetition
 * @property {number} lag distance to the sound most like the one here, in samples
 * @property {number} likeness normalised correlation with it, -1..1
 * @property {number} rms of the sound here, 1 is full scale
 */

/**
 * Find the pitch period at a place in a stream.
 *
 * @param {(offset: number) => number} at sample at an offset from here, -1..1
 * @param {object} range in samples
 * @param {number} range.length how much is compared
 * @param {number} range.minLag
 * @param {number} range.maxLag
 * @param {1 | -1} range.direction +1 compares with what comes later, -1 with the past
 * @returns {Repetition}
 */
export function findRepetition(at, { length, minLag, maxLag, direction }) {
  const here = new Float32Array(length);
  let energy = 1e-9;
  for (let i = 0; i < length; i++) {
    here[i] = at(i);
    energy += here[i] * here[i];
  }
  let best = { lag: maxLag, likeness: -1, rms: Math.sqrt(energy / length) };
  for (let lag = minLag; lag <= maxLag; lag++) {
    let product = 0;
    let there = 1e-9;
    for (let i = 0; i < length; i += 2) {
      const other = at(direction * lag + i);
      product += here[i] * other;
      there += other * other;
    }
    const likeness = product / Math.sqrt((energy / 2) * there);
    if (likeness > best.likeness) best = { ...best, lag, likeness };
  }
  return best;
}

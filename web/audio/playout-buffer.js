/**
 * The playout buffer: turns frames that arrive when they like into an even stream.
 *
 * Pure (no Web Audio), so that the worklet and the tests run the same code. One
 * idea carries all of it: every discontinuity is a *splice*, in which the audio
 * about to be left fades out (the "tail") while the audio being joined fades in.
 *
 * - It starts when `target` samples are waiting, so that the usual jitter is covered.
 * - It watches the least it ever held during a window. What is there all the time is
 *   delay nobody needs: one pitch period at a time is spliced out until it is gone. A
 *   buffer that nearly ran dry (loss, a slow sender clock) is filled up the same way.
 * - It never holds more than `max`: beyond that the oldest audio goes, at once.
 * - When it runs dry in mid-word it lets the last sound die away, goes on with what
 *   comes next, and asks for a larger target for a while.
 *
 * So a burst or a stall costs a moment and never stays as delay.
 *
 * Books are kept: `pushed + stretched = played + skipped + flushed + buffered`.
 */

import { amplitudeToDbfs } from "./level.js";
import { findRepetition } from "./pitch.js";

const SPLICE_MS = 5;
const TAIL_MS = 10;
const WINDOW_MS = 400;
const SPARE_MS = 6; // more than this too much, in every window of the last few: remove
const SPARE_WINDOWS = 4;
const FAR_TOO_MUCH_MS = 30; // does not wait for more evidence
const NEARLY_DRY_MS = 4;
const QUIET_DBFS = -48;
const MIN_LAG_MS = 2.5; // 400 Hz
const MAX_LAG_MS = 12.5; // 80 Hz
const CORRELATION_MS = 10;
const SPLICE_EVERY_MS = 40; // at most a quarter of the audio is removed
const WANTED_LIKENESS = 0.9;
const PATIENCE_MS = 500; // after this any place will do
const STALL_MS = 500; // a longer pause is the end of an answer, not a stall
const RESUME_MS = 10;
const FLUSH_HOLD_OFF_MS = 40; // frames sent before the flush may arrive after it
const TARGET_STEP_MS = 20;
const TARGET_DECAY_MS = 8000;

/**
 * @typedef {object} PlayoutOptions
 * @property {number} rateHz
 * @property {number} targetMs wanted waiting time of a sample, before adapting
 * @property {number} maxTargetMs the most the target may grow to after underruns
 * @property {number} maxMs bound of the buffer
 */

/** @type {PlayoutOptions} */
export const DEFAULT_PLAYOUT = {
  rateHz: 24000,
  targetMs: 40,
  maxTargetMs: 120,
  maxMs: 200,
};

/**
 * @typedef {object} PlayoutStats counts in samples, except where the name says otherwise
 * @property {number} bufferedMs
 * @property {number} targetMs
 * @property {number} pushed
 * @property {number} played
 * @property {number} skipped dropped to catch up or to stay within the bound
 * @property {number} stretched played twice to fall back to the target
 * @property {number} flushed thrown away by `flush`
 * @property {number} concealed output made up because nothing was there in mid-sound
 * @property {number} underruns
 * @property {number} overflows
 */

export class PlayoutBuffer {
  /** @type {Float32Array} */ #ring;
  #write = 0; // absolute sample counts; index = count % ring length
  #read = 0;
  #clock = 0; // samples pulled so far: the only time there is

  #playing = false;
  #waitingSince = 0;
  #startLevel = 0; // samples that must wait before playing begins

  /** @type {Float32Array} */ #tail = new Float32Array(0);
  #tailAt = 0;
  #fadeIn = 0;
  #fadeInAt = 0;

  #windowEnd = 0;
  #windowMin = Infinity;
  #frame = 0; // largest push of this window: the sender's frame
  #correction = 0; // samples to remove (> 0) or to add (< 0)
  /** @type {number[]} */ #pastMins = [];
  #nextSplice = 0;

  #starvedAt = -Infinity;
  #starvedInSound = false;
  #holdOffUntil = -Infinity;
  #targetDecayAt = 0;

  #counts = {
    pushed: 0,
    played: 0,
    skipped: 0,
    stretched: 0,
    flushed: 0,
    concealed: 0,
    underruns: 0,
    overflows: 0,
  };

  /** @param {Partial<PlayoutOptions>} options */
  constructor(options = {}) {
    const { rateHz, targetMs, maxTargetMs, maxMs } = { ...DEFAULT_PLAYOUT, ...options };
    if (!(targetMs <= maxTargetMs && maxTargetMs < maxMs)) {
      throw new RangeError("expected targetMs <= maxTargetMs < maxMs");
    }
    this.rateHz = rateHz;
    this.baseTarget = this.#samples(targetMs);
    this.maxTarget = this.#samples(maxTargetMs);
    this.max = this.#samples(maxMs);
    this.target = this.baseTarget;
    this.#startLevel = this.target;
    // Room behind the read position, for the lags that stretching looks back.
    this.history = this.#samples(MAX_LAG_MS + CORRELATION_MS);
    this.#ring = new Float32Array(this.max + this.history);
  }

  /** Samples waiting. */
  get buffered() {
    return this.#write - this.#read;
  }

  /**
   * Take what arrived.
   *
   * @param {Int16Array} pcm mono samples at `rateHz`, any length
   */
  push(pcm) {
    this.#counts.pushed += pcm.length;
    if (this.#clock < this.#holdOffUntil) {
      this.#counts.flushed += pcm.length;
      return;
    }
    this.#noteArrival(pcm.length);
    let from = 0;
    const over = this.buffered + pcm.length - this.max;
    if (over > 0) {
      this.#counts.overflows++;
      const surplus = this.buffered + pcm.length - this.target;
      const fromBuffer = Math.min(surplus, this.buffered);
      this.#skip(fromBuffer, this.#samples(SPLICE_MS));
      from = surplus - fromBuffer;
      this.#counts.skipped += from;
      this.#resetWindow();
    }
    for (let i = from; i < pcm.length; i++) {
      this.#ring[this.#write++ % this.#ring.length] = pcm[i] / 32768;
    }
  }

  /**
   * Fill `out` with the next samples to play; silence where there are none.
   *
   * @param {Float32Array} out
   */
  pull(out) {
    if (!this.#playing) this.#maybeStart();
    if (this.#playing) this.#correct();
    const n = this.#playing ? Math.min(out.length, this.buffered) : 0;
    for (let i = 0; i < n; i++) out[i] = this.#at(this.#read + i) * this.#fadeInGain();
    out.fill(0, n);
    this.#read += n;
    this.#counts.played += n;
    if (this.#playing && n < out.length) this.#starve();
    this.#mixTail(out, n);
    this.#clock += out.length;
    if (this.#playing) this.#observe();
  }

  /** Empty at once, letting the sound under way fade out over a few milliseconds. */
  flush() {
    if (this.#playing)
      this.#fadeAway(Math.min(this.#samples(SPLICE_MS), this.buffered));
    this.#counts.flushed += this.buffered;
    this.#read = this.#write;
    this.#playing = false;
    this.#starvedInSound = false;
    this.#holdOffUntil = this.#clock + this.#samples(FLUSH_HOLD_OFF_MS);
  }

  /** @returns {PlayoutStats} */
  stats() {
    return {
      bufferedMs: (this.buffered * 1000) / this.rateHz,
      targetMs: (this.target * 1000) / this.rateHz,
      ...this.#counts,
    };
  }

  // --- starting and running dry ------------------------------------------------

  #maybeStart() {
    if (this.buffered === 0) {
      this.#waitingSince = this.#clock;
      return;
    }
    // The second condition lets an answer shorter than the target be heard too.
    const waited = this.#clock - this.#waitingSince;
    if (this.buffered < this.#startLevel && waited < 2 * this.target) return;
    this.#playing = true;
    this.#beginFadeIn(this.#samples(SPLICE_MS) / 2);
    this.#resetWindow();
  }

  /** The last sound goes on, mirrored in time, and dies away. */
  #starve() {
    const length = this.#samples(TAIL_MS);
    const tail = new Float32Array(length);
    let energy = 0;
    for (let i = 0; i < length; i++) {
      const sample = this.#at(this.#read - 1 - i);
      tail[i] = sample * fadeOutGain(i, length);
      energy += sample * sample;
    }
    this.#tail = tail;
    this.#tailAt = 0;
    this.#playing = false;
    this.#waitingSince = this.#clock;
    this.#starvedAt = this.#clock;
    this.#starvedInSound = amplitudeToDbfs(Math.sqrt(energy / length)) > QUIET_DBFS;
  }

  /** @param {number} n samples in the frame that arrived */
  #noteArrival(n) {
    this.#frame = Math.max(this.#frame, n);
    if (this.#playing || this.buffered > 0) return;
    const gap = this.#clock - this.#starvedAt;
    if (!this.#starvedInSound || gap > this.#samples(STALL_MS)) {
      this.#startLevel = this.target;
      return;
    }
    // In mid-word: go on at once. The wait itself was the delay that was missing.
    this.#startLevel = this.#samples(RESUME_MS);
    this.#counts.underruns++;
    this.#counts.concealed += gap;
    const step = Math.min(
      Math.max(gap, this.#samples(TARGET_STEP_MS / 4)),
      this.#frame,
    );
    this.target = Math.min(this.maxTarget, this.target + step);
    this.#targetDecayAt = this.#clock + this.#samples(TARGET_DECAY_MS);
  }

  // --- holding the target ------------------------------------------------------

  #resetWindow() {
    this.#windowEnd = this.#clock + this.#samples(WINDOW_MS);
    this.#windowMin = Infinity;
    this.#pastMins = [];
    this.#correction = 0;
  }

  #observe() {
    this.#windowMin = Math.min(this.#windowMin, this.buffered);
    if (this.#clock < this.#windowEnd) return;
    this.#pastMins = [this.#windowMin, ...this.#pastMins].slice(0, SPARE_WINDOWS);
    const wanted = this.#wantedCorrection();
    if (wanted !== 0 && this.#correction === 0) this.#nextSplice = this.#clock;
    this.#correction = wanted;
    this.#windowEnd = this.#clock + this.#samples(WINDOW_MS);
    this.#windowMin = Infinity;
    this.#frame = 0;
    this.#decayTarget();
  }

  /** Samples to remove, or with a minus to add, going by the windows so far. */
  #wantedCorrection() {
    // With frames of 20 ms the level swings by 20 ms below the target.
    const reserve = Math.max(this.target - this.#frame, this.target / 4);
    const spare = Math.min(...this.#pastMins) - reserve;
    const isSettled = this.#pastMins.length === SPARE_WINDOWS;
    if (isSettled && spare > this.#samples(SPARE_MS)) return spare;
    const spareNow = this.#windowMin - reserve;
    if (spareNow > this.#samples(FAR_TOO_MUCH_MS)) return spareNow;
    return this.#windowMin < this.#samples(NEARLY_DRY_MS) ? spareNow : 0;
  }

  #decayTarget() {
    if (this.target === this.baseTarget || this.#clock < this.#targetDecayAt) return;
    const lower = this.target - this.#samples(TARGET_STEP_MS / 4);
    this.target = Math.max(this.baseTarget, lower);
    this.#targetDecayAt = this.#clock + this.#samples(TARGET_DECAY_MS / 8);
  }

  #correct() {
    if (this.#correction === 0 || this.#clock < this.#nextSplice) return;
    if (this.#tailAt < this.#tail.length || this.#fadeInAt < this.#fadeIn) return;
    const direction = this.#correction > 0 ? 1 : -1;
    const lookAhead = direction > 0 ? MAX_LAG_MS + CORRELATION_MS : MAX_LAG_MS;
    if (this.buffered < this.#samples(lookAhead)) return;
    const { lag, likeness, rms } = findRepetition((i) => this.#at(this.#read + i), {
      length: this.#samples(CORRELATION_MS),
      minLag: this.#samples(MIN_LAG_MS),
      maxLag: this.#samples(MAX_LAG_MS),
      direction,
    });
    // Speech is cut where it repeats itself; if it does not, a little later anyway.
    const patience = (this.#clock - this.#nextSplice) / this.#samples(PATIENCE_MS);
    const isQuiet = amplitudeToDbfs(rms) < QUIET_DBFS;
    if (!isQuiet && likeness < WANTED_LIKENESS - patience) return;
    if (direction > 0) this.#skip(lag, lag);
    else this.#repeat(lag);
    const rest = this.#correction - direction * lag;
    this.#correction = Math.sign(rest) === direction ? rest : 0;
    this.#nextSplice = this.#clock + this.#samples(SPLICE_EVERY_MS);
  }

  // --- splices -----------------------------------------------------------------

  /**
   * Leave out the next `n` samples.
   *
   * @param {number} n
   * @param {number} fade length of the cross-fade, in samples
   */
  #skip(n, fade) {
    if (this.#playing) {
      this.#fadeAway(Math.min(fade, n));
      this.#beginFadeIn(fade);
    }
    this.#read += n;
    this.#counts.skipped += n;
  }

  /** @param {number} n samples to play once more */
  #repeat(n) {
    this.#fadeAway(n);
    this.#beginFadeIn(n);
    this.#read -= n;
    this.#counts.stretched += n;
  }

  /** @param {number} n waiting samples that become the tail */
  #fadeAway(n) {
    const tail = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      tail[i] = this.#at(this.#read + i) * fadeOutGain(i, n);
    }
    for (let i = 0; this.#tailAt < this.#tail.length && i < n; i++) {
      tail[i] += this.#tail[this.#tailAt++];
    }
    this.#tail = tail;
    this.#tailAt = 0;
  }

  /** @param {number} n */
  #beginFadeIn(n) {
    this.#fadeIn = n;
    this.#fadeInAt = 0;
  }

  #fadeInGain() {
    if (this.#fadeInAt >= this.#fadeIn) return 1;
    return 1 - fadeOutGain(this.#fadeInAt++, this.#fadeIn);
  }

  /**
   * @param {Float32Array} out
   * @param {number} nPlayed where a tail made by running dry begins
   */
  #mixTail(out, nPlayed) {
    const isConcealment = !this.#playing && this.#starvedAt === this.#clock;
    for (let i = isConcealment ? nPlayed : 0; i < out.length; i++) {
      if (this.#tailAt >= this.#tail.length) return;
      out[i] += this.#tail[this.#tailAt++];
    }
  }

  /** @param {number} count absolute sample count */
  #at(count) {
    return count < 0 ? 0 : this.#ring[count % this.#ring.length];
  }

  /** @param {number} ms */
  #samples(ms) {
    return Math.round((ms * this.rateHz) / 1000);
  }
}

/**
 * Raised cosine from 1 to 0; `1 - fadeOutGain` is its fade-in.
 *
 * @param {number} i
 * @param {number} n
 */
function fadeOutGain(i, n) {
  return 0.5 + 0.5 * Math.cos((Math.PI * (i + 0.5)) / n);
}

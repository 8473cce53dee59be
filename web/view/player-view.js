/**
 * Plays a recording and says where it is, so that the words can follow.
 */

import { element, setText } from "./element.js";

/** @typedef {import("../bridge/conversations.js").Recording} Recording */
/** @typedef {import("../texts/texts.js").Texts} Texts */

const SEEK_STEPS = 1_000;
/** Beyond this the sound is played but not drawn: it would be decoded as a whole. */
const MAX_DRAWN_MS = 15 * 60_000;
const BAR_PX = 4;
const DRAW_RATE_HZ = 8_000;

/**
 * @typedef {object} PlayerActions
 * @property {(recording: Recording) => Promise<Blob>} onLoad
 * @property {(recording: Recording, ms: number) => void} onPlace where the sound is now
 * @property {(recording: Recording) => void} onDelete
 */

export class PlayerView {
  #texts;
  #actions;
  #audio = new Audio();
  #play = element("player-play", HTMLButtonElement);
  #seek = element("player-seek", HTMLInputElement);
  #track = element("player-track", HTMLSelectElement);
  /** @type {Recording[]} */ #recordings = [];
  /** @type {Recording | null} */ #loaded = null;
  /** @type {Float32Array | null} */ #peaks = null;

  /**
   * @param {Texts} texts
   * @param {PlayerActions} actions
   */
  constructor(texts, actions) {
    this.#texts = texts;
    this.#actions = actions;
    this.#audio.preload = "auto";
    this.#play.onclick = () => this.#toggle();
    this.#track.onchange = () => void this.#load(this.#chosen, this.#audio.currentTime);
    this.#seek.oninput = () => {
      const place = (Number(this.#seek.value) / SEEK_STEPS) * this.#durationMs;
      this.playFrom(place, false);
    };
    element("player-delete").onclick = () => {
      if (this.#chosen) actions.onDelete(this.#chosen);
    };
    for (const kind of ["timeupdate", "play", "pause", "ended", "loadedmetadata"]) {
      this.#audio.addEventListener(kind, () => this.#show());
    }
    new ResizeObserver(() => this.#draw()).observe(element("player-wave"));
  }

  /** @param {Recording[]} recordings of one conversation, in order */
  render(recordings) {
    this.stop();
    this.#recordings = recordings;
    element("player").hidden = recordings.length === 0;
    this.#track.replaceChildren(
      ...recordings.map((it) => new Option(this.#nameOf(it), it.id)),
    );
    this.#show();
  }

  get #chosen() {
    return this.#recordings.find((it) => it.id === this.#track.value) ?? null;
  }

  /** @returns {Recording | null} the one that is chosen */
  get recording() {
    return this.#chosen;
  }

  get #durationMs() {
    const known = this.#audio.duration * 1_000;
    return Number.isFinite(known) && known > 0 ? known : (this.#chosen?.duration_ms ?? 0);
  }

  /**
   * @param {number} ms
   * @param {boolean} [isToPlay]
   */
  async playFrom(ms, isToPlay = true) {
    await this.#load(this.#chosen, ms / 1_000);
    this.#audio.currentTime = Math.max(0, ms / 1_000);
    if (isToPlay) await this.#audio.play().catch(() => {});
  }

  stop() {
    this.#audio.pause();
    if (this.#audio.src) URL.revokeObjectURL(this.#audio.src);
    this.#audio.removeAttribute("src");
    this.#loaded = null;
    this.#peaks = null;
  }

  async #toggle() {
    if (!this.#audio.paused) return this.#audio.pause();
    await this.#load(this.#chosen, this.#audio.currentTime || 0);
    await this.#audio.play().catch(() => {});
  }

  /**
   * @param {Recording | null} recording
   * @param {number} at_s
   */
  async #load(recording, at_s) {
    if (!recording || recording === this.#loaded) return;
    const wasPlaying = !this.#audio.paused;
    this.stop();
    this.#loaded = recording;
    const blob = await this.#actions.onLoad(recording).catch(() => null);
    if (!blob || this.#loaded !== recording) return;
    this.#audio.src = URL.createObjectURL(blob);
    this.#audio.currentTime = at_s;
    if (wasPlaying) void this.#audio.play().catch(() => {});
    if (recording.duration_ms <= MAX_DRAWN_MS) void this.#decode(blob);
  }

  /** @param {Blob} blob */
  async #decode(blob) {
    const loaded = this.#loaded;
    try {
      const context = new OfflineAudioContext(1, 1, DRAW_RATE_HZ);
      const sound = await context.decodeAudioData(await blob.arrayBuffer());
      if (loaded !== this.#loaded) return;
      this.#peaks = peaksOf(sound.getChannelData(0), 600);
    } catch {
      return; // it may be played all the same
    }
    this.#draw();
  }

  #show() {
    const placeMs = this.#audio.currentTime * 1_000;
    const duration = this.#durationMs;
    this.#play.ariaPressed = String(!this.#audio.paused && !this.#audio.ended);
    if (document.activeElement !== this.#seek || !this.#audio.paused) {
      this.#seek.value = String(duration ? (placeMs / duration) * SEEK_STEPS : 0);
    }
    const time = `${this.#texts.duration(placeMs)} / ${this.#texts.duration(duration)}`;
    setText("player-time", time);
    this.#seek.ariaValueText = time;
    this.#draw();
    if (this.#chosen) this.#actions.onPlace(this.#chosen, placeMs);
  }

  /** @param {Recording} recording */
  #nameOf({ track, name, started_at }) {
    const kinds = { mix: "player.mix", assistant: "player.assistant" };
    const key = /** @type {keyof typeof kinds} */ (track);
    const words = kinds[key] ? this.#texts.get(/** @type {any} */ (kinds[key])) : "";
    const who = words || name || track;
    const takes = new Set(this.#recordings.map((it) => it.take)).size;
    return takes > 1 ? `${who}, ${this.#texts.moment(Date.parse(started_at))}` : who;
  }

  #draw() {
    const canvas = element("player-wave", HTMLCanvasElement);
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width) return;
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    pen.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const [played, rest] = ["--assistant", "--steel"].map((it) => style.getPropertyValue(it));
    const share = this.#durationMs ? (this.#audio.currentTime * 1_000) / this.#durationMs : 0;
    const n = Math.floor(width / BAR_PX);
    const peaks = this.#peaks ? regrouped(this.#peaks, n) : new Float32Array(n).fill(0.04);
    for (let i = 0; i < n; i++) {
      const tall = Math.max(2, peaks[i] * height);
      pen.fillStyle = i / n < share ? played : rest;
      pen.fillRect(i * BAR_PX, (height - tall) / 2, BAR_PX - 1.5, tall);
    }
  }
}

/**
 * @param {Float32Array} samples
 * @param {number} n
 */
function peaksOf(samples, n) {
  const peaks = new Float32Array(n);
  const step = samples.length / n;
  for (let i = 0; i < n; i++) {
    const end = Math.floor((i + 1) * step);
    for (let at = Math.floor(i * step); at < end; at++) {
      peaks[i] = Math.max(peaks[i], Math.abs(samples[at]));
    }
  }
  const highest = Math.max(0.05, ...peaks);
  return peaks.map((peak) => peak / highest);
}

/**
 * @param {Float32Array} peaks
 * @param {number} n
 */
function regrouped(peaks, n) {
  return Float32Array.from(
    { length: n },
    (_, i) => peaks[Math.min(peaks.length - 1, Math.floor((i * peaks.length) / n))],
  );
}

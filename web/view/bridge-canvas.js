/**
 * The bridge: both voices as waves that travel over its hangers.
 *
 * What the person says runs from their end to the assistant's, and back the other way.
 * Silent, it is a drawing of a bridge. Redrawn only while something moves.
 */

const HISTORY_MS = 1_800; // how long a sound takes to cross
const SLOT_MS = 20;
const SLOTS = HISTORY_MS / SLOT_MS;
const HANGER_GAP_PX = 9;
const TOWER_AT = 0.19; // of the width, from each end
const WATER_PX = 48; // below the deck, at most
const REFLECTION_PX = 18;
const WATER_AT_MOST = 0.34; // of the height

/** Ring of the last levels of one voice, newest last. */
class Wave {
  #levels = new Float32Array(SLOTS);
  #at = 0;
  #smooth = 0;
  energy = 0;

  /** @param {number} level 0..1 */
  push(level) {
    // Quick to rise, slower to fall: a meter's ballistics.
    this.#smooth += (level - this.#smooth) * (level > this.#smooth ? 0.7 : 0.25);
    this.energy += this.#smooth - this.#levels[this.#at];
    this.#levels[this.#at] = this.#smooth;
    this.#at = (this.#at + 1) % SLOTS;
  }

  /** @param {number} way 0 is now, 1 is where the sound arrives after HISTORY_MS */
  at(way) {
    const age = Math.min(SLOTS - 1, Math.floor(way * SLOTS));
    return this.#levels[(this.#at - 1 - age + 2 * SLOTS) % SLOTS];
  }
}

export class BridgeCanvas {
  #canvas;
  #pen;
  #you = new Wave();
  #assistant = new Wave();
  #width = 0;
  #height = 0;
  #isStill = false;
  #colours = { you: "", assistant: "", steel: "", line: "" };
  #reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    new ResizeObserver(() => this.#measure()).observe(canvas);
    const repaint = () => this.#measure();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    this.#reducedMotion.addEventListener("change", repaint);
  }

  /**
   * Move on by the time that has passed.
   *
   * @param {{you: number, assistant: number}} levels 0..1
   * @param {number} elapsedMs
   */
  advance({ you, assistant }, elapsedMs) {
    const steps = Math.min(SLOTS, Math.max(1, Math.round(elapsedMs / SLOT_MS)));
    for (let i = 0; i < steps; i++) {
      this.#you.push(you);
      this.#assistant.push(assistant);
    }
    const isStill = this.#you.energy + this.#assistant.energy < 0.05;
    if (!isStill || !this.#isStill) this.#draw();
    this.#isStill = isStill;
  }

  #measure() {
    const { clientWidth, clientHeight } = this.#canvas;
    const scale = window.devicePixelRatio || 1;
    this.#canvas.width = Math.round(clientWidth * scale);
    this.#canvas.height = Math.round(clientHeight * scale);
    this.#pen.setTransform(scale, 0, 0, scale, 0, 0);
    this.#width = clientWidth;
    this.#height = clientHeight;
    const style = getComputedStyle(this.#canvas);
    for (const name of /** @type {const} */ (["you", "assistant", "steel", "line"])) {
      this.#colours[name] = style.getPropertyValue(`--${name}`);
    }
    this.#draw();
  }

  #draw() {
    const pen = this.#pen;
    const width = this.#width;
    if (!width) return;
    pen.clearRect(0, 0, width, this.#height);
    pen.lineCap = "round";
    const deck = this.#deck;
    const n = Math.max(12, Math.floor(width / HANGER_GAP_PX));
    for (let i = 0; i <= n; i++) {
      const way = i / n;
      const x = 1.5 + way * (width - 3);
      const reach = this.#cableHeight(way);
      this.#stroke(x, deck, deck - reach, 1, this.#colours.line);
      this.#sound(x, deck, reach, this.#levelAt(this.#you, way), "you");
      this.#sound(x, deck, reach, this.#levelAt(this.#assistant, 1 - way), "assistant");
    }
    this.#structure(deck);
  }

  /**
   * @param {Wave} wave
   * @param {number} way
   */
  #levelAt(wave, way) {
    // Without motion: the level of now, the same along the near half, nothing travels.
    if (this.#reducedMotion.matches) return way < 0.5 ? wave.at(0) * (1 - 2 * way) : 0;
    return wave.at(way) * (1 - 0.55 * way);
  }

  /**
   * One hanger's share of a voice, with its reflection in the water.
   *
   * @param {number} x
   * @param {number} deck
   * @param {number} reach
   * @param {number} level
   * @param {"you" | "assistant"} voice
   */
  #sound(x, deck, reach, level, voice) {
    if (level < 0.02) return;
    const tall = Math.max(3, reach * Math.min(1, level * 1.25));
    this.#stroke(x, deck - 2, deck - tall, 4, this.#colours[voice]);
    this.#pen.globalAlpha = 0.28;
    const mirrored = Math.min(tall * 0.3, REFLECTION_PX);
    this.#stroke(x, deck + 7, deck + 5 + mirrored, 4, this.#colours[voice]);
    this.#pen.globalAlpha = 1;
  }

  /** @param {number} deck */
  #structure(deck) {
    const pen = this.#pen;
    const width = this.#width;
    pen.strokeStyle = this.#colours.steel;
    pen.lineWidth = 2;
    pen.beginPath();
    for (let px = 0; px <= width; px += 3) {
      const y = deck - this.#cableHeight(px / width);
      if (px === 0) pen.moveTo(px, y);
      else pen.lineTo(px, y);
    }
    pen.stroke();
    this.#stroke(1, deck, deck, 3, this.#colours.steel, width - 1);
    for (const tower of [TOWER_AT, 1 - TOWER_AT]) {
      const top = deck - this.#cableHeight(tower) - 4;
      this.#stroke(tower * width, deck + 16, top, 4, this.#colours.steel);
    }
  }

  get #deck() {
    return this.#height - Math.min(WATER_PX, this.#height * WATER_AT_MOST);
  }

  /**
   * The main cable over the deck, in px: a parabola between the towers, and half of
   * one from each tower to its shore.
   *
   * @param {number} way 0..1 from shore to shore
   */
  #cableHeight(way) {
    const tower = this.#deck - 8;
    const fromShore = Math.min(way, 1 - way);
    if (fromShore < TOWER_AT)
      return tower * (0.16 + 0.84 * (fromShore / TOWER_AT) ** 1.7);
    const fromMiddle = (0.5 - fromShore) / (0.5 - TOWER_AT);
    return tower * (0.2 + 0.8 * fromMiddle ** 2);
  }

  /**
   * @param {number} x
   * @param {number} fromY
   * @param {number} toY
   * @param {number} lineWidth
   * @param {string} colour
   * @param {number} [toX]
   */
  #stroke(x, fromY, toY, lineWidth, colour, toX = x) {
    const pen = this.#pen;
    pen.strokeStyle = colour;
    pen.lineWidth = lineWidth;
    pen.beginPath();
    pen.moveTo(x, fromY);
    pen.lineTo(toX, toY);
    pen.stroke();
  }
}

/**
 * QR codes (ISO/IEC 18004): bytes, error correction level L, versions 1 to 20. Pure.
 *
 * Enough for a link of 850 characters, which is an address with a signed token. Level L
 * keeps the modules large: a screen has no scratches.
 */

import { correctionOf } from "./reed-solomon.js";

const MAX_VERSION = 20;
/** Correction bytes in each block, by version (level L). */
const CORRECTION = [
  0, 7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28,
];
/** Blocks, by version (level L). */
const BLOCKS = [0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8];
const FORMAT_LEVEL_L = 1;

/** @type {((x: number, y: number) => boolean)[]} */
const MASKS = [
  (x, y) => (x + y) % 2 === 0,
  (_x, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

/**
 * @param {string} text
 * @param {number} [mask] 0..7; without it the one that scans best
 * @returns {boolean[][]} rows of modules, true is dark, without the quiet zone
 * @throws {RangeError} the text is too long
 */
export function qrCode(text, mask) {
  const bytes = [...new TextEncoder().encode(text)];
  const version = versionFor(bytes.length);
  const codewords = interleaved(packed(bytes, version), version);
  const blank = new Grid(version);
  const masks = mask === undefined ? MASKS.map((_, i) => i) : [mask];
  const grids = masks.map((it) => blank.filled(codewords, it));
  return grids.reduce((a, b) => (penaltyOf(b) < penaltyOf(a) ? b : a));
}

/** @param {number} version */
function rawModules(version) {
  let n = (16 * version + 128) * version + 64;
  if (version >= 2) {
    const nAlign = Math.floor(version / 7) + 2;
    n -= (25 * nAlign - 10) * nAlign - 55;
    if (version >= 7) n -= 36;
  }
  return n;
}

/** @param {number} version */
function dataBytes(version) {
  const total = Math.floor(rawModules(version) / 8);
  return total - CORRECTION[version] * BLOCKS[version];
}

/** @param {number} nBytes */
function versionFor(nBytes) {
  for (let version = 1; version <= MAX_VERSION; version++) {
    const headerBits = version < 10 ? 12 : 20;
    if (headerBits + 8 * nBytes <= 8 * dataBytes(version)) return version;
  }
  throw new RangeError(`${nBytes} bytes do not fit into a QR code of this size`);
}

/**
 * @param {number[]} bytes
 * @param {number} version
 * @returns {number[]} data codewords, padded
 */
function packed(bytes, version) {
  /** @type {number[]} */
  const bits = [];
  /** @type {(value: number, n: number) => void} */
  const put = (value, n) => {
    for (let i = n - 1; i >= 0; i--) bits.push((value >> i) & 1);
  };
  put(0b0100, 4); // bytes follow
  put(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) put(byte, 8);
  const capacity = 8 * dataBytes(version);
  put(0, Math.min(4, capacity - bits.length));
  while (bits.length % 8) bits.push(0);
  for (let i = 0; bits.length < capacity; i++) put(i % 2 ? 0x11 : 0xec, 8);
  const words = [];
  for (let i = 0; i < bits.length; i += 8) {
    words.push(bits.slice(i, i + 8).reduce((word, bit) => (word << 1) | bit, 0));
  }
  return words;
}

/**
 * @param {number[]} data
 * @param {number} version
 * @returns {number[]} data and correction codewords in the order they are laid out
 */
function interleaved(data, version) {
  const nBlocks = BLOCKS[version];
  const nLong = data.length % nBlocks; // the last ones have one byte more
  const short = Math.floor(data.length / nBlocks);
  /** @type {number[][]} */
  const blocks = [];
  for (let i = 0, at = 0; i < nBlocks; i++) {
    const length = short + (i >= nBlocks - nLong ? 1 : 0);
    blocks.push(data.slice(at, at + length));
    at += length;
  }
  const corrections = blocks.map((block) => correctionOf(block, CORRECTION[version]));
  return [...columns(blocks), ...columns(corrections)];
}

/** @param {number[][]} rows */
function columns(rows) {
  const longest = Math.max(...rows.map((row) => row.length));
  const all = [];
  for (let i = 0; i < longest; i++) {
    for (const row of rows) if (i < row.length) all.push(row[i]);
  }
  return all;
}

/** The modules that are the same in every code of a version, and room for the others. */
class Grid {
  /** @param {number} version */
  constructor(version) {
    this.size = 4 * version + 17;
    this.version = version;
    /** @type {(boolean | null)[][]} null: free for data */
    this.modules = Array.from({ length: this.size }, () => Array(this.size).fill(null));
    this.#timing();
    this.#finders();
    this.#alignments();
    this.#format(0); // reserves the place
    this.#versionBits();
  }

  /**
   * @param {number[]} codewords
   * @param {number} mask
   * @returns {boolean[][]}
   */
  filled(codewords, mask) {
    const grid = new Grid(this.version);
    grid.#format(mask);
    let i = 0;
    for (const [x, y] of this.#path()) {
      const bit = ((codewords[i >> 3] ?? 0) >> (7 - (i & 7))) & 1;
      grid.modules[y][x] = (bit === 1) !== MASKS[mask](x, y);
      i++;
    }
    return /** @type {boolean[][]} */ (grid.modules);
  }

  /** Free places in the order of the data: columns of two, up and down, from the right. */
  *#path() {
    for (let right = this.size - 1, isUp = true; right > 0; right -= 2, isUp = !isUp) {
      if (right === 6) right = 5; // the vertical timing pattern
      for (let step = 0; step < this.size; step++) {
        const y = isUp ? this.size - 1 - step : step;
        for (const x of [right, right - 1]) {
          if (this.modules[y][x] === null) yield [x, y];
        }
      }
    }
  }

  #timing() {
    for (let i = 0; i < this.size; i++) {
      this.modules[6][i] = this.modules[i][6] = i % 2 === 0;
    }
  }

  #finders() {
    const far = this.size - 4;
    for (const [cx, cy] of [
      [3, 3],
      [far, 3],
      [3, far],
    ]) {
      this.#square(cx, cy, 4, (ring) => ring !== 2 && ring !== 4);
    }
  }

  #alignments() {
    const places = this.#alignmentPlaces();
    const last = places.length - 1;
    places.forEach((cx, i) =>
      places.forEach((cy, j) => {
        const isFinder =
          (i === 0 && j === 0) || (i === 0 && j === last) || (i === last && j === 0);
        if (!isFinder) this.#square(cx, cy, 2, (ring) => ring !== 1);
      }),
    );
  }

  #alignmentPlaces() {
    if (this.version === 1) return [];
    const n = Math.floor(this.version / 7) + 2;
    const step = 2 * Math.ceil((4 * this.version + 4) / (2 * n - 2));
    const places = [6];
    for (let i = n - 2; i >= 0; i--) places.push(this.size - 7 - i * step);
    return places;
  }

  /**
   * @param {number} cx
   * @param {number} cy
   * @param {number} radius
   * @param {(ring: number) => boolean} isDark by the distance from the centre
   */
  #square(cx, cy, radius, isDark) {
    for (let dy = -radius; dy <= radius; dy++) {
      for (let dx = -radius; dx <= radius; dx++) {
        const [x, y] = [cx + dx, cy + dy];
        if (x < 0 || y < 0 || x >= this.size || y >= this.size) continue;
        this.modules[y][x] = isDark(Math.max(Math.abs(dx), Math.abs(dy)));
      }
    }
  }

  /** @param {number} mask */
  #format(mask) {
    const data = (FORMAT_LEVEL_L << 3) | mask;
    let rest = data;
    for (let i = 0; i < 10; i++) rest = (rest << 1) ^ ((rest >> 9) * 0x537);
    const bits = ((data << 10) | rest) ^ 0x5412;
    /** @type {(i: number) => boolean} */
    const bit = (i) => ((bits >> i) & 1) === 1;
    const { modules, size } = this;
    for (let i = 0; i <= 5; i++) modules[i][8] = bit(i);
    modules[7][8] = bit(6);
    modules[8][8] = bit(7);
    modules[8][7] = bit(8);
    for (let i = 9; i < 15; i++) modules[8][14 - i] = bit(i);
    for (let i = 0; i < 8; i++) modules[8][size - 1 - i] = bit(i);
    for (let i = 8; i < 15; i++) modules[size - 15 + i][8] = bit(i);
    modules[size - 8][8] = true;
  }

  #versionBits() {
    if (this.version < 7) return;
    let rest = this.version;
    for (let i = 0; i < 12; i++) rest = (rest << 1) ^ ((rest >> 11) * 0x1f25);
    const bits = (this.version << 12) | rest;
    for (let i = 0; i < 18; i++) {
      const a = this.size - 11 + (i % 3);
      const b = Math.floor(i / 3);
      this.modules[b][a] = this.modules[a][b] = ((bits >> i) & 1) === 1;
    }
  }
}

/**
 * How badly a scanner may take it: long runs, blocks, false finders, imbalance.
 *
 * @param {boolean[][]} rows
 */
function penaltyOf(rows) {
  const size = rows.length;
  const turned = rows.map((_, x) => rows.map((row) => row[x]));
  let penalty = 0;
  for (const row of [...rows, ...turned]) penalty += rowPenalty(row);
  let nDark = 0;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      if (rows[y][x]) nDark++;
      if (x === 0 || y === 0) continue;
      const it = rows[y][x];
      const isBlock =
        it === rows[y][x - 1] && it === rows[y - 1][x] && it === rows[y - 1][x - 1];
      if (isBlock) penalty += 3;
    }
  }
  return penalty + 10 * Math.floor(Math.abs((nDark * 20) / size ** 2 - 10));
}

/** @param {boolean[]} row */
function rowPenalty(row) {
  const text = row.map(Number).join("");
  let penalty = 0;
  for (const [run] of text.matchAll(/0{5,}|1{5,}/g)) penalty += run.length - 2;
  const padded = `0000${text}0000`; // the quiet zone counts as light
  for (const finder of ["00001011101", "10111010000"]) {
    for (let at = -1; (at = padded.indexOf(finder, at + 1)) >= 0; ) penalty += 40;
  }
  return penalty;
}

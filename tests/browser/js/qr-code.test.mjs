/** Facts about the QR codes: read back as a scanner does, without its camera. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { qrCode } from "../../../web/qr/qr-code.js";

/** GF(256) exponentials, made here on their own. */
const EXP = [];
for (let i = 0, value = 1; i < 510; i++) {
  EXP.push(value);
  value <<= 1;
  if (value > 255) value ^= 0x11d;
}
const LOG = Array(256).fill(0);
for (let i = 0; i < 255; i++) LOG[EXP[i]] = i;

/** [blocks, correction bytes of each] for level L, from ISO/IEC 18004 table 9. */
const STRUCTURE = { 1: [1, 7], 3: [1, 15], 6: [2, 18], 10: [4, 18], 15: [6, 22] };

const MASKS = [
  (r, c) => (r + c) % 2 === 0,
  (r) => r % 2 === 0,
  (_r, c) => c % 3 === 0,
  (r, c) => (r + c) % 3 === 0,
  (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2 === 0,
  (r, c) => ((r * c) % 2) + ((r * c) % 3) === 0,
  (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2 === 0,
  (r, c) => (((r * c) % 3) + ((r + c) % 2)) % 2 === 0,
];

function alignmentCentres(version, size) {
  if (version === 1) return [];
  const n = Math.floor(version / 7) + 2;
  const step = n === 2 ? 0 : Math.ceil((size - 13) / (2 * (n - 1))) * 2;
  const rest = Array.from({ length: n - 1 }, (_, i) => size - 7 - i * step).reverse();
  return [6, ...rest];
}

function isFixed(r, c, size, version) {
  if (r === 6 || c === 6) return true;
  if ((r < 9 && c < 9) || (r < 9 && c >= size - 8) || (r >= size - 8 && c < 9)) return true;
  if (version >= 7 && ((r < 6 && c >= size - 11) || (c < 6 && r >= size - 11))) return true;
  const centres = alignmentCentres(version, size);
  const last = centres.at(-1);
  return centres.some((y) =>
    centres.some((x) => {
      const isCorner =
        (y === 6 && x === 6) || (y === 6 && x === last) || (y === last && x === 6);
      return !isCorner && Math.abs(r - y) <= 2 && Math.abs(c - x) <= 2;
    }),
  );
}

/** Read a code: its mask, its text, and whether every block's correction holds. */
function read(rows) {
  const size = rows.length;
  const version = (size - 17) / 4;
  const format = [0, 1, 2, 3, 4, 5, 7, 8].map((c) => rows[8][c]).map(Number);
  const mask = parseInt(format.slice(2, 5).join(""), 2) ^ 0b101;
  const bits = [];
  let isUp = true;
  for (let right = size - 1; right > 0; right -= 2, isUp = !isUp) {
    if (right === 6) right--;
    for (let i = 0; i < size; i++) {
      const r = isUp ? size - 1 - i : i;
      for (const c of [right, right - 1]) {
        if (!isFixed(r, c, size, version)) bits.push(rows[r][c] !== MASKS[mask](r, c));
      }
    }
  }
  const words = [];
  for (let i = 0; i + 8 <= bits.length; i += 8) {
    words.push(parseInt(bits.slice(i, i + 8).map(Number).join(""), 2));
  }
  const [nBlocks, nCorrection] = STRUCTURE[version];
  const nData = words.length - nBlocks * nCorrection;
  const short = Math.floor(nData / nBlocks);
  const blocks = Array.from({ length: nBlocks }, () => []);
  let at = 0;
  for (let i = 0; i <= short; i++) {
    for (let b = 0; b < nBlocks; b++) {
      const isLong = b >= nBlocks - (nData % nBlocks);
      if (i < short || isLong) blocks[b].push(words[at++]);
    }
  }
  const data = blocks.flat();
  for (let i = 0; i < nCorrection; i++) {
    for (const block of blocks) block.push(words[at++]);
  }
  const holds = blocks.every((block) =>
    Array.from({ length: nCorrection }, (_, i) =>
      block.reduce((sum, word) => (sum ? EXP[LOG[sum] + i] : 0) ^ word, 0),
    ).every((syndrome) => syndrome === 0),
  );
  const stream = data.map((word) => word.toString(2).padStart(8, "0")).join("");
  const nLength = version < 10 ? 8 : 16;
  const length = parseInt(stream.slice(4, 4 + nLength), 2);
  const from = 4 + nLength;
  const bytes = Array.from({ length }, (_, i) =>
    parseInt(stream.slice(from + 8 * i, from + 8 * i + 8), 2),
  );
  const text = new TextDecoder().decode(Uint8Array.from(bytes));
  return { mask, text, holds, isBytes: stream.startsWith("0100") };
}

const TEXTS = {
  1: "voicebridge",
  3: "https://192.168.1.20:8000/#session=ab",
  6: "https://bridge.example/#session=x&invite=".padEnd(130, "k"),
  10: "https://bridge.example/#session=ü&invite=".padEnd(260, "Q"),
  15: "https://bridge.example/#session=x&invite=".padEnd(500, "7"),
};

for (const [version, text] of Object.entries(TEXTS)) {
  test(`a text of ${text.length} characters is read back, with every mask`, () => {
    for (let mask = 0; mask < 8; mask++) {
      const rows = qrCode(text, mask);
      assert.equal(rows.length, 4 * version + 17);
      assert.deepEqual(read(rows), { mask, text, holds: true, isBytes: true });
    }
  });
}

test("without a mask asked for, the one that scans best is taken", () => {
  assert.equal(read(qrCode(TEXTS[3])).text, TEXTS[3]);
});

test("what does not fit is refused", () => {
  assert.throws(() => qrCode("x".repeat(900)), RangeError);
});

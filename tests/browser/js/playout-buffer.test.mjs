/** Facts about the playout buffer, on a simulated clock: no browser, no waiting. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { PlayoutBuffer } from "../../../web/audio/playout-buffer.js";

const RATE_HZ = 24000;
const FRAME = 480;
const BLOCK = 128;

const ms = (n) => Math.round((n * RATE_HZ) / 1000);

/** Mulberry32: the same "random" run every time. */
function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function sine(n, { hz = 200, from = 0, amplitude = 8000 } = {}) {
  const wave = (_, i) =>
    Math.round(amplitude * Math.sin((2 * Math.PI * hz * (from + i)) / RATE_HZ));
  return Int16Array.from({ length: n }, wave);
}

/** One second of a voiced sound with harmonics and a changing level, as speech has. */
const VOICE = Int16Array.from({ length: RATE_HZ }, (_, i) => {
  const t = i / RATE_HZ;
  let sample = 0;
  for (let k = 1; k <= 8; k++) sample += Math.sin(2 * Math.PI * 130 * k * t) / k;
  return Math.round(3500 * sample * (0.55 + 0.45 * Math.sin(2 * Math.PI * 3 * t)));
});

function voice(n, from = 0) {
  return Int16Array.from({ length: n }, (_, i) => VOICE[(from + i) % RATE_HZ]);
}

/**
 * Play frames that arrive at given times.
 *
 * @param {PlayoutBuffer} buffer
 * @param {{at: number, pcm: Int16Array}[]} arrivals at: sample clock, ascending
 * @param {number} seconds
 * @returns {{output: Float32Array, levels: number[]}} levels: buffered after each block
 */
function simulate(buffer, arrivals, seconds) {
  const output = new Float32Array(Math.ceil((seconds * RATE_HZ) / BLOCK) * BLOCK);
  const levels = [];
  let next = 0;
  for (let at = 0; at < output.length; at += BLOCK) {
    while (next < arrivals.length && arrivals[next].at <= at) {
      buffer.push(arrivals[next++].pcm);
      assertBooks(buffer);
    }
    buffer.pull(output.subarray(at, at + BLOCK));
    assertBooks(buffer);
    levels.push(buffer.buffered);
  }
  return { output, levels };
}

function assertBooks(buffer) {
  const { pushed, stretched, played, skipped, flushed } = buffer.stats();
  assert.equal(pushed + stretched, played + skipped + flushed + buffer.buffered);
  assert.ok(buffer.buffered <= buffer.max, `${buffer.buffered} > ${buffer.max}`);
  assert.ok(buffer.buffered >= 0);
}

/** Frames of 20 ms, `late(n)` samples after they are due. */
function stream(nFrames, { make = sine, late = () => 0, period = FRAME } = {}) {
  return Array.from({ length: nFrames }, (_, n) => ({
    at: Math.round(n * period + late(n)),
    pcm: make === sine ? sine(FRAME, { from: n * FRAME }) : make(FRAME, n * FRAME),
  })).sort((a, b) => a.at - b.at);
}

function largestStep(samples) {
  let largest = 0;
  for (let i = 1; i < samples.length; i++) {
    largest = Math.max(largest, Math.abs(samples[i] - samples[i - 1]));
  }
  return largest;
}

/** Zero crossings upwards per second: the pitch of a sine. */
function pitchHz(samples) {
  const ups = [];
  for (let i = 1; i < samples.length; i++) {
    if (samples[i - 1] < 0 && samples[i] >= 0) ups.push(i);
  }
  return ((ups.length - 1) * RATE_HZ) / (ups.at(-1) - ups[0]);
}

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

test("an even stream is played bit for bit, 40 ms after it arrives", () => {
  const buffer = new PlayoutBuffer();

  const { output } = simulate(buffer, stream(100), 2);

  const expected = sine(100 * FRAME);
  const start = output.findIndex((sample) => sample !== 0) - 1;
  assert.ok(start <= ms(40) + BLOCK);
  for (let i = ms(5); i < expected.length - ms(60); i++) {
    assert.equal(output[start + i], expected[i] / 32768);
  }
  assert.deepEqual(
    [buffer.stats().skipped, buffer.stats().stretched, buffer.stats().underruns],
    [0, 0, 0],
  );
});

test("usual jitter is covered without a gap and without a splice", () => {
  const random = seeded(1);
  const buffer = new PlayoutBuffer();

  simulate(buffer, stream(500, { late: () => random() * ms(12) }), 10);

  const { underruns, skipped, stretched } = buffer.stats();
  assert.deepEqual(
    { underruns, skipped, stretched },
    {
      underruns: 0,
      skipped: 0,
      stretched: 0,
    },
  );
});

test("the books balance and the bound holds whatever arrives", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seeded(seed);
    const buffer = new PlayoutBuffer();
    const block = new Float32Array(BLOCK);
    for (let i = 0; i < 3000; i++) {
      const dice = random();
      if (dice < 0.35) buffer.push(voice(Math.floor(random() * 1200), i * BLOCK));
      else if (dice < 0.36) buffer.push(voice(Math.floor(random() * 20000)));
      else if (dice < 0.37) buffer.flush();
      else buffer.pull(block);
      assertBooks(buffer);
      assert.ok(
        block.every((sample) => Math.abs(sample) <= 1.5),
        `seed ${seed}`,
      );
    }
  }
});

test("a burst is caught up within three seconds, and nothing is cut off", () => {
  const buffer = new PlayoutBuffer();
  const frames = stream(400, { make: voice });
  for (const frame of frames.slice(100, 107)) frame.at = 100 * FRAME; // 120 ms early
  for (const frame of frames.slice(107)) frame.at -= 6 * FRAME;

  const { levels } = simulate(buffer, frames, 7.5);

  const blocksPerSecond = RATE_HZ / BLOCK;
  const before = mean(levels.slice(blocksPerSecond, 1.9 * blocksPerSecond));
  const peak = Math.max(...levels);
  const after = mean(levels.slice(5 * blocksPerSecond, 7 * blocksPerSecond));
  assert.ok(peak > before + ms(100));
  assert.ok(Math.abs(after - before) < ms(12), `${before} -> ${after}`);
  assert.equal(buffer.stats().overflows, 0);
});

test("delay after twenty stalls is what it was before them", () => {
  const buffer = new PlayoutBuffer();
  const frames = stream(50 * 110, { make: voice });
  for (let stall = 1; stall <= 20; stall++) {
    const until = (stall * 150 + 5) * FRAME; // 100 ms of silence, then all at once
    for (const frame of frames.slice(stall * 150, stall * 150 + 5)) frame.at = until;
  }

  const { levels } = simulate(buffer, frames, 109); // 45 calm seconds at the end

  const blocksPerSecond = RATE_HZ / BLOCK;
  const before = mean(levels.slice(blocksPerSecond, 2 * blocksPerSecond));
  const after = mean(levels.slice(-1.5 * blocksPerSecond));
  assert.ok(after < before + ms(15), `${before} -> ${after} samples`);
  assert.equal(buffer.stats().targetMs, 40);
});

test("after a bad moment the target comes down again", () => {
  const buffer = new PlayoutBuffer();
  const frames = stream(50 * 40, { make: voice });
  for (const frame of frames.slice(100, 108)) frame.at = 108 * FRAME;

  const raised = simulate(buffer, frames.slice(0, 200), 3.5);
  assert.ok(buffer.stats().targetMs > 40);
  assert.ok(raised.levels.length > 0);
  simulate(
    buffer,
    frames.slice(200).map(({ pcm }, n) => ({ at: n * FRAME, pcm })),
    35,
  );

  assert.equal(buffer.stats().targetMs, 40);
});

test("a sender's clock 500 ppm off neither fills nor empties it", () => {
  for (const ppm of [-500, 500]) {
    const buffer = new PlayoutBuffer();
    const period = FRAME * (1 + ppm / 1e6);

    const { levels } = simulate(buffer, stream(9_000, { period, make: voice }), 179);

    const late = levels.slice(levels.length / 2);
    assert.ok(Math.max(...late) < ms(80), `${ppm} ppm: ${Math.max(...late)}`);
    assert.ok(buffer.stats().underruns <= 1, `${ppm} ppm`);
  }
});

test("catching up keeps the pitch and makes no click", () => {
  const buffer = new PlayoutBuffer();
  const frames = stream(300);
  for (const frame of frames.slice(100)) frame.at -= 4 * FRAME;

  const { output } = simulate(
    buffer,
    frames.sort((a, b) => a.at - b.at),
    5.5,
  );

  const played = output.slice(ms(100), ms(5000));
  assert.ok(buffer.stats().skipped > ms(40));
  assert.ok(Math.abs(pitchHz(played) - 200) < 2, `${pitchHz(played)} Hz`);
  assert.ok(largestStep(played) < (1.2 * largestStep(sine(FRAME))) / 32768);
});

test("a lost frame costs less silence than it carried, and is made up for", () => {
  const random = seeded(7);
  const buffer = new PlayoutBuffer();
  const frames = stream(1500, { make: voice }).filter(() => random() > 0.03);

  simulate(buffer, frames, 29);

  const { stretched, concealed } = buffer.stats();
  const lost = (1500 - frames.length) * FRAME;
  assert.ok(stretched > lost / 4, `${stretched} of ${lost} stretched`);
  assert.ok(concealed < lost / 2, `${concealed} of ${lost} silent`);
});

test("running dry in mid-sound dies away within 10 ms, without a click", () => {
  const buffer = new PlayoutBuffer();
  const frames = stream(25);

  const { output } = simulate(
    buffer,
    [...frames, { at: ms(700), pcm: sine(FRAME) }],
    1,
  );

  const end = 25 * FRAME + ms(40) + BLOCK;
  assert.ok(largestStep(output.slice(0, ms(690))) < 0.05);
  assert.ok(output.slice(end + ms(12), ms(690)).every((sample) => sample === 0));
  assert.equal(buffer.stats().underruns, 1);
});

test("the quiet end of an answer is no underrun", () => {
  const buffer = new PlayoutBuffer();
  const silence = new Int16Array(FRAME);
  const answer = (from) => [
    ...stream(20).map(({ at, pcm }) => ({ at: at + from, pcm })),
    { at: from + 20 * FRAME, pcm: silence },
  ];

  simulate(buffer, [...answer(0), ...answer(ms(700))], 2);

  assert.equal(buffer.stats().underruns, 0);
  assert.equal(buffer.stats().targetMs, 40);
});

test("an answer shorter than the target is heard", () => {
  const buffer = new PlayoutBuffer();

  const { output } = simulate(buffer, stream(1), 0.3);

  assert.ok(output.some((sample) => Math.abs(sample) > 0.1));
  assert.equal(buffer.stats().played, FRAME);
});

test("flush is silent after 5 ms and drops what was under way", () => {
  const buffer = new PlayoutBuffer();
  simulate(buffer, stream(50), 0.9);
  assert.ok(buffer.buffered > 0);

  buffer.flush();
  buffer.push(sine(FRAME)); // sent before the bridge flushed, arriving after it
  const output = new Float32Array(ms(100));
  buffer.pull(output);

  assert.ok(output.slice(0, ms(1)).some((sample) => sample !== 0));
  assert.ok(output.slice(ms(5)).every((sample) => sample === 0));
  assert.ok(largestStep(output) < 0.05);
  assert.equal(buffer.buffered, 0);
});

test("after a flush the next answer plays", () => {
  const buffer = new PlayoutBuffer();
  simulate(buffer, stream(50), 0.9);
  buffer.flush();
  simulate(buffer, [], 0.2);

  const { output } = simulate(buffer, stream(20), 0.5);

  assert.ok(output.some((sample) => Math.abs(sample) > 0.2));
});

test("one message larger than the bound leaves its newest part", () => {
  const buffer = new PlayoutBuffer();

  buffer.push(sine(RATE_HZ));

  assert.equal(buffer.buffered, buffer.target);
  assertBooks(buffer);
});

test("limits that contradict each other are refused", () => {
  assert.throws(() => new PlayoutBuffer({ targetMs: 80, maxMs: 60 }), RangeError);
});

/** Facts about framing and levels. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { FRAME_SAMPLES, Framer, floatToPcm16 } from "../../../web/audio/framer.js";
import {
  LevelMeter,
  SILENCE_DBFS,
  amplitudeToDbfs,
  dbfsToMeter,
} from "../../../web/audio/level.js";

test("blocks of any length become frames of exactly 480 samples, none lost", () => {
  for (const length of [1, 127, 128, 480, 1000]) {
    const framer = new Framer();
    const frames = [];
    let n = 0;
    while (n < 48_000) {
      const block = Float32Array.from({ length }, (_, i) => ((n + i) % 1000) / 1000);
      framer.push(block, (frame) => frames.push(frame));
      n += length;
    }

    assert.equal(frames.length, Math.floor(n / FRAME_SAMPLES));
    frames.forEach((frame, f) => {
      assert.equal(frame.length, FRAME_SAMPLES);
      frame.forEach((sample, i) => {
        const value = Math.fround(((f * FRAME_SAMPLES + i) % 1000) / 1000);
        assert.equal(sample, Math.round(value * 32768));
      });
    });
  }
});

test("every frame has memory of its own, so that it can be transferred", () => {
  const framer = new Framer();
  const frames = [];

  framer.push(new Float32Array(2 * FRAME_SAMPLES), (frame) => frames.push(frame));

  assert.notEqual(frames[0].buffer, frames[1].buffer);
});

test("loud samples clip and do not wrap", () => {
  assert.equal(floatToPcm16(1), 32767);
  assert.equal(floatToPcm16(7), 32767);
  assert.equal(floatToPcm16(-1), -32768);
  assert.equal(floatToPcm16(-7), -32768);
});

test("every PCM16 value survives the way to float and back", () => {
  for (let value = -32768; value <= 32767; value++) {
    assert.equal(floatToPcm16(Math.fround(value / 32768)), value);
  }
});

test("a full-scale sine reads -3.01 dBFS, and peaks at 0", () => {
  const meter = new LevelMeter();
  meter.add(
    Float32Array.from({ length: 2400 }, (_, i) => Math.sin((Math.PI * i) / 12)),
  );

  const { rmsDbfs, peakDbfs } = meter.take();

  assert.ok(Math.abs(rmsDbfs + 3.01) < 0.01, `${rmsDbfs}`);
  assert.ok(Math.abs(peakDbfs) < 0.01, `${peakDbfs}`);
});

test("silence and nothing read the same floor, and a reading begins anew", () => {
  const meter = new LevelMeter();
  const silence = { rmsDbfs: SILENCE_DBFS, peakDbfs: SILENCE_DBFS };
  assert.deepEqual(meter.take(), silence);

  meter.add(new Float32Array([1, -1]));
  assert.equal(meter.take().rmsDbfs, 0);
  assert.deepEqual(meter.take(), silence);
});

test("the meter fills evenly in decibels and stays within its ends", () => {
  assert.deepEqual([-96, -60, -30, 0, 6].map(dbfsToMeter), [0, 0, 0.5, 1, 1]);
  assert.equal(amplitudeToDbfs(0), SILENCE_DBFS);
  assert.equal(amplitudeToDbfs(0.1), -20);
});

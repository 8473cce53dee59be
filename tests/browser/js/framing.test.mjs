/** Facts about the framing on the data channel, the same as the bridge's own. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { createFrameCodec } from "../../../web/audio/frame-codec.js";
import {
  FrameCounter,
  FrameOrder,
  packFrame,
  PAUSE,
  START,
  unpackFrame,
} from "../../../web/audio/framing.js";
import { HalfBand } from "../../../web/audio/half-band.js";

const hex = (buffer) => Buffer.from(buffer).toString("hex");
const frameOf = (value) => new Int16Array(480).fill(value).buffer;

function loop(drop = () => false) {
  const played = [];
  const sent = [];
  let n = 0;
  const codec = createFrameCodec("pcm16.v1", {
    transmit: (message) => {
      sent.push(message);
      if (!drop(n++)) codec.receive(message);
    },
    play: (pcm) => played.push(new Int16Array(pcm)),
    onerror: () => assert.fail(),
  });
  return { codec, played, sent };
}

test("the bytes are those of the specification", () => {
  const header = { flags: START, sequence: 0x0102, timestamp: 0x0a0b0c0d };
  const message = packFrame(header, new Uint8Array([0x11, 0x22]));

  assert.equal(hex(message), "010101020a0b0c0d1122");
  assert.deepEqual({ ...unpackFrame(message) }, {
    ...header,
    payload: new Uint8Array([0x11, 0x22]),
  });
});

test("what is no frame is not read", () => {
  assert.equal(unpackFrame(new ArrayBuffer(7)), null);
  assert.equal(unpackFrame(new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0]).buffer), null);
});

test("silence settles, then hardly anything is sent, and time runs on", () => {
  const counter = new FrameCounter(480);
  counter.next(false);
  const headers = Array.from({ length: 100 }, () => counter.next(true));

  const sent = headers.flatMap((header, n) => (header ? [n] : []));
  assert.deepEqual(sent, [0, 1, 2, 22, 42, 62, 82]);
  assert.equal(headers[2].flags, PAUSE);
  const next = counter.next(false);
  assert.deepEqual(next, { flags: START, sequence: 8, timestamp: 101 * 480 });
});

test("frames leave in order, each once, and lost ones are told", () => {
  const out = [];
  const order = new FrameOrder((payload) => out.push(payload && payload[0]));
  const push = (sequence) =>
    order.push({ flags: 0, sequence, timestamp: 0, payload: new Uint8Array([sequence]) });

  for (const n of [1, 2, 4, 3, 3, 5, 7, 8, 9, 6, 10]) push(n);

  assert.deepEqual(out, [1, 2, 3, 4, 5, null, 7, 8, 9, 10]);
  assert.equal(order.lost, 1);
  assert.equal(order.late, 2);
});

test("numbers wrap around, and another stream is followed", () => {
  const out = [];
  const order = new FrameOrder((payload) => out.push(payload[0]));
  const push = (sequence, value) =>
    order.push({ flags: 0, sequence, timestamp: 0, payload: new Uint8Array([value]) });

  push(0xffff, 1);
  push(0, 2);
  push(30_000, 3);

  assert.deepEqual(out, [1, 2, 3]);
});

test("sound comes through to the sample", () => {
  const { codec, played } = loop();
  for (let n = 1; n <= 5; n++) codec.send(frameOf(1000 * n));

  assert.deepEqual(
    played.map((pcm) => pcm[0]),
    [1000, 2000, 3000, 4000, 5000],
  );
});

test("a lost frame is the last one again, fading", () => {
  const { codec, played } = loop((n) => n === 2);
  for (let n = 0; n < 6; n++) codec.send(frameOf(8000));

  assert.equal(played.length, 6);
  assert.equal(played[2][0], 8000);
  assert.ok(played[2][479] < 4100);
  assert.equal(codec.counts().lost, 1);
});

test("silent frames are not sent", () => {
  const { codec, sent } = loop();
  for (let n = 0; n < 50; n++) codec.send(frameOf(0));

  assert.equal(sent.length, 5);
});

test("halving the rate keeps level and pitch, and leaves no seams", () => {
  const halfBand = new HalfBand();
  const heard = [];
  for (let n = 0; n < 20; n++) {
    const block = new Float32Array(960);
    for (let i = 0; i < 960; i++) {
      block[i] = 0.5 * Math.sin((2 * Math.PI * 1000 * (n * 960 + i)) / 48_000);
    }
    heard.push(...halfBand.halve(block));
  }
  // 31 samples at 48 kHz is the filter's delay: 15.5 samples of the output.
  for (let i = 100; i < heard.length; i++) {
    const wanted = 16384 * Math.sin((2 * Math.PI * 1000 * (i - 15.5)) / 24_000);
    assert.ok(Math.abs(heard[i] - wanted) < 40, `${i}: ${heard[i]} ${wanted}`);
  }
});

test("what a lower rate cannot hold is gone", () => {
  const halfBand = new HalfBand();
  const block = new Float32Array(9600);
  for (let i = 0; i < block.length; i++) {
    block[i] = 0.5 * Math.sin((2 * Math.PI * 15_000 * i) / 48_000);
  }
  const heard = halfBand.halve(block).slice(100);
  assert.ok(Math.max(...heard.map(Math.abs)) < 50);
});

/** Facts about carrying audio, with a data channel and ports that only remember. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { AudioPump } from "../../../web/audio/audio-pump.js";

class FakePort {
  taken = [];
  onmessage = null;

  postMessage(data) {
    this.taken.push(data);
  }

  give(data) {
    this.onmessage?.({ data });
  }
}

function setUp({ readyState = "open", protocol = "" } = {}) {
  const channel = {
    protocol,
    readyState,
    bufferedAmount: 0,
    sent: [],
    send(frame) {
      this.sent.push(frame);
    },
    close() {
      this.readyState = "closed";
    },
  };
  const capture = new FakePort();
  const playout = new FakePort();
  const told = [];
  const pump = new AudioPump(channel, capture, playout, {
    onopen: () => told.push("open"),
    onclose: () => told.push("close"),
    ontext: (text) => told.push(text),
  });
  return { channel, capture, playout, told, pump };
}

const frame = () => new ArrayBuffer(960);

test("frames go out as they come and in as they come", () => {
  const { channel, capture, playout, pump } = setUp();
  const [out, back] = [frame(), frame()];

  capture.give(out);
  channel.onmessage({ data: back });

  assert.deepEqual(channel.sent, [out]);
  assert.deepEqual(playout.taken, [back]);
  assert.deepEqual(pump.stats(), {
    framing: "raw",
    framesSent: 1,
    framesDropped: 0,
    framesReceived: 1,
    bytesReceived: 960,
    bytesSent: 960,
    lost: 0,
    late: 0,
  });
});

test("while the network is behind, new frames are dropped and not queued", () => {
  const { channel, capture, pump } = setUp();

  channel.bufferedAmount = 4801;
  for (let i = 0; i < 3; i++) capture.give(frame());
  channel.bufferedAmount = 0;
  capture.give(frame());

  assert.equal(channel.sent.length, 1);
  assert.equal(pump.stats().framesDropped, 3);
});

test("before the channel opens nothing is sent, and nothing is kept", () => {
  const { channel, capture, told } = setUp({ readyState: "connecting" });

  capture.give(frame());
  channel.readyState = "open";
  channel.onopen();

  assert.deepEqual(channel.sent, []);
  assert.deepEqual(told, ["open"]);
});

test("a channel that is open already is reported too", () => {
  assert.deepEqual(setUp().told, ["open"]);
});

test("text is handed on and never played", () => {
  const { channel, playout, told } = setUp();

  channel.onmessage({ data: '{"type":"state"}' });

  assert.deepEqual(told, ["open", '{"type":"state"}']);
  assert.deepEqual(playout.taken, []);
});

test("closed, it sends no more", () => {
  const { channel, capture, pump } = setUp();

  pump.close();
  capture.give(frame());

  assert.deepEqual(channel.sent, []);
  assert.equal(channel.readyState, "closed");
});

test("a channel that asked for a framing is silent until hello has named it", () => {
  const { channel, capture, playout, pump } = setUp({ protocol: "pcm16.v1" });

  capture.give(frame());
  channel.onmessage({ data: frame() });
  assert.deepEqual(channel.sent, []);
  assert.deepEqual(playout.taken, []);

  pump.use("pcm16.v1");
  capture.give(new Int16Array(480).fill(7).buffer);
  assert.equal(channel.sent[0].byteLength, 968);
});

test("a bridge that knows no framing gets headerless frames", () => {
  const { channel, capture, pump } = setUp({ protocol: "opus.v1" });

  pump.use("raw");
  capture.give(frame());

  assert.equal(channel.sent[0].byteLength, 960);
});

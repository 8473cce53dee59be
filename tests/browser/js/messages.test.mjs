/** Facts about reading the bridge's messages. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { parseServerMessage } from "../../../web/call/messages.js";

const SAMPLES = [
  { type: "hello", version: 1, session_id: "s", conversation_id: "c" },
  { type: "state", state: "listening" },
  { type: "transcript", role: "user", item_id: "i", text: "", final: false },
  { type: "tool", call_id: "c", name: "pause", status: "started" },
  { type: "flush", reason: "barge_in" },
  { type: "error", error: { code: "x", message: "y", retryable: true }, fatal: false },
  { type: "pong", t: 12.5 },
  { type: "ended", reason: "idle" },
];

for (const sample of SAMPLES) {
  test(`a ${sample.type} is read as it is`, () => {
    assert.deepEqual(parseServerMessage(JSON.stringify(sample)), sample);
  });

  test(`a ${sample.type} without one of its fields is left out`, () => {
    for (const field of Object.keys(sample)) {
      if (
        field === "type" ||
        ["flush.reason", "error.fatal"].includes(`${sample.type}.${field}`)
      )
        continue;
      const { [field]: _, ...rest } = sample;
      assert.equal(parseServerMessage(JSON.stringify(rest)), null, field);
    }
  });
}

test("what a newer bridge may say does not disturb", () => {
  for (const text of [
    "",
    "nonsense",
    "null",
    "3",
    "[]",
    '{"type":"toString"}',
    '{"type":"new"}',
    '{"type":7}',
  ]) {
    assert.equal(parseServerMessage(text), null, text);
  }
});

test("fields added by a newer bridge are kept", () => {
  const message = parseServerMessage('{"type":"state","state":"tool","since":3}');

  assert.deepEqual(message, { type: "state", state: "tool", since: 3 });
});

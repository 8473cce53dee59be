/** Facts about tools in a talk, about what the store remembers, and about quality. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ConnectionQuality } from "../../../web/call/connection-quality.js";
import { Conversation } from "../../../web/call/conversation.js";
import { rememberedOf } from "../../../web/call/stored-talk.js";

const tool = (status, rest = {}) => ({
  type: "tool",
  call_id: "c1",
  name: "deploy",
  status,
  ...rest,
});

test("a tool keeps what it was called with, its steps and what came of it", () => {
  const talk = new Conversation();

  talk.useTool(tool("started", { arguments: '{"a":1}' }));
  talk.useTool(tool("progress", { detail: "one" }));
  talk.useTool(tool("progress", { detail: "two" }));
  talk.useTool(tool("finished", { detail: "done" }));
  talk.useTool(tool("progress", { detail: "late" }));

  const [entry] = talk.entries;
  assert.equal(entry.status, "finished");
  assert.equal(entry.arguments, '{"a":1}');
  assert.deepEqual(entry.progress, ["one", "two"]);
  assert.equal(entry.result, "done");
});

test("a tool that asks is found until it was answered", () => {
  const talk = new Conversation();
  talk.useTool(tool("awaiting_confirmation", { expires_s: 30 }), 1_000);
  assert.equal(talk.asking.expiresAtMs, 31_000);

  talk.answer("c1");

  assert.equal(talk.asking, null);
  talk.useTool(tool("denied"));
  assert.equal(talk.entries[0].final, true);
});

test("a call that ends leaves no tool asking", () => {
  const talk = new Conversation();
  talk.useTool(tool("awaiting_confirmation"), 0);

  talk.end();

  assert.equal(talk.asking, null);
  assert.equal(talk.entries[0].status, "failed");
});

const event = (seq, type, payload, session_ms = seq * 100) => ({
  seq,
  type,
  source: "assistant",
  timestamp: "2026-11-20T12:00:00.000Z",
  session_id: "s",
  session_ms,
  payload,
});

test("what is stored becomes lines, the last word about each, in its first place", () => {
  const talk = rememberedOf([
    event(1, "transcript", { role: "user", item_id: "u", text: "Helo", final: false }),
    event(2, "tool", { call_id: "t", name: "x", status: "started", arguments: { a: 1 } }),
    event(3, "transcript", { role: "assistant", item_id: "a", text: "Hi", final: true }),
    event(4, "transcript", { role: "user", item_id: "u", text: "Hello", final: true }),
    event(5, "tool", { call_id: "t", name: "x", status: "output", output: "for the model" }),
    event(6, "tool", { call_id: "t", name: "x", status: "finished", detail: "ok" }),
    event(7, "joined", { client_id: "c" }),
    event(8, "transcript", { role: "assistant", item_id: "b", text: "  " }),
  ]);

  const lines = talk.map(({ entry }) => [entry.role, entry.text, entry.status]);
  assert.deepEqual(lines, [
    ["user", "Hello", null],
    ["tool", "x", "finished"],
    ["assistant", "Hi", null],
  ]);
  assert.equal(talk[0].place.sessionMs, 100);
  assert.equal(talk[1].entry.arguments, '{"a":1}');
  assert.equal(talk[1].entry.result, "ok");
  assert.ok(talk.every(({ entry }) => entry.past && entry.final));
});

test("what is recalled stands before, and what is here already stays", () => {
  const talk = new Conversation();
  talk.transcribe({ role: "user", item_id: "u", text: "Hello", final: true });
  const here = talk.entries[0];

  const past = rememberedOf([
    event(1, "transcript", { role: "assistant", item_id: "a", text: "Hi" }),
    event(2, "transcript", { role: "user", item_id: "u", text: "Hello" }),
  ]);
  talk.recall(past.map(({ entry }) => entry));

  assert.deepEqual(
    talk.entries.map(({ key }) => key),
    ["a", "u"],
  );
  assert.equal(talk.entries[1], here);
});

test("what was missed stands where it was said, what is new stays at the end", () => {
  const talk = new Conversation();
  const say = (item_id) =>
    talk.transcribe({ role: "user", item_id, text: item_id, final: true });
  ["one", "two", "five"].forEach(say);

  const kept = ["zero", "one", "two", "three", "four"].map((item_id, i) =>
    event(i + 1, "transcript", { role: "assistant", item_id, text: item_id }),
  );
  talk.recall(rememberedOf(kept).map(({ entry }) => entry));

  assert.deepEqual(
    talk.entries.map(({ key }) => key),
    ["zero", "one", "two", "three", "four", "five"],
  );
});

const figures = (rttMs, concealedMs = 0) => ({
  rttMs,
  bufferedMs: 40,
  unsent: 0,
  dropouts: 0,
  concealedMs,
  leg: "opus",
  thread: "worker",
});

test("a connection is graded by its delay and by what was missing lately", () => {
  const quality = new ConnectionQuality();
  assert.equal(quality.now.grade, "unknown");
  quality.see(figures(20));
  assert.equal(quality.now.grade, "good");
  quality.see(figures(250));
  assert.equal(quality.now.grade, "fair");
  quality.see(figures(20, 600));
  assert.equal(quality.now.grade, "poor");
  for (let i = 0; i < 11; i++) quality.see(figures(20, 600));
  assert.equal(quality.now.grade, "good"); // that was ten seconds ago
});

test("hops are what is known of them, and loss counts once", () => {
  const quality = new ConnectionQuality();
  quality.see(figures(30));
  quality.tell({ type: "quality", buffer_ms: 12, uplink_added_ms: 4, lost_ms: 40, concealed_ms: 40 });

  const { up, down, lostMs } = quality.now;

  assert.deepEqual(up, [
    { name: "frame", ms: 20 },
    { name: "network", ms: 15 },
    { name: "buffer", ms: 12 },
    { name: "bridge", ms: 4 },
  ]);
  assert.deepEqual(
    down.map(({ name }) => name),
    ["network", "playout"],
  );
  assert.equal(lostMs, 40);
});

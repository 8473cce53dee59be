/** Facts about the transcript's order and wording. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Conversation } from "../../../web/call/conversation.js";

const said = (role, item_id, text, final = true) => ({
  type: "transcript",
  role,
  item_id,
  text,
  final,
});

const shown = (conversation) =>
  conversation.entries
    .filter((entry) => !entry.hidden)
    .map((entry) => `${entry.role}: ${entry.text}`);

test("a transcript grows in place and ends", () => {
  const conversation = new Conversation();

  conversation.transcribe(said("assistant", "a", "It is", false));
  conversation.transcribe(said("assistant", "a", "It is sunny.", true));

  assert.deepEqual(shown(conversation), ["assistant: It is sunny."]);
  assert.equal(conversation.entries[0].final, true);
});

test("a partial that its final has overtaken changes nothing", () => {
  const conversation = new Conversation();

  conversation.transcribe(said("assistant", "a", "It is sunny.", true));
  conversation.transcribe(said("assistant", "a", "It is", false));

  assert.deepEqual(shown(conversation), ["assistant: It is sunny."]);
});

test("what the user said stands before the answer, even if it comes after it", () => {
  const conversation = new Conversation();

  conversation.enter("hearing");
  conversation.enter("thinking");
  conversation.transcribe(said("assistant", "a", "Sunny.", false));
  conversation.enter("speaking");
  conversation.transcribe(said("user", "u", "How is the weather?"));

  assert.deepEqual(shown(conversation), [
    "user: How is the weather?",
    "assistant: Sunny.",
  ]);
});

test("a noise that was no speech leaves no trace", () => {
  const conversation = new Conversation();

  conversation.enter("hearing");
  assert.deepEqual(shown(conversation), ["user: "]);
  conversation.enter("listening");
  assert.deepEqual(shown(conversation), []);

  conversation.enter("hearing");
  conversation.transcribe(said("user", "u", "Hello"));
  conversation.end();
  assert.deepEqual(shown(conversation), ["user: Hello"]);
});

test("typed words are shown at once and not twice", () => {
  const conversation = new Conversation();

  conversation.type("Hello there");
  conversation.transcribe(said("user", "item-1", "Hello there"));

  assert.deepEqual(shown(conversation), ["user: Hello there"]);
  assert.equal(conversation.entries[0].key, "item-1");
});

test("the same words typed twice are two entries", () => {
  const conversation = new Conversation();

  for (const item of ["item-1", "item-2"]) {
    conversation.type("Go on");
    conversation.transcribe(said("user", item, "Go on"));
  }

  assert.deepEqual(shown(conversation), ["user: Go on", "user: Go on"]);
});

test("a tool is one line from its start to its end", () => {
  const conversation = new Conversation();

  conversation.useTool({ call_id: "c", name: "pause", status: "started" });
  conversation.useTool({ call_id: "c", name: "pause", status: "finished" });

  assert.deepEqual(shown(conversation), ["tool: pause"]);
  assert.equal(conversation.entries[0].status, "finished");
});

test("a tool that was cut off by the end of the call has failed", () => {
  const conversation = new Conversation();

  conversation.useTool({ call_id: "c", name: "pause", status: "started" });
  conversation.end();

  assert.equal(conversation.entries[0].status, "failed");
});

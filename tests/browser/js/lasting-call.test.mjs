/** Facts about a call that outlives its connections, with connections that are fakes. */

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { CallFailure } from "../../../web/call/failures.js";
import { BACK_OFF_MS, LastingCall } from "../../../web/call/lasting-call.js";
import { DEFAULT_SETTINGS } from "../../../web/settings.js";



const TOTAL_MS = BACK_OFF_MS.reduce((sum, wait) => sum + wait);

const hello = { type: "hello", conversation_id: "c-1" };

/** Lets promises that are settled run on. */
const settle = async () => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

/** Let time pass in small steps, as it does. */
async function pass(ms) {
  for (let gone = 0; gone < ms; gone += 100) {
    mock.timers.tick(100);
    await settle();
  }
}

function setUp({ openAudio, ...options } = {}) {
  const log = [];
  const calls = [];
  const audio = {
    microphone: { muted: false },
    speaker: { flush: () => log.push("flush"), stats: null },
    close: () => log.push("audio closed"),
  };
  const tickets = []; // that the next connections give
  const answers = []; // what the next connections do: a failure, or undefined
  const lasting = new LastingCall({
    http: null,
    settings: { ...DEFAULT_SETTINGS },
    openAudio: openAudio ?? (async () => audio),
    createCall: (given) => {
      const answer = answers.shift();
      const call = {
        given,
        sent: [],
        send: (message) => call.sent.push(message),
        check: () => log.push("check"),
        close: () => log.push(`call ${calls.indexOf(call)} closed`),
        start: async () => {
          if (answer) throw answer;
          given.onMessage(hello);
        },
        diagnostics: {},
        ticket: tickets.shift() ?? null,
      };
      calls.push(call);
      return call;
    },
    onMessage: () => {},
    onProgress: (progress) => log.push(progress),
    onEnd: (failure) => log.push(`end ${failure.code}`),
    ...options,
  });
  return { lasting, calls, answers, tickets, log, audio };
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

test("the first failure is told at once", async () => {
  const { lasting, answers, log } = setUp();
  answers.push(new CallFailure("server_unreachable"));

  await lasting.start();

  assert.deepEqual(log, ["call 0 closed", "audio closed", "end server_unreachable"]);
});

test("a lost connection is replaced, with the same audio and conversation", async () => {
  const { lasting, calls, log, audio } = setUp();
  await lasting.start();

  calls[0].given.onLost(new CallFailure("connection_lost"));
  await pass(300);

  assert.equal(calls.length, 2);
  assert.equal(calls[1].given.audio, audio);
  assert.equal(calls[1].given.conversationId, "c-1");
  assert.deepEqual(log, ["live", "call 0 closed", "flush", "reconnecting", "live"]);
});

test("who is muted stays muted on the next connection", async () => {
  const { lasting, calls } = setUp();
  await lasting.start();
  lasting.mute(true);

  calls[0].given.onLost(new CallFailure("connection_lost"));
  await pass(300);

  assert.deepEqual(calls[1].sent, [{ type: "mute", muted: true }]);
});

test("it goes on trying while the failures may pass, then gives up", async () => {
  const { lasting, calls, answers, log } = setUp();
  await lasting.start();
  const gone = new CallFailure("server_unreachable");
  answers.push(...BACK_OFF_MS.map(() => gone));

  calls[0].given.onLost(new CallFailure("connection_lost"));
  await pass(TOTAL_MS + 100);

  assert.equal(calls.length, 1 + BACK_OFF_MS.length);
  assert.equal(log.filter((line) => line === "reconnecting").length, 1);
  assert.equal(log.at(-1), "end server_unreachable");
});

test("a server that is back after ten seconds is found", async () => {
  const { lasting, calls, answers, log } = setUp();
  await lasting.start();
  answers.push(
    ...Array.from({ length: 5 }, () => new CallFailure("server_bad_answer")),
  );

  calls[0].given.onLost(new CallFailure("connection_lost"));
  await pass(TOTAL_MS);

  assert.equal(log.at(-1), "live");
});

test("a failure that will not pass ends it", async () => {
  const { lasting, calls, answers, log } = setUp();
  await lasting.start();
  answers.push(new CallFailure("realtime_disabled"));

  calls[0].given.onLost(new CallFailure("connection_lost"));
  await pass(TOTAL_MS);

  assert.equal(calls.length, 2);
  assert.equal(log.at(-1), "end realtime_disabled");
});

test("hanging up stops the attempts", async () => {
  const { lasting, calls, log } = setUp();
  await lasting.start();
  calls[0].given.onLost(new CallFailure("connection_lost"));

  lasting.close();
  await pass(TOTAL_MS);

  assert.equal(calls.length, 1);
  assert.equal(log.at(-1), "audio closed");
});

test("hanging up while the microphone is asked for closes what comes", async () => {
  const opened = Promise.withResolvers?.() ?? {};
  opened.promise ??= new Promise((resolve) => (opened.resolve = resolve));
  const { lasting, calls, log } = setUp({ openAudio: () => opened.promise });
  const starting = lasting.start();

  lasting.close();
  opened.resolve({ close: () => log.push("audio closed") });
  await starting;

  assert.deepEqual(log, ["audio closed"]);
  assert.equal(calls.length, 0);
});

test("a fatal error and the session's end are final", async () => {
  for (const [message, code] of [
    [{ type: "ended", reason: "closed" }, "session_ended"],
    [{ type: "error", error: { code: "model_lost" }, fatal: true }, "model_lost"],
  ]) {
    const { lasting, calls, log } = setUp();
    await lasting.start();

    calls[0].given.onMessage(message);
    await pass(TOTAL_MS);

    assert.equal(calls.length, 1);
    assert.equal(log.at(-1), `end ${code}`);
  }
});

test("a microphone that goes away ends it", async () => {
  let lose;
  const openAudio = async (_settings, onLost) => {
    lose = () => onLost(new CallFailure("microphone_lost"));
    return { microphone: {}, speaker: { flush() {} }, close() {} };
  };
  const { lasting, log } = setUp({ openAudio });
  await lasting.start();

  lose();

  assert.equal(log.at(-1), "end microphone_lost");
});

test("a client comes back with the ticket it got last", async () => {
  const kept = [];
  const { lasting, calls, tickets } = setUp({ onTicket: (it) => kept.push(it) });
  tickets.push({ sessionId: "s-1", token: "t-1" }, { sessionId: "s-1", token: "t-2" });
  await lasting.start();

  calls[0].given.onLost(new CallFailure("connection_lost"));
  await pass(300);

  assert.equal(calls[1].given.ticket.token, "t-1");
  assert.deepEqual(
    kept.map(({ token }) => token),
    ["t-1", "t-2"],
  );
});

test("an end for a restart is only a pause, a removal is for good", async () => {
  const first = setUp();
  await first.lasting.start();
  first.calls[0].given.onMessage({ type: "ended", reason: "shutdown" });
  await pass(300);
  assert.equal(first.calls.length, 2);
  assert.equal(first.log.at(-1), "live");

  const second = setUp();
  await second.lasting.start();
  second.calls[0].given.onMessage({ type: "ended", reason: "removed" });
  await pass(300);
  assert.equal(second.calls.length, 1);
  assert.equal(second.log.at(-1), "end removed");
});

test("a network that is back does not wait for the next attempt", async () => {
  const { lasting, calls, answers } = setUp();
  await lasting.start();
  answers.push(...Array(5).fill(new CallFailure("server_unreachable")));
  calls[0].given.onLost(new CallFailure("connection_lost"));
  await pass(8_000);
  const before = calls.length;

  answers.length = 0;
  lasting.nudge();
  await pass(100);

  assert.equal(calls.length, before + 1);
});

test("another leg or mode is told to the connection, another leg replaces it", async () => {
  const { lasting, calls, audio } = setUp();
  audio.use = async () => {};
  await lasting.start();

  await lasting.use({ ...DEFAULT_SETTINGS, mode: "speak", name: "Ada" });
  assert.equal(audio.speaker.muted, true);
  await lasting.use({ ...DEFAULT_SETTINGS, mode: "speak", name: "Ada", leg: "track" });
  await pass(300);

  assert.deepEqual(calls[0].sent, [
    { type: "mode", mode: "speak" },
    { type: "rename", name: "Ada" },
  ]);
  assert.equal(calls[1].given.leg, "track");
  assert.equal(calls[1].given.name, "Ada");
  assert.deepEqual(calls[1].sent, [{ type: "mode", mode: "speak" }]);
});

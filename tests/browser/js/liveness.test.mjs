/** Facts about finding out that nobody answers any more. */

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Liveness } from "../../../web/call/liveness.js";

function setUp() {
  const log = [];
  const liveness = new Liveness(
    () => log.push("ping"),
    (why) => log.push(why),
  );
  liveness.start();
  return { liveness, log };
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
});

test("whoever answers is asked once a second, for ever", () => {
  const { liveness, log } = setUp();

  for (let s = 0; s < 3_600; s++) {
    liveness.heard();
    mock.timers.tick(1_000);
  }

  assert.equal(log.length, 3_601);
  assert.ok(log.every((line) => line === "ping"));
});

test("four pings without an answer, and it is lost", () => {
  const { log } = setUp();

  mock.timers.tick(3_999);
  assert.deepEqual(log, ["ping", "ping", "ping", "ping"]);
  mock.timers.tick(1);
  assert.equal(log.at(-1), "no answer to pings");
});

test("of whoever does not answer twice it is asked elsewhere, once", () => {
  let nDoubts = 0;
  const liveness = new Liveness(
    () => {},
    () => {},
    () => nDoubts++,
  );
  liveness.start();

  mock.timers.tick(1_999);
  assert.equal(nDoubts, 0);
  mock.timers.tick(1_500);
  assert.equal(nDoubts, 1);
});

test("a page whose timers come once a minute loses nothing", () => {
  const { liveness, log } = setUp();

  for (let minute = 0; minute < 30; minute++) {
    liveness.heard(); // the answer to the last ping; then silence for a minute
    mock.timers.tick(1_000); // the one beat of it
  }

  assert.equal(log.includes("no answer to pings"), false);
});

test("a check that nobody answers is over after a second and a half", () => {
  const { liveness, log } = setUp();

  liveness.check();
  mock.timers.tick(750);
  mock.timers.tick(749);
  assert.equal(log.includes("no answer to a check"), false);
  mock.timers.tick(1);
  assert.equal(log.at(-1), "no answer to a check");
});

test("every check has its own time, however soon the next one follows", () => {
  const { liveness, log } = setUp();

  liveness.check();
  liveness.check();
  mock.timers.tick(100);
  liveness.heard();
  mock.timers.tick(1_300);
  liveness.check();
  mock.timers.tick(1_000);
  liveness.heard();
  mock.timers.tick(900);

  assert.equal(log.includes("no answer to a check"), false);
});

test("what came while the page was busy is read before it is judged", () => {
  const { liveness, log } = setUp();
  liveness.check();

  mock.timers.tick(750); // late: the answer is there, but the timer came first
  liveness.heard();
  mock.timers.tick(750);

  assert.equal(log.includes("no answer to a check"), false);
});

test("ended, it asks and says nothing more", () => {
  const { liveness, log } = setUp();
  liveness.check();
  liveness.stop();
  const before = log.length;

  liveness.check();
  mock.timers.tick(60_000);

  assert.equal(log.length, before);
  assert.equal(liveness.isOn, false);
});

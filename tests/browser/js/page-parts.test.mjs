/** Facts about the page's small pure parts: addresses, lists, legs, settings, keys. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { AccessKey } from "../../../web/bridge/access-key.js";
import { chooseLeg, seemsThin, ThinnessWatch } from "../../../web/call/leg.js";
import { continueRoute, invitationRoute, routeOf } from "../../../web/routes.js";
import { loadSettings } from "../../../web/settings.js";
import { rangeOf } from "../../../web/view/window-of-list.js";

const storage = (content = {}) => {
  const kept = new Map(Object.entries(content));
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => kept.set(name, value),
    removeItem: (name) => kept.delete(name),
  };
};

test("addresses lead to views, and anything unknown to the talk", () => {
  assert.equal(routeOf("").view, "talk");
  assert.equal(routeOf("#/nonsense/%E0%").view, "talk");
  assert.equal(routeOf("#/dashboard").view, "dashboard");
  assert.deepEqual(routeOf("#/conversations/a%2Fb"), {
    view: "conversations",
    conversationId: "a/b",
    invitation: null,
  });
  assert.equal(routeOf(continueRoute("a&b=c")).conversationId, "a&b=c");
});

test("an invitation survives its address", () => {
  const { view, invitation } = routeOf(invitationRoute("s/1", "eyJ.a+b.c="));

  assert.equal(view, "talk");
  assert.deepEqual(invitation, { sessionId: "s/1", token: "eyJ.a+b.c=" });
  assert.equal(routeOf("#session=only").invitation, null);
});

test("of a long list only what is near the eye exists", () => {
  const heights = Array(10_000).fill(50);

  const range = rangeOf(heights, 250_000, 600, 500);

  assert.deepEqual(range, {
    start: 4_990,
    end: 5_022,
    before: 249_500,
    after: (10_000 - 5_022) * 50,
  });
});

test("the ends of a list are whole, and an empty one is nothing", () => {
  assert.deepEqual(rangeOf([], 0, 600, 500), { start: 0, end: 0, before: 0, after: 0 });
  assert.equal(rangeOf(Array(100).fill(50), 0, 600, 100).start, 0);
  assert.equal(rangeOf(Array(100).fill(50), 4_400, 600, 100).end, 100);
  assert.equal(rangeOf(Array(100).fill(50), 4_400, 600, 100).after, 0);
});

test("automatic takes Opus where it can, and the track where pcm16 gets stuck", () => {
  assert.equal(chooseLeg("auto", { canOpus: true, isThin: false }), "opus");
  assert.equal(chooseLeg("auto", { canOpus: false, isThin: false }), "pcm16");
  assert.equal(chooseLeg("auto", { canOpus: false, isThin: true }), "track");
  assert.equal(chooseLeg("opus", { canOpus: false, isThin: false }), "track");
  assert.equal(chooseLeg("pcm16", { canOpus: true, isThin: true }), "pcm16");
  assert.equal(seemsThin({ effectiveType: "3g" }), true);
  assert.equal(seemsThin({ effectiveType: "4g" }), false);
  assert.equal(seemsThin(undefined), false);
});

test("a network is thin only when it drops for seconds", () => {
  const watch = new ThinnessWatch();
  const feed = (seconds, perSecond) => {
    let found = false;
    for (let i = 0; i < seconds; i++) {
      sent += 50 - perSecond;
      dropped += perSecond;
      found = watch.add({ framesSent: sent, framesDropped: dropped }) || found;
    }
    return found;
  };
  let [sent, dropped] = [0, 0];

  assert.equal(feed(30, 1), false);
  assert.equal(feed(1, 10), false);
  assert.equal(feed(8, 10), true);
});

test("settings that are no choice of ours fall back, a phone's own defaults count", () => {
  const saved = JSON.stringify({ leg: "pigeon", mode: "listen", name: 7 });
  const settings = loadSettings(storage({ "voicebridge.settings": saved }), {
    startMuted: true,
  });

  assert.equal(settings.leg, "auto");
  assert.equal(settings.mode, "listen");
  assert.equal(settings.name, "");
  assert.equal(settings.startMuted, true);
});

test("a key is kept where the person said, and forgotten everywhere", () => {
  const [tab, device] = [storage(), storage()];
  const key = new AccessKey(tab, device);

  key.keep("one", true);
  assert.equal(device.getItem("voicebridge.key"), "one");
  key.keep("two", false);
  assert.equal(key.value, "two");
  assert.equal(device.getItem("voicebridge.key"), null);
  key.forget();
  assert.equal(key.isKnown, false);
});

/** Facts about the page's words. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { de } from "../../../web/texts/de.js";
import { en } from "../../../web/texts/en.js";
import { Texts } from "../../../web/texts/texts.js";

const empty = { getItem: () => null };

test("every language has the same keys and the same places to fill in", () => {
  assert.deepEqual(Object.keys(de).sort(), Object.keys(en).sort());
  for (const key of Object.keys(en)) {
    const places = (text) => text.match(/\{\w+\}/g) ?? [];
    assert.deepEqual(places(de[key]), places(en[key]), key);
  }
});

test("every key the page's HTML names exists", () => {
  const html = readFileSync(
    new URL("../../../web/index.html", import.meta.url),
    "utf8",
  );
  const keys = [...html.matchAll(/data-(?:text|label)="([^"]+)"/g)].map((m) => m[1]);

  assert.ok(keys.length > 20);
  for (const key of keys) assert.ok(Object.hasOwn(en, key), key);
});

/** Keys that are put together from a family and a name that is not ours alone. */
const FAMILIES = [
  ...["state", "hint", "error", "notice", "nav", "quality", "hop", "leg", "thread"],
  ...["session", "delay", "stage", "report", "tool", "model"],
];

test("every key is used", () => {
  const web = fileURLToPath(new URL("../../../web/", import.meta.url));
  const files = readdirSync(web, { recursive: true }).map(String);
  const sources = files.filter((name) => /\.(js|html)$/.test(name) && !/^texts.(en|de)/.test(name));
  const all = sources.map((name) => readFileSync(join(web, name), "utf8")).join("\n");

  const isUsed = (key) =>
    FAMILIES.includes(key.split(".")[0]) || all.includes(`"${key}"`);
  assert.deepEqual(Object.keys(en).filter((key) => !isUsed(key)), []);
  for (const family of FAMILIES) {
    assert.match(all, new RegExp(`(\`${family}\\.\\$|named\\("${family}")`), family);
  }
});

test("the browser's first language that is spoken here is used", () => {
  assert.equal(Texts.choose(["fr-FR", "de-AT", "en"], empty).language, "de");
  assert.equal(Texts.choose(["fr-FR"], empty).language, "en");
  assert.equal(Texts.choose([], empty).language, "en");
});

test("a choice made here goes before the browser's", () => {
  assert.equal(Texts.choose(["en-GB"], { getItem: () => "de" }).language, "de");
  assert.equal(Texts.choose(["en-GB"], { getItem: () => "toString" }).language, "en");
});

test("a failure is put in our words, else in the bridge's, else in general ones", () => {
  const english = new Texts("en");
  const german = new Texts("de");
  const failure = { code: "model_unavailable", message: "The model is resting." };

  assert.equal(english.describe(failure), "The model is resting.");
  assert.equal(german.describe(failure), de["error.model_unavailable"]);
  assert.equal(
    german.describe({ code: "brand_new", message: "Ganz neu." }),
    "Ganz neu.",
  );
  assert.equal(
    english.describe({ code: "brand_new", message: "" }),
    en["error.internal"],
  );
});

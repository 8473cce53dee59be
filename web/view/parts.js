/**
 * Tables, lists of facts and gauges, of which panels and sheets are made.
 */

import { make } from "./element.js";

/**
 * A table that may be wider than its place.
 *
 * @param {string[]} head "" above a column that needs no name
 * @param {(Node | string)[][]} rows
 * @param {string} [kind] class of the table
 */
export function table(head, rows, kind = "") {
  const cells = head.map((text) => (text ? make("th", { scope: "col", text }) : make("td")));
  const body = rows.map((row) =>
    make("tr", {}, ...row.map((it, i) => make("td", { "data-name": head[i] }, it))),
  );
  return make(
    "div",
    { class: "table-scroll", tabindex: 0, role: "group", "aria-label": head[0] },
    make(
      "table",
      { class: kind },
      make("thead", {}, make("tr", {}, ...cells)),
      make("tbody", {}, ...body),
    ),
  );
}

/** @param {[name: string, value: string][]} facts */
export function factRows(facts) {
  return facts.map(([name, value]) =>
    make("div", {}, make("dt", { text: name }), make("dd", { text: value })),
  );
}

/**
 * A name and a bar: how much is usual, how much is rare, how much is allowed.
 *
 * @param {string} name
 * @param {string} words the same as text
 * @param {{p50: number, p95: number, budget: number, highest: number}} values of one unit
 */
export function gauge(name, words, { p50, p95, budget, highest }) {
  const row = make(
    "div",
    { class: "gauge", "data-grade": p95 > budget ? "poor" : "good" },
    make("span", { class: "gauge-name", text: name }),
    make(
      "span",
      { class: "gauge-bar", "aria-hidden": "true" },
      make("span", { class: "gauge-p95" }),
      make("span", { class: "gauge-p50" }),
      make("span", { class: "gauge-budget" }),
    ),
    make("span", { class: "gauge-value", text: words }),
  );
  for (const [property, value] of Object.entries({ p50, p95, budget })) {
    row.style.setProperty(`--${property}`, String(value / highest));
  }
  return row;
}

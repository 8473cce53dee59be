/**
 * One report of the instrument: what was measured, how it went, its page.
 */

import { make } from "./element.js";

/** @typedef {import("../bridge/operations.js").Report} Report */
/** @typedef {import("../texts/texts.js").Texts} Texts */

const MAX_HEADLINES = 5;
/** @type {Record<string, string>} */
const GRADE_OF = { pass: "good", fail: "poor", undecided: "fair" };

/**
 * @param {Report} report
 * @param {Texts} texts
 * @param {() => void} onOpen
 */
export function reportItem(report, texts, onOpen) {
  const open = make("button", {
    type: "button",
    class: "chip",
    text: texts.get("report.open"),
    "aria-label": `${texts.get("report.open")}: ${report.title}`,
  });
  open.hidden = !report.has_page;
  open.onclick = onOpen;
  const headlines = (report.headlines ?? []).slice(0, MAX_HEADLINES).map((it) => {
    const value = `${it.value} ${it.unit ?? ""}`.trim();
    return make(
      "li",
      {},
      make("span", { text: it.label }),
      make("strong", { text: value }),
    );
  });
  const when = texts.moment(Date.parse(report.started_at));
  const outcome = texts.named("report", report.outcome);
  return make(
    "article",
    { class: "report", "data-grade": GRADE_OF[report.outcome] },
    make(
      "div",
      { class: "report-words" },
      make("h4", { text: report.title }),
      make("small", { text: `${outcome} · ${when}` }),
      make("p", { text: report.words }),
    ),
    make("ul", { class: "report-figures" }, ...headlines),
    open,
  );
}

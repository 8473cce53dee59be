/**
 * The dashboard: tiles for what matters at a glance, a panel for each question.
 */

import { element, make, setProblem, setText } from "./element.js";
import { timeOf } from "./lobby-view.js";
import { drawSparkline } from "./sparkline.js";

/** @typedef {import("../bridge/operations.js").Report} Report */
/** @typedef {import("../bridge/sessions.js").LiveSession} LiveSession */
/** @typedef {import("../call/failures.js").CallFailure} CallFailure */
/** @typedef {import("../dashboard/figures.js").DashboardFigures} DashboardFigures */
/** @typedef {import("../bridge/prometheus.js").Distribution} Distribution */
/** @typedef {import("../texts/texts.js").Texts} Texts */
/** @typedef {import("../texts/texts.js").TextKey} TextKey */

/** Of one core: what the product promises for 1, 5 and 10 sessions on a small board. */
const BUDGET_PERCENT = [
  { sessions: 1, percent: 20 },
  { sessions: 5, percent: 60 },
  { sessions: 10, percent: 90 },
];
/** @type {Record<string, string>} */
const GRADE_OF = { pass: "good", fail: "poor", undecided: "fair" };
const STALE_MS = 6_000;
/** One way through the bridge: the target, p95. */
const DELAY_BUDGET_MS = 50;

/**
 * @typedef {object} Dashboard
 * @property {DashboardFigures | null} figures
 * @property {LiveSession[]} sessions
 * @property {Report[]} reports
 * @property {(number | null)[]} cpuHistory
 * @property {CallFailure | null} failure
 * @property {number} ageMs of the figures
 */

export class DashboardView {
  #texts;
  #actions;
  /** @type {Map<string, HTMLElement>} */ #panels = new Map();

  /**
   * @param {Texts} texts
   * @param {{onEnd: (sessionId: string) => void, onReport: (name: string) => void}} actions
   */
  constructor(texts, actions) {
    this.#texts = texts;
    this.#actions = actions;
  }

  /** @param {Dashboard} dashboard */
  render({ figures, sessions, reports, cpuHistory, failure, ageMs }) {
    setProblem("dashboard-problem", failure ? this.#texts.describe(failure) : "");
    const isStale = ageMs > STALE_MS;
    const state = element("dashboard-state");
    state.dataset.stale = String(isStale);
    const seconds = Math.round(ageMs / 1_000);
    const words = isStale
      ? this.#texts.get("dashboard.stale", { s: seconds })
      : this.#texts.get("dashboard.live");
    setText(state, figures ? words : "");
    if (!figures) return;
    this.#renderTiles(figures);
    this.#panel("panel.sessions", this.#sessionsTable(sessions), "wide");
    this.#panel("panel.delay", this.#delays(figures));
    this.#panel("panel.cpu", this.#cpu(figures));
    this.#drawCpu(cpuHistory, figures);
    this.#panel("panel.audio", this.#audio(figures));
    this.#panel("panel.turns", this.#turns(figures));
    this.#panel("panel.tools", this.#tools(figures));
    this.#panel("panel.errors", this.#errors(figures));
    this.#panel("panel.reports", this.#reports(reports), "wide");
  }

  // --- tiles ----------------------------------------------------------------------

  /** @param {DashboardFigures} figures */
  #renderTiles(figures) {
    const { sessions, clients, cpuPercent, memoryMb, uptimeS, errors } = figures;
    /** @type {[TextKey, string, string][]} */
    const tiles = [
      ["tile.sessions", this.#count(sessions), "plain"],
      ["tile.clients", this.#count(clients), "plain"],
      ["tile.cpu", this.#unit("unit.percent", cpuPercent), this.#cpuGrade(figures)],
      ["tile.memory", this.#unit("unit.mb", memoryMb), "plain"],
      ["tile.errors", this.#count(errors), errors ? "poor" : "good"],
    ];
    if (uptimeS !== null) {
      tiles.splice(4, 0, ["tile.uptime", this.#age(uptimeS), "plain"]);
    }
    const content = JSON.stringify([this.#texts.language, tiles]);
    const place = element("tiles");
    if (place.dataset.shown === content) return;
    place.dataset.shown = content;
    place.replaceChildren(
      ...tiles.map(([key, value, grade]) =>
        make(
          "div",
          { class: "tile", "data-grade": grade },
          make("span", { class: "tile-name", text: this.#texts.get(key) }),
          make("strong", { class: "tile-value", text: value }),
        ),
      ),
    );
  }

  /** @param {DashboardFigures} figures */
  #cpuGrade({ cpuPercent, sessions }) {
    const budget = budgetFor(sessions);
    if (cpuPercent === null || !sessions) return "plain";
    return cpuPercent > budget ? "poor" : "good";
  }

  // --- panels ---------------------------------------------------------------------

  /**
   * @param {TextKey} title
   * @param {Node[]} content
   * @param {string} [width]
   */
  #panel(title, content, width = "") {
    let panel = this.#panels.get(title);
    if (!panel) {
      panel = make("section", { class: `panel ${width}` }, make("h3"), make("div"));
      this.#panels.set(title, panel);
      element("panels").append(panel);
    }
    const [heading, body] = panel.children;
    setText(heading, this.#texts.get(title));
    const before = body.firstElementChild?.getAttribute("data-shown");
    const shown = content.map((node) => node.textContent).join("|");
    if (before === shown) return; // a button may be under a finger
    const held = make("div", { "data-shown": shown }, ...content);
    body.replaceChildren(held);
  }

  /** @param {LiveSession[]} sessions */
  #sessionsTable(sessions) {
    if (sessions.length === 0) return [this.#nothing("panel.sessions.none")];
    const rows = sessions.map((it) => {
      const end = make("button", {
        type: "button",
        class: "chip danger",
        text: this.#texts.get("dashboard.end"),
        "aria-label": `${this.#texts.get("dashboard.end")}: ${it.conversation_id}`,
      });
      end.onclick = () => this.#actions.onEnd(it.session_id);
      const since = timeOf(it.started_at);
      return [
        make("code", { text: it.conversation_id, title: it.conversation_id }),
        it.state ?? "",
        String(it.clients ?? ""),
        since ? this.#texts.duration(Date.now() - since) : "",
        end,
      ];
    });
    const head = ["col.conversation", "col.state", "col.clients", "col.since", ""];
    return [this.#table(/** @type {(TextKey | "")[]} */ (head), rows)];
  }

  /** @param {DashboardFigures} figures */
  #delays({ delays }) {
    if (delays.length === 0) return [this.#nothing("panel.none")];
    const highest = Math.max(DELAY_BUDGET_MS, ...delays.map((it) => it.p95));
    return delays.map((it) => {
      const row = make(
        "div",
        { class: "gauge" },
        make("span", { class: "gauge-name", text: it.key }),
        make(
          "span",
          { class: "gauge-bar", "aria-hidden": "true" },
          make("span", { class: "gauge-p95" }),
          make("span", { class: "gauge-p50" }),
          make("span", { class: "gauge-budget" }),
        ),
        make("span", {
          class: "gauge-value",
          text: `p50 ${this.#ms(it.p50)} · p95 ${this.#ms(it.p95)}`,
        }),
      );
      row.style.setProperty("--p50", String(it.p50 / highest));
      row.style.setProperty("--p95", String(it.p95 / highest));
      row.style.setProperty("--budget", String(DELAY_BUDGET_MS / highest));
      row.dataset.grade = it.p95 > DELAY_BUDGET_MS ? "poor" : "good";
      return row;
    });
  }

  /** @param {DashboardFigures} figures */
  #cpu({ processes, cpuPercent, cpuPerSessionPercent, sessions }) {
    const words = make("p", {
      class: "panel-words",
      text: [
        `${this.#texts.number(cpuPercent ?? 0)} ${this.#texts.get("dashboard.percore")}`,
        cpuPerSessionPercent !== null &&
          `${this.#texts.number(cpuPerSessionPercent)} % / ${this.#texts.get("col.conversation")}`,
        this.#texts.get("dashboard.budget", { value: budgetFor(sessions) }),
      ]
        .filter(Boolean)
        .join(" · "),
    });
    const plot = make("canvas", { class: "panel-plot", id: "cpu-plot", "aria-hidden": "true" });
    const rows = processes.map((it) => [
      this.#workerName(it),
      String(it.sessions),
      this.#unit("unit.percent", it.cpuPercent),
      this.#unit("unit.mb", it.memoryMb),
    ]);
    if (rows.length === 0) return [words, plot];
    const head = ["worker", "sessions", "cpu", "memory"];
    const keys = head.map((name) => /** @type {TextKey} */ (`col.${name}`));
    return [words, plot, this.#table(keys, rows)];
  }

  /** @param {import("../dashboard/figures.js").ProcessFigures} worker */
  #workerName({ name, isUp, restarts }) {
    const notes = [];
    if (!isUp) notes.push(this.#texts.get("worker.down"));
    if (restarts) notes.push(this.#texts.get("worker.restarts", { n: restarts }));
    return notes.length ? `${name} (${notes.join(", ")})` : name;
  }

  /**
   * @param {(number | null)[]} history
   * @param {DashboardFigures} figures
   */
  #drawCpu(history, { sessions }) {
    const plot = document.getElementById("cpu-plot");
    if (!(plot instanceof HTMLCanvasElement)) return;
    drawSparkline(plot, history, { slots: 90, atLeast: budgetFor(sessions), unit: " %" });
  }

  /** @param {DashboardFigures} figures */
  #audio({ concealedMs, lostMs, lateMs }) {
    if (concealedMs === null && lostMs === null && lateMs === null) {
      return [this.#nothing("panel.none")];
    }
    return [
      this.#facts([
        ["dashboard.concealed", this.#ms(concealedMs)],
        ["dashboard.lost", this.#ms(lostMs)],
        ["dashboard.late", this.#ms(lateMs)],
      ]),
    ];
  }

  /** @param {DashboardFigures} figures */
  #turns({ bargeIn, turns }) {
    if (bargeIn.length + turns.length === 0) return [this.#nothing("panel.none")];
    const row = (/** @type {string} */ name, /** @type {Distribution} */ it) => [
      name,
      String(it.n),
      this.#ms(it.p50),
      this.#ms(it.p95),
    ];
    const rows = [
      ...turns.map((it) => row(it.key, it)),
      ...bargeIn.map((it) => row(this.#texts.get("dashboard.stop"), it)),
    ];
    return [this.#table(["col.stage", "col.n", "col.p50", "col.p95"], rows)];
  }

  /** @param {DashboardFigures} figures */
  #tools({ tools, toolFailures }) {
    if (tools.length === 0) return [this.#nothing("panel.none")];
    const rows = tools.map((it) => [
      make("code", { text: it.key }),
      String(it.n),
      String(toolFailures.get(it.key) ?? 0),
      this.#ms(it.p50),
      this.#ms(it.p95),
    ]);
    const head = ["col.tool", "col.calls", "col.failed", "col.p50", "col.p95"];
    return [this.#table(/** @type {TextKey[]} */ (head), rows)];
  }

  /** @param {DashboardFigures} figures */
  #errors({ errorsByCode }) {
    if (errorsByCode.length === 0) return [this.#nothing("panel.none")];
    const rows = errorsByCode.map(([code, n]) => [make("code", { text: code }), String(n)]);
    return [this.#table(["col.code", "col.count"], rows)];
  }

  /** @param {Report[]} reports */
  #reports(reports) {
    if (reports.length === 0) return [this.#nothing("panel.reports.none")];
    return reports.slice(0, 6).map((it) => {
      const open = make("button", {
        type: "button",
        class: "chip",
        text: this.#texts.get("report.open"),
        "aria-label": `${this.#texts.get("report.open")}: ${it.title}`,
      });
      open.hidden = !it.has_page;
      open.onclick = () => this.#actions.onReport(it.name);
      const headlines = (it.headlines ?? [])
        .slice(0, 5)
        .map(({ label, value, unit = "" }) =>
          make(
            "li",
            {},
            make("span", { text: label }),
            make("strong", { text: `${value} ${unit}`.trim() }),
          ),
        );
      return make(
        "article",
        { class: "report", "data-grade": GRADE_OF[it.outcome] },
        make(
          "div",
          { class: "report-words" },
          make("h4", { text: it.title }),
          make("small", { text: this.#texts.moment(Date.parse(it.started_at)) }),
          make("p", { text: it.words }),
        ),
        make("ul", { class: "report-figures" }, ...headlines),
        open,
      );
    });
  }

  // --- parts ----------------------------------------------------------------------

  /**
   * @param {(TextKey | "")[]} head
   * @param {(Node | string)[][]} rows
   */
  #table(head, rows) {
    const cells = head.map((key) =>
      key ? make("th", { scope: "col", text: this.#texts.get(key) }) : make("td"),
    );
    const body = rows.map((row) => make("tr", {}, ...row.map((it) => make("td", {}, it))));
    return make(
      "div",
      { class: "table-scroll", tabindex: 0, role: "group", "aria-label": cells[0].textContent },
      make(
        "table",
        {},
        make("thead", {}, make("tr", {}, ...cells)),
        make("tbody", {}, ...body),
      ),
    );
  }

  /** @param {[TextKey, string][]} facts */
  #facts(facts) {
    const rows = facts.map(([key, value]) =>
      make(
        "div",
        {},
        make("dt", { text: this.#texts.get(key) }),
        make("dd", { text: value }),
      ),
    );
    return make("dl", { class: "facts" }, ...rows);
  }

  /** @param {TextKey} key */
  #nothing(key) {
    return make("p", { class: "quiet-words", text: this.#texts.get(key) });
  }

  /** @param {number} seconds */
  #age(seconds) {
    const minutes = Math.floor(seconds / 60);
    const rest = this.#texts.get("unit.min", { value: minutes % 60 });
    if (minutes < 60) return rest;
    const hours = this.#texts.get("unit.h", { value: Math.floor(minutes / 60) });
    return minutes < 60 * 24 ? `${hours} ${rest}` : hours;
  }

  /** @param {number | null} value */
  #count(value) {
    return value === null ? this.#texts.get("figures.none") : this.#texts.number(value, 0);
  }

  /**
   * @param {"unit.percent" | "unit.mb"} key
   * @param {number | null} value
   */
  #unit(key, value) {
    if (value === null) return this.#texts.get("figures.none");
    return this.#texts.get(key, { value: this.#texts.number(value, value < 10 ? 1 : 0) });
  }

  /** @param {number | null} ms */
  #ms(ms) {
    if (ms === null) return this.#texts.get("figures.none");
    if (ms >= 1_000) return this.#texts.get("unit.s", { value: this.#texts.number(ms / 1_000, 2) });
    return this.#texts.get("figures.ms", { value: this.#texts.number(ms, ms < 10 ? 1 : 0) });
  }
}

/** @param {number | null} sessions */
function budgetFor(sessions) {
  const found = BUDGET_PERCENT.find((it) => (sessions ?? 0) <= it.sessions);
  return (found ?? BUDGET_PERCENT[BUDGET_PERCENT.length - 1]).percent;
}

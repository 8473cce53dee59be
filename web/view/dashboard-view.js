/**
 * The dashboard: tiles for what matters at a glance, a panel for each question.
 */

import { element, make, setProblem, setText } from "./element.js";
import { FigureWords } from "./figure-words.js";
import { timeOf } from "./lobby-view.js";
import { factRows, gauge, table } from "./parts.js";
import { reportItem } from "./report-item.js";
import { drawSparkline } from "./sparkline.js";

/** @typedef {import("../bridge/operations.js").Report} Report */
/** @typedef {import("../bridge/sessions.js").LiveSession} LiveSession */
/** @typedef {import("../call/failures.js").CallFailure} CallFailure */
/** @typedef {import("../dashboard/figures.js").DashboardFigures} DashboardFigures */
/** @typedef {import("../dashboard/figures.js").ProcessFigures} ProcessFigures */
/** @typedef {import("../bridge/prometheus.js").Distribution} Distribution */
/** @typedef {import("../texts/texts.js").Texts} Texts */
/** @typedef {import("../texts/texts.js").TextKey} TextKey */

/** Of one core: what the product promises for 1, 5 and 10 sessions on a small board. */
const BUDGET_PERCENT = [
  { sessions: 1, percent: 20 },
  { sessions: 5, percent: 60 },
  { sessions: 10, percent: 90 },
];
const STALE_MS = 6_000;
/** One way through the bridge: the target, p95. */
const DELAY_BUDGET_MS = 50;
const MAX_REPORTS = 6;

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
  #words;
  #actions;
  /** @type {Map<string, HTMLElement>} */ #panels = new Map();

  /**
   * @param {Texts} texts
   * @param {{onEnd: (sessionId: string) => void, onReport: (name: string) => void}} actions
   */
  constructor(texts, actions) {
    this.#texts = texts;
    this.#words = new FigureWords(texts);
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
    const { sessions, clients, cpuPercent, memoryMb, addedMs, errors } = figures;
    const isSlow = addedMs !== null && addedMs > DELAY_BUDGET_MS;
    /** @type {[TextKey, string, string][]} */
    const tiles = [
      ["tile.sessions", this.#words.count(sessions), "plain"],
      ["tile.clients", this.#words.count(clients), "plain"],
      ["tile.delay", this.#words.ms(addedMs), isSlow ? "poor" : "plain"],
      ["tile.cpu", this.#words.percent(cpuPercent), this.#cpuGrade(figures)],
      ["tile.memory", this.#words.megabytes(memoryMb), "plain"],
      ["tile.errors", this.#words.count(errors), errors ? "poor" : "good"],
    ];
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
    if (cpuPercent === null || !sessions) return "plain";
    return cpuPercent > budgetFor(sessions) ? "poor" : "good";
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
        this.#texts.named("session", it.state ?? ""),
        String(it.clients ?? ""),
        since ? this.#texts.duration(Date.now() - since) : "",
        end,
      ];
    });
    const head = this.#names("col.conversation", "col.state", "col.clients", "col.since");
    return [table([...head, ""], rows, "sessions")];
  }

  /** @param {DashboardFigures} figures */
  #delays({ delays }) {
    if (delays.length === 0) return [this.#nothing("panel.none")];
    const highest = Math.max(DELAY_BUDGET_MS, ...delays.map((it) => it.p95));
    return delays.map(({ key, p50, p95 }) => {
      const words = `p50 ${this.#words.ms(p50)} · p95 ${this.#words.ms(p95)}`;
      const values = { p50, p95, budget: DELAY_BUDGET_MS, highest };
      return gauge(this.#texts.named("delay", key), words, values);
    });
  }

  /** @param {DashboardFigures} figures */
  #cpu({ processes, cpuPercent, cpuPerSessionPercent, sessions }) {
    const parts = [
      this.#texts.get("dashboard.percore", { value: this.#words.percent(cpuPercent) }),
      this.#texts.get("dashboard.budget", { value: budgetFor(sessions) }),
    ];
    if (cpuPerSessionPercent !== null) {
      const value = this.#words.percent(cpuPerSessionPercent);
      parts.splice(1, 0, this.#texts.get("dashboard.persession", { value }));
    }
    const words = make("p", { class: "panel-words", text: parts.join(" · ") });
    const plot = make("canvas", { class: "panel-plot", id: "cpu-plot", "aria-hidden": "true" });
    const rows = processes.map((it) => [
      this.#processName(it),
      this.#words.count(it.sessions),
      this.#words.percent(it.cpuPercent),
      this.#words.megabytes(it.memoryMb),
    ]);
    if (rows.length === 0) return [words, plot];
    const head = this.#names("col.process", "col.sessions", "col.cpu", "col.memory");
    return [words, plot, table(head, rows)];
  }

  /** @param {ProcessFigures} process */
  #processName({ worker, isUp, restarts }) {
    const notes = [];
    if (!isUp) notes.push(this.#texts.get("worker.down"));
    if (restarts) notes.push(this.#texts.get("worker.restarts", { n: restarts }));
    const name =
      worker === null
        ? this.#texts.get("process.front")
        : this.#texts.get("process.worker", { n: worker });
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
    const facts = factRows([
      [this.#texts.get("fact.concealed"), this.#words.ms(concealedMs)],
      [this.#texts.get("fact.lost"), this.#words.ms(lostMs)],
      [this.#texts.get("fact.late"), this.#words.ms(lateMs)],
    ]);
    return [make("dl", { class: "facts" }, ...facts)];
  }

  /** @param {DashboardFigures} figures */
  #turns({ bargeIn, turns }) {
    if (bargeIn.length + turns.length === 0) return [this.#nothing("panel.none")];
    const row = (/** @type {string} */ name, /** @type {Distribution} */ it) => [
      name,
      this.#words.count(it.n),
      this.#words.ms(it.p50),
      this.#words.ms(it.p95),
    ];
    const rows = [
      ...turns.map((it) => row(this.#texts.named("stage", it.key), it)),
      ...bargeIn.map((it) => row(this.#texts.get("dashboard.stop"), it)),
    ];
    return [table(this.#names("col.stage", "col.n", "col.p50", "col.p95"), rows)];
  }

  /** @param {DashboardFigures} figures */
  #tools({ tools, toolFailures }) {
    if (tools.length === 0) return [this.#nothing("panel.none")];
    const rows = tools.map((it) => [
      make("code", { text: it.key, title: it.key }),
      this.#words.count(it.n),
      this.#words.count(toolFailures.get(it.key) ?? 0),
      this.#words.ms(it.p50),
      this.#words.ms(it.p95),
    ]);
    const head = this.#names("col.tool", "col.calls", "col.failed", "col.p50", "col.p95");
    return [table(head, rows)];
  }

  /** @param {DashboardFigures} figures */
  #errors({ errorsByCode }) {
    if (errorsByCode.length === 0) return [this.#nothing("panel.errors.none")];
    const rows = errorsByCode.map(([code, n]) => [
      make("code", { text: code, title: code }),
      this.#words.count(n),
    ]);
    return [table(this.#names("col.code", "col.count"), rows)];
  }

  /** @param {Report[]} reports */
  #reports(reports) {
    if (reports.length === 0) return [this.#nothing("panel.reports.none")];
    return reports
      .slice(0, MAX_REPORTS)
      .map((it) => reportItem(it, this.#texts, () => this.#actions.onReport(it.name)));
  }

  // --- parts ----------------------------------------------------------------------

  /** @param {TextKey[]} keys */
  #names(...keys) {
    return keys.map((key) => this.#texts.get(key));
  }

  /** @param {TextKey} key */
  #nothing(key) {
    return make("p", { class: "quiet-words", text: this.#texts.get(key) });
  }
}

/** @param {number | null} sessions */
function budgetFor(sessions) {
  const found = BUDGET_PERCENT.find((it) => (sessions ?? 0) <= it.sessions);
  return (found ?? BUDGET_PERCENT[BUDGET_PERCENT.length - 1]).percent;
}

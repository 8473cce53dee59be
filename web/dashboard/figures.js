/**
 * What the dashboard shows, out of what the bridge says about itself. Pure.
 */

import { distributionsBy, total, totalsBy } from "../bridge/prometheus.js";

/** @typedef {import("../bridge/prometheus.js").Family} Family */
/** @typedef {import("../bridge/prometheus.js").Distribution} Distribution */
/** @typedef {import("../bridge/operations.js").Health} Health */

/**
 * One look at the bridge.
 *
 * @typedef {object} Look
 * @property {number} atMs any clock that only goes forward
 * @property {Health} health
 * @property {Map<string, Family> | null} metrics null: the bridge gives none
 */

/**
 * @typedef {object} ProcessFigures
 * @property {string} name
 * @property {boolean} isUp
 * @property {number} restarts
 * @property {number} cpuPercent of one core
 * @property {number | null} memoryMb
 * @property {number} sessions
 */

/**
 * @typedef {object} DashboardFigures
 * @property {number | null} sessions
 * @property {number | null} clients
 * @property {number | null} cpuPercent of one core, all processes together
 * @property {number | null} cpuPerSessionPercent
 * @property {number | null} memoryMb
 * @property {number | null} uptimeS
 * @property {number} errors
 * @property {Distribution[]} delays ms, by hop
 * @property {Distribution[]} bargeIn ms
 * @property {Distribution[]} turns ms, by stage
 * @property {Distribution[]} tools ms, by tool
 * @property {Map<string, number>} toolFailures by tool
 * @property {[string, number][]} errorsByCode
 * @property {ProcessFigures[]} processes
 * @property {number | null} concealedMs
 * @property {number | null} lostMs
 * @property {number | null} lateMs
 */

/**
 * @param {Look} now
 * @param {Look | null} before for what is a rate
 * @returns {DashboardFigures}
 */
export function figuresOf(now, before) {
  const { health, metrics } = now;
  const usage = health.process ?? {};
  const find = (/** @type {string[]} */ ...names) => pick(metrics, names);
  const errors = totalsBy(find("errors"), "code").filter(([, n]) => n > 0);
  const cpuPercent = cpuOf(now, before);
  const sessions = health.sessions ?? null;
  return {
    sessions,
    clients: health.clients ?? null,
    cpuPercent,
    cpuPerSessionPercent: cpuPercent !== null && sessions ? cpuPercent / sessions : null,
    memoryMb: memoryOf(usage),
    uptimeS: usage.uptime_s ?? null,
    errors: errors.reduce((sum, [, n]) => sum + n, 0),
    delays: inMs(find("hop_delay"), "hop"),
    bargeIn: inMs(find("barge_in_stop"), "reason"),
    turns: inMs(find("turn_stage"), "stage"),
    tools: inMs(find("tool"), "tool"),
    toolFailures: failuresOf(find("tool_calls")),
    errorsByCode: errors,
    processes: processesOf(now),
    concealedMs: totalMs(find("audio_concealed")),
    lostMs: totalMs(find("audio_lost")),
    lateMs: totalMs(find("audio_late")),
  };
}

/**
 * @param {Map<string, Family> | null} metrics
 * @param {string[]} stems without prefix, unit and suffix
 * @returns {Family | undefined}
 */
function pick(metrics, stems) {
  for (const stem of stems) {
    for (const unit of ["_ms", "_seconds", ""]) {
      for (const suffix of ["", "_total"]) {
        const found = metrics?.get(`voicebridge_${stem}${unit}${suffix}`);
        if (found) return found;
      }
    }
  }
  return undefined;
}

/**
 * @param {Family | undefined} calls by tool and by how they ended
 * @returns {Map<string, number>}
 */
function failuresOf(calls) {
  const failed = (calls?.samples ?? []).filter(({ labels }) => labels.end !== "finished");
  return new Map(totalsBy(calls && { ...calls, samples: failed }, "tool"));
}

/** @param {Family | undefined} family */
function msPerUnit(family) {
  return family?.name.includes("_seconds") ? 1_000 : 1;
}

/** @param {Family | undefined} family */
function totalMs(family) {
  const sum = total(family);
  return sum === null ? null : sum * msPerUnit(family);
}

/**
 * @param {Family | undefined} family
 * @param {string} label
 */
function inMs(family, label) {
  const factor = msPerUnit(family);
  return distributionsBy(family, label).map((it) => ({
    ...it,
    p50: it.p50 * factor,
    p95: it.p95 * factor,
  }));
}

/**
 * @param {Look} now
 * @param {Look | null} before
 */
function cpuOf(now, before) {
  const [a, b] = [before?.health.process?.cpu_s, now.health.process?.cpu_s];
  if (!before || a === undefined || b === undefined || b < a) return null;
  const elapsedS = (now.atMs - before.atMs) / 1_000;
  return elapsedS > 0 ? (100 * (b - a)) / elapsedS : null;
}

/** @param {Record<string, number>} usage */
function memoryOf(usage) {
  if (usage.rss_mb !== undefined) return usage.rss_mb;
  if (usage.rss_bytes !== undefined) return usage.rss_bytes / 1e6;
  return usage.max_rss_mb ?? null;
}

/** @param {Look} look */
function processesOf({ health }) {
  return (health.workers ?? []).map((it) => ({
    name: String(it.index),
    isUp: it.is_up,
    restarts: it.restarts,
    cpuPercent: 100 * it.cpu,
    memoryMb: it.report?.rss_bytes === undefined ? null : it.report.rss_bytes / 1e6,
    sessions: it.sessions,
  }));
}

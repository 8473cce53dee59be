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
 * @property {number | null} worker its number from 1 on; null: the front
 * @property {boolean} isUp
 * @property {number} restarts
 * @property {number | null} cpuPercent of one core; null until there were two looks
 * @property {number | null} memoryMb
 * @property {number | null} sessions null where none can be
 */

/**
 * @typedef {object} DashboardFigures
 * @property {number | null} sessions
 * @property {number | null} clients
 * @property {number | null} cpuPercent of one core, all processes together
 * @property {number | null} cpuPerSessionPercent
 * @property {number | null} memoryMb
 * @property {number | null} addedMs what the bridge adds one way, p95 of the worse one
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
  const find = (/** @type {string} */ stem) => pick(metrics, stem);
  const errors = totalsBy(find("errors"), "code").filter(([, n]) => n > 0);
  const cpuPercent = rateOf(now, before, ({ process }) => process?.cpu_s);
  const delays = inMs(find("hop_delay"), "hop");
  const sessions = health.sessions ?? null;
  return {
    sessions,
    clients: health.clients ?? null,
    cpuPercent,
    cpuPerSessionPercent: cpuPercent !== null && sessions ? cpuPercent / sessions : null,
    memoryMb: megabytes(health.process?.rss_bytes),
    addedMs: addedOf(delays),
    errors: errors.reduce((sum, [, n]) => sum + n, 0),
    delays,
    bargeIn: inMs(find("barge_in_stop"), "reason"),
    turns: inMs(find("turn_stage"), "stage"),
    tools: inMs(find("tool"), "tool"),
    toolFailures: failuresOf(find("tool_calls")),
    errorsByCode: errors,
    processes: processesOf(now, before),
    concealedMs: totalMs(find("audio_concealed")),
    lostMs: totalMs(find("audio_lost")),
    lateMs: totalMs(find("audio_late")),
  };
}

/**
 * @param {Map<string, Family> | null} metrics
 * @param {string} stem without prefix, unit and suffix
 * @returns {Family | undefined}
 */
function pick(metrics, stem) {
  for (const unit of ["_seconds", ""]) {
    for (const suffix of ["", "_total"]) {
      const found = metrics?.get(`voicebridge_${stem}${unit}${suffix}`);
      if (found) return found;
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

/** @param {Distribution[]} delays */
function addedOf(delays) {
  const ways = delays.filter(({ key }) => key === "uplink" || key === "downlink");
  return ways.length ? Math.max(...ways.map(({ p95 }) => p95)) : null;
}

/**
 * Per cent of one core that was used between two looks.
 *
 * @param {Look} now
 * @param {Look | null} before
 * @param {(health: Health) => number | undefined} cpuS CPU time so far
 */
function rateOf(now, before, cpuS) {
  const [a, b] = [before && cpuS(before.health), cpuS(now.health)];
  if (!before || a === undefined || a === null || b === undefined || b < a) return null;
  const elapsedS = (now.atMs - before.atMs) / 1_000;
  return elapsedS > 0 ? (100 * (b - a)) / elapsedS : null;
}

/** @param {number | undefined} bytes */
function megabytes(bytes) {
  return bytes === undefined ? null : bytes / 1e6;
}

/**
 * The front, then the media processes; without any the front does their work.
 *
 * @param {Look} now
 * @param {Look | null} before
 * @returns {ProcessFigures[]}
 */
function processesOf(now, before) {
  const { processes = [], workers = [] } = now.health;
  const usageOf = (/** @type {number | null} */ pid) => {
    const find = (/** @type {Health} */ { processes: all }) => all?.find((it) => it.pid === pid);
    return {
      cpuPercent: rateOf(now, before, (health) => find(health)?.cpu_s),
      memoryMb: megabytes(find(now.health)?.rss_bytes),
    };
  };
  const front = processes.find(({ role }) => role === "front");
  const own = workers.find(({ pid }) => pid === front?.pid);
  const rows = workers
    .filter((it) => it !== own)
    .map((it) => ({
      worker: it.index + 1,
      isUp: it.is_up,
      restarts: it.restarts,
      sessions: it.sessions,
      ...usageOf(it.pid),
    }));
  if (!front) return rows;
  const work = { worker: null, isUp: true, restarts: 0, sessions: own?.sessions ?? null };
  return [{ ...work, ...usageOf(front.pid) }, ...rows];
}

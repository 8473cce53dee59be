/**
 * What the bridge says about itself: health, metrics, reports.
 */

import { parseMetrics } from "./prometheus.js";

/** @typedef {import("./bridge-http.js").BridgeHttp} BridgeHttp */

/**
 * @typedef {object} WorkerHealth
 * @property {number} index
 * @property {number | null} pid
 * @property {boolean} is_up
 * @property {number} restarts
 * @property {number} sessions
 */

/**
 * @typedef {object} Usage of one process, or of all of the bridge's together
 * @property {number} cpu_s so far
 * @property {number} [rss_bytes]
 */

/**
 * @typedef {object} Health
 * @property {string} status
 * @property {string} [version]
 * @property {{kind: string}} [model]
 * @property {number} [sessions]
 * @property {number} [clients]
 * @property {Usage} [process]
 * @property {(Usage & {role: string, pid: number})[]} [processes]
 * @property {WorkerHealth[]} [workers]
 */

/**
 * @typedef {object} Report
 * @property {string} name
 * @property {string} kind
 * @property {string} title
 * @property {string} started_at ISO 8601, UTC
 * @property {"pass" | "fail" | "undecided"} outcome
 * @property {string} words
 * @property {{label: string, value: string, unit?: string}[]} [headlines]
 * @property {boolean} has_page
 */

export class Operations {
  #http;

  /** @param {BridgeHttp} http */
  constructor(http) {
    this.#http = http;
  }

  /** @returns {Promise<Health>} */
  health() {
    return this.#http.json("healthz");
  }

  /** @returns {Promise<Map<string, import("./prometheus.js").Family>>} */
  async metrics() {
    const response = await this.#http.fetch("metrics");
    return parseMetrics(await response.text());
  }

  /** @returns {Promise<Report[]>} newest first */
  async reports() {
    const { reports } = await this.#http.json("api/reports");
    return reports ?? [];
  }

  /**
   * The page of a report: a file of its own, which runs nothing.
   *
   * @param {string} name
   * @returns {Promise<Blob>}
   */
  async report(name) {
    const path = `api/reports/${encodeURIComponent(name)}/page`;
    return (await this.#http.fetch(path)).blob();
  }
}

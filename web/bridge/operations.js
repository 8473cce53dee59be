/**
 * What the bridge says about itself: health, metrics, reports.
 */

import { parseMetrics } from "./prometheus.js";

/** @typedef {import("./bridge-http.js").BridgeHttp} BridgeHttp */

/**
 * @typedef {object} WorkerHealth
 * @property {string | number} [worker]
 * @property {string | number} [name]
 * @property {number | null} [pid]
 * @property {string} [state]
 * @property {number} [sessions]
 * @property {number} [clients]
 * @property {number} [cpu] share of one core
 * @property {number} [rss_mb]
 */

/**
 * @typedef {object} Health
 * @property {string} status
 * @property {string} [version]
 * @property {{kind: string}} [model]
 * @property {number} [sessions]
 * @property {number} [clients]
 * @property {Record<string, number>} [process]
 * @property {WorkerHealth[]} [workers]
 */

/**
 * @typedef {object} Report
 * @property {string} name
 * @property {string} kind
 * @property {string} created_at ISO 8601, UTC
 * @property {string} [verdict]
 * @property {string} [path] of its page, below the base
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
   * The page of a report, which may not run anything.
   *
   * @param {string} name
   * @returns {Promise<Blob>}
   */
  async report(name) {
    const path = `api/reports/${encodeURIComponent(name)}/page`;
    return (await this.#http.fetch(path)).blob();
  }
}

/**
 * The text format of Prometheus, version 0.0.4: read, and asked for figures. Pure.
 *
 * @typedef {object} Sample
 * @property {string} name with its suffix (_bucket, _sum, _count, _total)
 * @property {Record<string, string>} labels
 * @property {number} value
 *
 * @typedef {object} Family
 * @property {string} name
 * @property {string} type counter, gauge, histogram, summary or untyped
 * @property {string} help
 * @property {Sample[]} samples
 */

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const SUFFIX = /_(bucket|sum|count|total|created|info)$/;

/**
 * @param {string} text
 * @returns {Map<string, Family>} by the family's name; lines that are none are left out
 */
export function parseMetrics(text) {
  /** @type {Map<string, Family>} */
  const families = new Map();
  /** @type {(name: string) => Family} */
  const familyOf = (name) => {
    const known = families.get(name) ?? families.get(name.replace(SUFFIX, ""));
    if (known) return known;
    const made = { name, type: "untyped", help: "", samples: [] };
    families.set(name, made);
    return made;
  };
  for (const line of text.split("\n")) {
    const [hash, kind, name, ...rest] = line.split(" ");
    if (hash === "#" && kind === "TYPE") familyOf(name).type = rest.join(" ").trim();
    else if (hash === "#" && kind === "HELP") familyOf(name).help = rest.join(" ");
    else if (!line.startsWith("#")) {
      const sample = sampleOf(line.trim());
      if (sample) familyOf(sample.name).samples.push(sample);
    }
  }
  return families;
}

/**
 * @param {string} line
 * @returns {Sample | null}
 */
function sampleOf(line) {
  const match = SAMPLE.exec(line);
  if (!match) return null;
  /** @type {Record<string, string>} */
  const labels = {};
  for (const [, name, value] of (match[2] ?? "").matchAll(LABEL)) {
    labels[name] = value.replace(/\\(.)/g, (_, it) => (it === "n" ? "\n" : it));
  }
  const value = Number(match[3].replace(/^([+-]?)Inf$/, "$1Infinity"));
  return { name: match[1], labels, value };
}

/**
 * The sum of a family's samples, its histogram's parts aside.
 *
 * @param {Family | undefined} family
 * @returns {number | null} null when there is nothing
 */
export function total(family) {
  const samples = plain(family);
  if (samples.length === 0) return null;
  return samples.reduce((sum, it) => sum + it.value, 0);
}

/**
 * Sums by one label, the highest first.
 *
 * @param {Family | undefined} family
 * @param {string} label
 * @returns {[string, number][]}
 */
export function totalsBy(family, label) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const { labels, value } of plain(family)) {
    const key = labels[label] ?? "";
    sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return [...sums].sort((a, b) => b[1] - a[1]);
}

/** @param {Family | undefined} family */
function plain(family) {
  return (family?.samples ?? []).filter(({ name }) => !/_(bucket|created)$/.test(name));
}

/**
 * @typedef {object} Distribution
 * @property {string} key the label's value
 * @property {number} n
 * @property {number} p50 in the family's unit, between the bounds of its bucket
 * @property {number} p95
 */

/**
 * Distributions of a histogram by one label, in the order of the text.
 *
 * @param {Family | undefined} family
 * @param {string} label
 * @returns {Distribution[]} those that have counted anything
 */
export function distributionsBy(family, label) {
  /** @type {Map<string, Map<number, number>>} */
  const byKey = new Map();
  for (const { name, labels, value } of family?.samples ?? []) {
    if (!name.endsWith("_bucket")) continue;
    const key = labels[label] ?? "";
    const bound = Number((labels.le ?? "").replace("+Inf", "Infinity"));
    const buckets = byKey.get(key) ?? new Map();
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
    byKey.set(key, buckets);
  }
  return [...byKey]
    .map(([key, buckets]) => {
      const sorted = [...buckets].sort((a, b) => a[0] - b[0]);
      const n = sorted.at(-1)?.[1] ?? 0;
      return { key, n, p50: quantile(sorted, n, 0.5), p95: quantile(sorted, n, 0.95) };
    })
    .filter(({ n }) => n > 0);
}

/**
 * @param {[number, number][]} buckets upper bound and how many are not above it
 * @param {number} n
 * @param {number} share
 */
function quantile(buckets, n, share) {
  const wanted = share * n;
  let lower = 0;
  let below = 0;
  for (const [bound, count] of buckets) {
    if (count >= wanted && count > below) {
      if (bound === Infinity) return lower; // more than the last bound: at least that
      return lower + ((bound - lower) * (wanted - below)) / (count - below);
    }
    lower = bound;
    below = count;
  }
  return lower;
}

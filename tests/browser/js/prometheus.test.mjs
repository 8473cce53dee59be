/** Facts about reading what the bridge measures. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  distributionsBy,
  parseMetrics,
  total,
  totalsBy,
} from "../../../web/bridge/prometheus.js";
import { figuresOf } from "../../../web/dashboard/figures.js";

const TEXT = `# HELP voicebridge_errors_total Told to users.
# TYPE voicebridge_errors_total counter
voicebridge_errors_total{code="a \\"b\\"\\n"} 2
voicebridge_errors_total{code="c"} 3 1700000000000
# TYPE voicebridge_tool_seconds histogram
voicebridge_tool_seconds_bucket{tool="x",le="0.1"} 5
voicebridge_tool_seconds_bucket{tool="x",le="0.2"} 10
voicebridge_tool_seconds_bucket{tool="x",le="+Inf"} 10
voicebridge_tool_seconds_sum{tool="x"} 1.1
voicebridge_tool_seconds_count{tool="x"} 10
this is no line of it
voicebridge_up 1
`;

test("families, labels and escapes are read, nonsense is left out", () => {
  const families = parseMetrics(TEXT);

  assert.deepEqual([...families.keys()].sort(), [
    "voicebridge_errors_total",
    "voicebridge_tool_seconds",
    "voicebridge_up",
  ]);
  const errors = families.get("voicebridge_errors_total");
  assert.equal(errors.type, "counter");
  assert.deepEqual(totalsBy(errors, "code"), [
    ["c", 3],
    ['a "b"\n', 2],
  ]);
  assert.equal(total(errors), 5);
  assert.equal(total(undefined), null);
});

test("quantiles lie within their bucket", () => {
  const [x] = distributionsBy(parseMetrics(TEXT).get("voicebridge_tool_seconds"), "tool");

  assert.equal(x.n, 10);
  assert.ok(Math.abs(x.p50 - 0.1) < 1e-9);
  assert.ok(Math.abs(x.p95 - 0.19) < 1e-9);
});

test("seconds become milliseconds, and rates need two looks", () => {
  const look = (atMs, cpu_s) => ({
    atMs,
    health: { status: "ok", sessions: 2, process: { cpu_s, rss_bytes: 5e6 } },
    metrics: parseMetrics(TEXT),
  });

  const first = figuresOf(look(0, 1), null);
  const second = figuresOf(look(2_000, 1.5), look(0, 1));

  assert.equal(first.cpuPercent, null);
  assert.equal(second.cpuPercent, 25);
  assert.equal(second.cpuPerSessionPercent, 12.5);
  assert.equal(second.memoryMb, 5);
  assert.equal(second.errors, 5);
  assert.ok(Math.abs(second.tools[0].p95 - 190) < 1e-6);
});

test("every process has its own rate; a worker within the front is the front", () => {
  const look = (atMs, cpu_s, workers) => ({
    atMs,
    health: {
      status: "ok",
      processes: [
        { role: "front", pid: 1, cpu_s, rss_bytes: 4e6 },
        { role: "media 1", pid: 2, cpu_s: 3 * cpu_s, rss_bytes: 6e6 },
        { role: "fake", pid: 9, cpu_s: 100 * cpu_s },
      ],
      workers,
    },
    metrics: null,
  });
  const worker = (pid, index, is_up = true) => ({ pid, index, is_up, restarts: 0, sessions: 2 });
  const two = [worker(2, 0), worker(null, 1, false)];

  const { processes } = figuresOf(look(1_000, 0.2, two), look(0, 0.1, two));
  const row = ({ worker, isUp, cpuPercent, memoryMb, sessions }) =>
    [worker, isUp, cpuPercent && Math.round(cpuPercent), memoryMb, sessions];
  assert.deepEqual(processes.map(row), [
    [null, true, 10, 4, null],
    [1, true, 30, 6, 2],
    [2, false, null, null, 2],
  ]);

  const inFront = figuresOf(look(0, 1, [worker(1, 0)]), null).processes;
  assert.deepEqual(inFront.map(row), [[null, true, null, 4, 2]]);
});

test("a bridge that was restarted has no rate, and one without metrics no figures", () => {
  const bare = (cpu_s) => ({
    atMs: cpu_s,
    health: { status: "ok", process: { cpu_s } },
    metrics: null,
  });

  const figures = figuresOf(bare(1), bare(9));

  assert.equal(figures.cpuPercent, null);
  assert.deepEqual([figures.delays, figures.errors, figures.sessions], [[], 0, null]);
});

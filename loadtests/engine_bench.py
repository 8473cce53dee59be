"""`voicebridge bench engine`: what a session costs, ours against two other ways.

For each leg and number of sessions, every path gets a fresh bridge process and the same
load, one after the other, and that several times over: what the machine does meanwhile
hits all of them, and the ratio within a round is what counts. CPU and memory are those
of the bridge process alone; browsers and model live in one process beside it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtests.arguments import add_result_options, counts
from loadtests.ending import COULD_NOT_RUN, EXIT_STATUS, keep
from loadtests.engine.browser import LEGS
from loadtests.engine.programs import (
    PATHS,
    REFERENCE,
    Bridge,
    Child,
    Path_,
    cpu_s,
    rss_bytes,
)
from loadtests.engine.report import engine_run
from loadtests.neighbours import Neighbours
from loadtests.processes import ProcessError
from reports import folder
from reports.machine import machine_text, this_machine, this_revision
from reports.plots import NoPlotsError
from reports.texts import counted

DELAYS = ("added_uplink_ms", "added_downlink_ms", "loop_round_trip_ms")
FRAMES = ("frames_sent", "frames_heard", "late_frames")
NAIVE_LEG = {
    "datachannel": "datachannel",
    "framed": "datachannel",
    "opus": "datachannel",
    "track": "track",
}
"""How the straightforward bridge carries what it cannot do itself: a data channel there
is raw PCM, which is what its framings are measured against."""
WARM_UP_S = 2.0
SETTLE_S = 0.5


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(
        prog="voicebridge bench engine",
        description="Measure CPU, delay and memory per session of the media engine.",
        epilog="Exit status: 0 good; 1 a slice broke, or the bridge lost frames; 2 it "
        "could not be run; 3 undecided, the machine did not keep time. With --loss: 0, "
        "or 1 where a call broke.",
    )
    arguments.add_argument(
        "--sessions", type=counts, default=(1, 5, 10, 20, 40), metavar="N,N,…"
    )
    arguments.add_argument(
        "--legs", type=_choice(LEGS), default=LEGS, help=f"of {','.join(LEGS)}"
    )
    arguments.add_argument(
        "--paths", type=_choice(PATHS), default=PATHS, help=f"of {','.join(PATHS)}"
    )
    arguments.add_argument(
        "--seconds", type=float, default=8.0, help="measured per slice (default 8)"
    )
    arguments.add_argument(
        "--rounds", type=int, default=2, help="times everything is done (default 2)"
    )
    arguments.add_argument(
        "--loss",
        type=float,
        default=None,
        metavar="FRACTION",
        help="instead: lose packets of one call for --seconds, and see whether its "
        "delay comes back",
    )
    add_result_options(arguments)
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench; the exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(given)
    paths: tuple[Path_, ...] = options.paths
    if "reference" in paths and not REFERENCE.exists():
        print("bench: no reference bridge here (tests/bench), going on without")
        paths = tuple(p for p in paths if p != "reference")
    started, machine = datetime.now(UTC), this_machine()
    out = folder.new_folder("engine", options.report)
    log = out / "processes.log"
    failed: list[str] = []
    slices: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
    recoveries: list[dict[str, Any]] = []
    with Child([sys.executable, "-m", "loadtests.engine"], log=log) as far_ends:
        model_url = far_ends.hear()["model_url"]
        neighbours = Neighbours()
        if options.loss is not None:
            order = {"loss": options.loss, "seconds": options.seconds}
            for leg, path in itertools.product(options.legs, paths):
                call = {**order, "leg": NAIVE_LEG[leg] if path == "reference" else leg}
                try:
                    recovery = run_recovery(far_ends, path, model_url, call, log=log)
                except ProcessError as exc:
                    failed.append(f"{leg}, {path}: {exc}")
                    print(f"bench: {failed[-1]}", file=sys.stderr)
                    continue
                recoveries.append({"path": path, **call, **recovery})
                print(f"bench: {leg} {path}: {_recovery(recovery)}", flush=True)
        plan = itertools.product(
            () if options.loss is not None else options.legs,
            options.sessions,
            range(options.rounds),
            paths,
        )
        for leg, n, _, path in plan:
            order = {
                "leg": NAIVE_LEG[leg] if path == "reference" else leg,
                "sessions": n,
                "warm_up_s": WARM_UP_S,
                "seconds": options.seconds,
            }
            try:
                figures = run_slice(far_ends, path, model_url, order, log=log)
            except ProcessError as exc:
                failed.append(f"{leg}, {counted(n, 'session')}, {path}: {exc}")
                print(f"bench: {failed[-1]}", file=sys.stderr)
                continue
            slices.setdefault((leg, n, path), []).append(figures)
            print(_line(leg, n, path, figures), flush=True)
        doubts = neighbours.doubts()
    results = [
        summarise(leg, n, path, figures, slices.get((leg, n, "reference")))
        for (leg, n, path), figures in slices.items()
    ]
    command = shlex.join(["voicebridge", "bench", "engine", *given])
    run = {
        "machine": machine_text(machine),
        "command": command,
        "started_at": started.isoformat(timespec="seconds"),
        "results": results,
    }
    if recoveries:
        run["recoveries"] = recoveries
    if options.json is not None:
        keep(options.json, json.dumps(run, indent=2) + "\n")
    if results:
        print(table(results))
        report = engine_run(
            results,
            command=command,
            started=started,
            seconds=(datetime.now(UTC) - started).total_seconds(),
            machine=machine,
            revision=this_revision(),
            failed=failed,
            neighbours=doubts,
        )
        try:
            print(f"report: {folder.write(report, out)}")
        except NoPlotsError as exc:
            print(f"bench: no page: {exc}", file=sys.stderr)
        return EXIT_STATUS[report.verdict.outcome]
    if not recoveries:
        return COULD_NOT_RUN
    return 1 if failed else 0


def run_slice(
    far_ends: Child,
    path: Path_,
    model_url: str,
    order: dict[str, Any],
    *,
    log: Path,
) -> dict[str, Any]:
    """One load on one fresh bridge.

    Raises:
        ProcessError: the bridge or the load did not get there.
    """
    with Bridge(path, model_url, log=log) as bridge:
        time.sleep(SETTLE_S)
        empty_bytes = rss_bytes(bridge.pid)
        far_ends.tell({**order, "bridge_url": bridge.url})
        figures: dict[str, Any] = {}
        why = "no figures"
        spent_s = clock_s = 0.0
        while True:
            event = far_ends.hear()
            match event["event"]:
                case "start":
                    spent_s, clock_s = cpu_s(bridge.pid), time.monotonic()
                case "end":
                    spent_s = cpu_s(bridge.pid) - spent_s
                    clock_s = time.monotonic() - clock_s
                    grown = rss_bytes(bridge.pid) - empty_bytes
                case "figures":
                    figures = event
                case "failed":
                    # Go on to "closed": the next slice shall not take it for its own.
                    why = event["reason"]
                case "closed":
                    break
        if not figures:
            raise ProcessError(why)
    del figures["event"]
    n = order["sessions"]
    figures["cpu_ms_per_session_s"] = 1000 * spent_s / clock_s / n
    figures["rss_mb_per_session"] = grown / 1e6 / n
    return figures


def run_recovery(
    far_ends: Child,
    path: Path_,
    model_url: str,
    order: dict[str, Any],
    *,
    log: Path,
) -> dict[str, Any]:
    """One call through a spell of loss.

    Raises:
        ProcessError: the call did not get there.
    """
    call = {"sessions": 1, "warm_up_s": WARM_UP_S, **order}
    recovery: dict[str, Any] = {}
    why = None
    with Bridge(path, model_url, log=log) as bridge:
        far_ends.tell({**call, "bridge_url": bridge.url})
        while (event := far_ends.hear())["event"] != "closed":
            if event["event"] == "failed":
                why = event["reason"]
            recovery = event
    if why is not None or not recovery:
        raise ProcessError(why or "no figures")
    del recovery["event"]
    return recovery


def _recovery(recovery: dict[str, Any]) -> str:
    spells = [recovery[spell] for spell in ("before", "during", "after")]
    up, down = (
        " -> ".join(
            "-" if spell[way]["p50"] is None else f"{spell[way]['p50']:.1f}"
            for spell in spells
        )
        for way in ("added_uplink_ms", "added_downlink_ms")
    )
    return (
        f"{recovery['lost_datagrams']} datagrams lost; "
        f"p50 before -> during -> after: up {up} ms, down {down} ms"
    )


def summarise(
    leg: str,
    sessions: int,
    path: str,
    figures: list[dict[str, Any]],
    reference: list[dict[str, Any]] | None,
) -> dict[str, Any]:
    """The rounds of one path as one result: medians, and the spread of the ratio; of
    frames and of the generator's lateness the worst round."""
    cpu = [f["cpu_ms_per_session_s"] for f in figures]
    # Round by round: both had the same neighbours on the machine.
    ratios = [
        own / other["cpu_ms_per_session_s"]
        for own, other in zip(cpu, reference or [], strict=False)
    ]
    worst = max(figures, key=_missing_share)
    result: dict[str, Any] = {
        "leg": leg,
        "sessions": sessions,
        "path": path,
        "rounds": len(figures),
        "cpu_ms_per_session_s": round(statistics.median(cpu), 2),
        "cpu_ms_spread": [round(min(cpu), 2), round(max(cpu), 2)],
        "cpu_ratio_to_reference": _rounded(ratios and statistics.median(ratios)),
        "cpu_ratio_spread": [round(r, 3) for r in (min(ratios), max(ratios))]
        if ratios
        else None,
        "rss_mb_per_session": round(
            statistics.median(f["rss_mb_per_session"] for f in figures), 2
        ),
        **{name: worst[name] for name in FRAMES},
        "generator": max((f["generator"] for f in figures), key=_late_ms),
    }
    for name in DELAYS:
        result[name] = {
            key: _median([f[name][key] for f in figures])
            for key in ("p50", "p95", "p99", "max")
        }
    return result


def _missing_share(figures: dict[str, Any]) -> float:
    sent, heard, late = (figures[name] for name in FRAMES)
    return float(max(0, sent - heard) + late) / sent if sent else 1.0


def _late_ms(generator: dict[str, Any]) -> float:
    return generator["lateness_ms"]["p99"] or 0.0


def table(results: Sequence[dict[str, Any]]) -> str:
    """The results for a terminal."""
    head = (
        f"{'leg':12}{'N':>4} {'path':10}{'cpu ms/s':>9}{'ratio':>7}"
        f"{'up p50/p95/p99 ms':>22}{'down p50/p95/p99 ms':>22}{'late':>6}{'MB':>7}"
    )
    lines = [head]
    for r in results:
        ratio = r["cpu_ratio_to_reference"]
        lines.append(
            f"{r['leg']:12}{r['sessions']:>4} {r['path']:10}"
            f"{r['cpu_ms_per_session_s']:>9.1f}{ratio if ratio else '-':>7}"
            f"{_three(r['added_uplink_ms']):>22}{_three(r['added_downlink_ms']):>22}"
            f"{r['late_frames']:>6}{r['rss_mb_per_session']:>7.2f}"
        )
    return "\n".join(lines)


def _line(leg: str, n: int, path: str, figures: dict[str, Any]) -> str:
    return (
        f"bench: {leg} N={n} {path}: {figures['cpu_ms_per_session_s']:.1f} ms/s, "
        f"up {_three(figures['added_uplink_ms'])} "
        f"down {_three(figures['added_downlink_ms'])} ms, "
        f"late {figures['late_frames']}, "
        f"heard {figures['frames_heard']}/{figures['frames_sent']}, "
        f"generator {figures['generator']['cpu_ms_per_session_s']} ms/s "
        f"late p99 {figures['generator']['lateness_ms']['p99']} ms"
    )


def _three(delay: dict[str, Any]) -> str:
    return "/".join(
        "-" if delay[k] is None else f"{delay[k]:.1f}" for k in ("p50", "p95", "p99")
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return round(statistics.median(known), 2) if known else None


def _rounded(value: Any) -> float | None:
    return round(value, 3) if value else None


def _choice(allowed: Sequence[str]) -> Any:
    def parse(text: str) -> tuple[str, ...]:
        chosen = tuple(text.split(","))
        for one in chosen:
            if one not in allowed:
                raise argparse.ArgumentTypeError(f"{one}: not one of {allowed}")
        return chosen

    return parse


if __name__ == "__main__":
    sys.exit(main())

"""`voicebridge bench workers`: do more media processes carry more sessions?

Sessions that talk are added to a fresh bridge until it refuses them, because every
media process has used up its CPU budget. The budget is a fraction of a core, so that
the media processes are the bottleneck and not the browsers and the model, which live on
the same machine. What everybody took is counted by the system, not by the bridge; then
it is measured whether all that was let in is served on time. Numbers of processes take
turns. In the end comes a control: as many processes, but with one budget between them.
They must not carry more than one alone does, or the measure cannot tell.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtests.ending import COULD_NOT_RUN, keep
from loadtests.engine.browser import LEGS
from loadtests.engine.programs import Bridge, Child, cpu_s
from loadtests.processes import ProcessError, get_json
from loadtests.workers_verdict import MUST, Run, Verdict, judge
from reports.machine import machine_text, this_machine
from reports.texts import counted, number

MOST = 400
RAMP_S = 45.0
"""A ramp takes no longer; a bridge that is not full then says nothing."""
WARM_UP_S = 2.0
UP_TIMEOUT_S = 60.0
EXIT_STATUS: dict[Verdict, int] = {"pass": 0, "fail": 1, "inconclusive": 3}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(
        prog="voicebridge bench workers",
        description=__doc__,
        epilog="Takes three to four minutes. Exit status: 0 pass; 1 fail; 2 it could "
        "not be run; 3 inconclusive.",
    )
    add = arguments.add_argument
    add("--workers", type=int, default=2, help="processes, against one (default 2)")
    add(
        "--budget",
        type=float,
        default=0.15,
        help="cores each process may use (default 0.15, for two cores in all)",
    )
    add("--leg", choices=LEGS, default="datachannel")
    add("--per-s", type=float, default=2.0, help="sessions added per second (2)")
    add("--seconds", type=float, default=6.0, help="measured when full (default 6)")
    add("--rounds", type=int, default=2, help="times everything is done (default 2)")
    add("--must", type=float, default=MUST, help=f"ratio due (default {MUST:g})")
    add("--no-control", action="store_true", help="without the shared budget")
    add("--json", type=Path, default=None, metavar="FILE", help="results here")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench; the exit status says the verdict."""
    given = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(given)
    if options.workers < 2:
        parser().error("--workers is 2 or more: one is what they are compared with")
    if options.rounds < 1 or options.budget <= 0:
        parser().error("--rounds 1 or more, --budget above 0")
    started = datetime.now(UTC)
    log = Path("reports/out") / f"workers-{started:%Y%m%dT%H%M%SZ}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        runs = _runs(options, log)
    except (ProcessError, OSError) as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return COULD_NOT_RUN
    found = judge(runs, must=options.must)
    if options.json is not None:
        result = {
            "verdict": found.verdict,
            "machine": machine_text(this_machine()),
            "command": shlex.join(["voicebridge", "bench", "workers", *given]),
            "started_at": started.isoformat(timespec="seconds"),
            "took_s": round((datetime.now(UTC) - started).total_seconds(), 1),
            "finding": found.as_dict(),
            "runs": [run.as_dict() for run in runs],
        }
        keep(options.json, json.dumps(result, indent=2) + "\n")
    if found.ratio is not None:
        print(
            f"{options.workers} processes carry {found.ratio:.2f} times as many as one "
            f"({found.lowest:.2f} to {found.highest:.2f})"
            + (f"; sharing one budget {found.control:.2f}" if found.control else "")
        )
    print(f"workers: {found.verdict}: " + "; ".join(found.reasons))
    return EXIT_STATUS[found.verdict]


def _runs(options: argparse.Namespace, log: Path) -> list[Run]:
    """Every run in its turn.

    Raises:
        ProcessError: the far ends did not start, or a run did not get there.
        OSError: likewise.
    """
    plan = [(1, False), (options.workers, False)] * options.rounds
    if not options.no_control:
        plan.append((options.workers, True))
    runs: list[Run] = []
    with Child([sys.executable, "-m", "loadtests.engine"], log=log) as far_ends:
        model_url = far_ends.hear()["model_url"]
        for workers, is_control in plan:
            try:
                run = _run(far_ends, model_url, workers, is_control, options, log)
            except ProcessError as exc:
                raise ProcessError(f"{workers} media process(es): {exc}") from exc
            runs.append(run)
            print(_line(run), flush=True)
    return runs


def _run(
    far_ends: Child,
    model_url: str,
    workers: int,
    is_control: bool,
    options: argparse.Namespace,
    log: Path,
) -> Run:
    """One fresh bridge, filled until it refuses."""
    budget = options.budget / (workers if is_control else 1)
    environment = {
        "VOICEBRIDGE_WORKERS": str(workers),
        "VOICEBRIDGE_WORKER_CPU_BUDGET": str(budget),
        "VOICEBRIDGE_WORKER_LAG_BUDGET_MS": "60",
    }
    with Bridge("lean", model_url, log=log, environment=environment) as bridge:
        pids = _pids_once_up(bridge.url)
        far_ends.tell(
            {
                "bridge_url": bridge.url,
                "leg": options.leg,
                "most": MOST,
                "per_s": options.per_s,
                "ramp_s": RAMP_S,
                "warm_up_s": WARM_UP_S,
                "seconds": options.seconds,
            }
        )
        watched = [*pids, bridge.pid, far_ends.pid]
        found: dict[str, Any] = {}
        began_s, before_s = 0.0, [0.0] * len(watched)
        while (event := far_ends.hear())["event"] != "closed":
            kind = event.pop("event")
            if kind == "failed":
                raise ProcessError(event["reason"])
            if kind == "start":
                began_s, before_s = time.monotonic(), [cpu_s(p) for p in watched]
            elif kind == "end":
                over_s = time.monotonic() - began_s
                used_s = [cpu_s(p) for p in watched]
                found["cores"] = [
                    round((now - then) / over_s, 3)
                    for now, then in zip(used_s, before_s, strict=True)
                ]
                found["spread"] = [w["sessions"] for w in _processes(bridge.url)]
            elif kind in ("ramped", "figures"):
                found |= event
    if "generator" not in found or "cores" not in found:
        raise ProcessError(f"no figures, see {log}")
    *worker_cores, front_cores, generator_cores = found["cores"]
    return Run(
        workers=workers,
        is_control=is_control,
        sessions=found["sessions"],
        was_full=found["refused"],
        budget_cores=budget,
        worker_cores=tuple(worker_cores),
        worker_sessions=tuple(found["spread"]),
        front_cores=front_cores,
        generator_cores=generator_cores,
        generator_late_p99_ms=found["generator"]["lateness_ms"]["p99"],
        frames_sent=found["frames_sent"],
        frames_heard=found["frames_heard"],
        late_frames=found["late_frames"],
        added_uplink_p95_ms=found["added_uplink_ms"]["p95"],
        added_downlink_p95_ms=found["added_downlink_ms"]["p95"],
    )


def _processes(url: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = get_json(f"{url}/healthz")["workers"]
    return listed


def _pids_once_up(url: str) -> list[int]:
    deadline = time.monotonic() + UP_TIMEOUT_S
    while True:
        listed = _processes(url)
        if all(w["is_up"] for w in listed):
            return [w["pid"] for w in listed]
        if time.monotonic() > deadline:
            raise ProcessError("the media processes did not come up")
        time.sleep(0.2)


def _line(run: Run) -> str:
    cores = " + ".join(
        f"{cores:.2f} cores ({counted(sessions, 'session')})"
        for cores, sessions in zip(run.worker_cores, run.worker_sessions, strict=True)
    )
    return (
        f"bench: {run.workers} with {run.budget_cores:g} cores each"
        f"{' (control)' if run.is_control else ''}: {counted(run.sessions, 'session')}"
        f"{'' if run.was_full else ', NOT FULL'}: {cores}; front "
        f"{run.front_cores:.2f}, browsers and model {run.generator_cores:.2f} cores, "
        f"late p99 {number(run.generator_late_p99_ms)} ms; frames heard "
        f"{run.frames_heard}/{run.frames_sent}, late {run.late_frames}; added p95 "
        f"{number(run.added_uplink_p95_ms)}/{number(run.added_downlink_p95_ms)} ms"
    )


if __name__ == "__main__":
    sys.exit(main())

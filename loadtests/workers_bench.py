"""`voicebridge bench workers`: do more processes carry more sessions?

Sessions that talk are added to a fresh bridge until it refuses one, because every media
process has used up its CPU budget. A budget well below a whole core leaves room for the
browsers and the model, which live on the same machine; with more cores than here raise
it. Worker counts take turns, so that the machine's moods hit all of them.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtests.engine.browser import LEGS
from loadtests.engine.programs import Bridge, Child
from loadtests.processes import ProcessError, get_json
from reports.machine import machine_text, this_machine

MOST = 400
PER_S = 1.0
"""Slow enough for the bridge to see what each costs before the next comes."""
WARM_UP_S = 2.0
UP_TIMEOUT_S = 60.0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(
        prog="voicebridge bench workers", description=__doc__
    )
    add = arguments.add_argument
    add("--workers", type=_counts, default=(1, 2), metavar="N,N,…")
    add(
        "--budget",
        type=float,
        default=0.2,
        help="cores each process may use (default 0.2)",
    )
    add("--leg", choices=LEGS, default="datachannel")
    add("--seconds", type=float, default=6.0, help="measured when full (default 6)")
    add("--rounds", type=int, default=2, help="times everything is done (default 2)")
    add("--json", type=Path, default=None, help="results here")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench; 0 when every run got to a refusal."""
    given = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(given)
    started = datetime.now(UTC)
    log = Path("reports/out") / f"workers-{started:%Y%m%dT%H%M%SZ}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    runs: list[dict[str, Any]] = []
    with Child([sys.executable, "-m", "loadtests.engine"], log=log) as far_ends:
        model_url = far_ends.hear()["model_url"]
        for n in range(options.rounds):
            for workers in options.workers:
                try:
                    run = _run(far_ends, model_url, workers, options, log)
                except ProcessError as exc:
                    print(f"bench: {workers} workers: {exc}", file=sys.stderr)
                    return 1
                runs.append({"round": n, "workers": workers, **run})
                print(_line(runs[-1]), flush=True)
    result = {
        "machine": machine_text(this_machine()),
        "command": shlex.join(["voicebridge", "bench", "workers", *given]),
        "started_at": started.isoformat(timespec="seconds"),
        "budget_cores": options.budget,
        "runs": runs,
        "scaling": scaling(runs),
    }
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    for workers, times in result["scaling"].items():
        print(f"{workers} workers carry {times:.2f} times the sessions of one")
    return 0 if all(run["refused"] for run in runs) else 1


def scaling(runs: Sequence[dict[str, Any]]) -> dict[int, float]:
    """Sessions against those of one worker, by number of workers: medians.

    Args:
        runs: each with `workers` and `sessions`; without one worker nothing is said.
    """
    sessions: dict[int, list[int]] = {}
    for run in runs:
        sessions.setdefault(run["workers"], []).append(run["sessions"])
    if 1 not in sessions:
        return {}
    one = statistics.median(sessions[1])
    return {
        workers: round(statistics.median(counts) / one, 3)
        for workers, counts in sorted(sessions.items())
        if workers != 1 and one > 0
    }


def _run(
    far_ends: Child,
    model_url: str,
    workers: int,
    options: argparse.Namespace,
    log: Path,
) -> dict[str, Any]:
    """One fresh bridge, filled until it refuses."""
    environment = {
        "VOICEBRIDGE_WORKERS": str(workers),
        "VOICEBRIDGE_WORKER_CPU_BUDGET": str(options.budget),
        "VOICEBRIDGE_WORKER_LAG_BUDGET_MS": "60",
    }
    with Bridge("lean", model_url, log=log, environment=environment) as bridge:
        _wait_until_up(bridge.url)
        far_ends.tell(
            {
                "bridge_url": bridge.url,
                "leg": options.leg,
                "most": MOST,
                "per_s": PER_S,
                "warm_up_s": WARM_UP_S,
                "seconds": options.seconds,
            }
        )
        found: dict[str, Any] = {}
        while (event := far_ends.hear())["event"] != "closed":
            kind = event.pop("event")
            if kind == "failed":
                raise ProcessError(event["reason"])
            if kind == "end":
                found["processes"] = _cores(bridge.url)
            if kind in ("ramped", "figures"):
                found |= event
    if "generator" not in found:
        raise ProcessError(f"no figures, see {log}")
    return found


def _wait_until_up(url: str) -> None:
    deadline = time.monotonic() + UP_TIMEOUT_S
    while not all(w["is_up"] for w in get_json(f"{url}/healthz")["workers"]):
        if time.monotonic() > deadline:
            raise ProcessError("the media processes did not come up")
        time.sleep(0.2)


def _cores(url: str) -> list[dict[str, Any]]:
    """What each media process used when full."""
    return [
        {"cores": w["cpu"], "sessions": w["sessions"]}
        for w in get_json(f"{url}/healthz")["workers"]
    ]


def _line(run: dict[str, Any]) -> str:
    cores = "+".join(f"{p['cores']:.2f}" for p in run.get("processes", []))
    generator = run["generator"]
    beside = generator["cpu_ms_per_session_s"] * run["sessions"] / 1000
    return (
        f"bench: {run['workers']} workers: {run['sessions']} sessions until refused, "
        f"{cores} cores, added p95 {run['added_uplink_ms']['p95']}/"
        f"{run['added_downlink_ms']['p95']} ms, late {run['late_frames']}; "
        f"browsers and model {beside:.2f} cores, "
        f"late p99 {generator['lateness_ms']['p99']} ms"
    )


def _counts(text: str) -> tuple[int, ...]:
    try:
        counts = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"not numbers with commas: {text}") from None
    if not counts or min(counts) < 1:
        raise argparse.ArgumentTypeError("every number of workers is 1 or more")
    return counts


if __name__ == "__main__":
    sys.exit(main())

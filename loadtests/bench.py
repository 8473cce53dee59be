"""`voicebridge bench`: calls through a fresh bridge, and what they felt like and cost.

For each number of sessions a bridge (with its embedded fake) and a simulator are
started as child processes on loopback; the figures are the simulator's. Nothing is
kept between two numbers, so that one cannot colour the next.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from loadtests.arguments import counts
from loadtests.ending import COULD_NOT_RUN, end
from loadtests.neighbours import Neighbours
from loadtests.processes import BridgeProcess, ProcessError, simulate
from reports import folder, history
from reports.__main__ import of_calls
from reports.calls import CallsAtLoad
from reports.machine import this_machine
from reports.model import Block
from simulator.peer import LEGS


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(
        prog="voicebridge bench [call]",
        description="Measure calls through a bridge and a fake started for it here.",
        epilog="Leaves index.html, summary.md, junit.xml, result.json and the calls in "
        "reports/out/<time>-bench/. Exit status: 0 good; 1 not good; 2 it could not be "
        "run; 3 undecided, the machine did not keep time. Others: 'voicebridge bench "
        "agree' (do several runs agree?), 'budget' (does it fit a device?), 'engine' "
        "(what a session costs, against other ways), 'workers'.",
    )
    arguments.add_argument(
        "--sessions",
        type=counts,
        default=(1, 5, 10),
        metavar="N,N,…",
        help="calls at the same time, one run each (default 1,5,10)",
    )
    arguments.add_argument(
        "--seconds", type=float, default=20.0, help="length of a call (default 20)"
    )
    arguments.add_argument(
        "--leg",
        choices=LEGS,
        default="datachannel",
        help="how the browsers carry audio (default datachannel)",
    )
    arguments.add_argument(
        "--out", type=Path, default=None, help="folder of this run's files"
    )
    arguments.add_argument(
        "--json", type=Path, default=None, help="also write the results here"
    )
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench; 0 good, 1 not good, 2 it could not be run, 3 undecided."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["budget"]:
        from loadtests.budget import cli as budget

        return budget.main(given[1:])
    if given[:1] == ["engine"]:
        # Only now: what it imports is of no use to the other bench.
        from loadtests import engine_bench

        return engine_bench.main(given[1:])
    if given[:1] == ["workers"]:
        from loadtests import workers_bench

        return workers_bench.main(given[1:])
    if given[:1] == ["agree"]:
        from loadtests import agree_bench

        return agree_bench.main(given[1:])
    if given[:1] == ["call"]:
        given = given[1:]
    options = parser().parse_args(given)
    started = datetime.now(UTC)
    out = folder.new_folder("bench", options.out)
    machine = this_machine()  # before the calls: what else is it doing?
    try:
        loads = []
        for n in options.sessions:
            _say(f"{n} sessions, {options.seconds:g} s")
            name = str(n)
            loads.append(calls_at(n, options.seconds, options.leg, out=out, name=name))
    except ProcessError as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return COULD_NOT_RUN
    run = of_calls(
        loads,
        shlex.join(["voicebridge", "bench", *given]),
        kind="bench",
        title="Calls through a fresh bridge",
        started=started,
        machine=machine,
        files=tuple(f"calls-{n}.jsonl" for n in options.sessions),
        more=_benchmarks(),
    )
    return end(run, out, also=options.json)


def _say(text: str) -> None:
    print(f"bench: {text} …", file=sys.stderr, flush=True)


def _benchmarks() -> tuple[Block, ...]:
    """The micro-benchmarks that `make bench` has saved, as a history."""
    found = history.benchmarks_block(Path(".benchmarks"))
    return (found,) if found else ()


def calls_at(
    sessions: int, seconds: float, leg: str, *, out: Path, name: str
) -> CallsAtLoad:
    """So many calls through a bridge started for them.

    Args:
        sessions: calls at the same time.
        seconds: length of each.
        leg: how the browsers carry audio.
        out: folder for `calls-NAME.jsonl` and `bridge-NAME.log`.
        name: tells this run from others there.

    Raises:
        ProcessError: bridge or simulator did not do what they are for.
    """
    log = out / f"bridge-{name}.log"
    with BridgeProcess(log=log) as bridge:
        neighbours = Neighbours()
        _, calls, summary = simulate(
            bridge.url,
            sessions=sessions,
            seconds=seconds,
            out=out / f"calls-{name}.jsonl",
            arguments=["--leg", leg, "--detail"],
        )
        summary["neighbours_percent"] = round(neighbours.percent, 1)
        doubts = neighbours.doubts()
    if doubts:
        summary["doubts"] = [*summary["doubts"], *doubts]
        summary["reliable"] = False
    return CallsAtLoad(sessions, calls, summary)


if __name__ == "__main__":
    sys.exit(main())

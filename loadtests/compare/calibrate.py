"""Prove the gate: known changes must be found, none where there is none.

Each trial is a whole decision of the gate, several rounds of fresh processes. Three
sides of the same code run next to each other: `base`; `same`, which must not differ;
and `changed`, which burns some CPU and lies behind a network that delays one direction
(the others lie behind one that does nothing). CPU and delay are judged by different
rows, so one side serves for both.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from loadtests.arguments import add_result_options
from loadtests.compare.judge import LEAST_ROUNDS, judge
from loadtests.compare.rates import CPU, Rates, Trial, report, row_of, size_text
from loadtests.compare.revisions import WORK_TREE, Built, RevisionError, built
from loadtests.compare.side import Load, Plan
from loadtests.compare.trial import Arena
from loadtests.ending import COULD_NOT_RUN, end
from loadtests.neighbours import Neighbours
from loadtests.processes import ProcessError
from reports import folder
from reports.machine import this_machine

MOST_FAILURES = 5
IN_ONE_PROCESS = {"VOICEBRIDGE_WORKERS": "0"}
"""Three bridges start in every round: what is proven needs no process more."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(
        prog="voicebridge calibrate",
        description="Prove the gate on this machine: inject a known delay and a "
        "known CPU cost, and nothing at all, and count what the gate finds.",
        epilog="Exit status: 0 the gate's rates are as required; 1 they are not; 2 it "
        "could not be run; 3 too few trials to say, or other programs ran beside it.",
    )
    add = arguments.add_argument
    add("--trials", type=int, default=20, metavar="N", help="decisions (default 20)")
    add("--rounds", type=int, default=4, metavar="N", help="of each (default 4)")
    add(
        "--seconds", type=float, default=4.0, metavar="S", help="of a round (default 4)"
    )
    add(
        "--sessions",
        type=int,
        default=3,
        metavar="N",
        help="calls per side (default 3)",
    )
    add("--delay-ms", type=float, default=10.0, metavar="MS", help="(default 10)")
    add("--burn", type=float, default=0.10, metavar="SHARE", help="(default 0.1)")
    add("--seed", type=int, default=1)
    add_result_options(arguments)
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the trials; the exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = parser()
    options = arguments.parse_args(given)
    if options.rounds < LEAST_ROUNDS or options.trials < 1 or options.seconds < 3:
        arguments.error(f"--rounds {LEAST_ROUNDS}, --trials 1, --seconds 3 or more")
    started, machine = datetime.now(UTC), this_machine()
    out = folder.new_folder("calibrate", options.report)
    rates = Rates(options.delay_ms, options.burn)
    neighbours = Neighbours()
    with (
        tempfile.TemporaryDirectory(prefix="calibrate-") as scratch,
        ExitStack() as stack,
    ):
        try:
            code = stack.enter_context(built(WORK_TREE, Path(scratch)))
            _run_trials(code, rates, options, out)
        except KeyboardInterrupt:
            _say("stopped; what there is, is reported")
        except (RevisionError, ProcessError, OSError) as exc:
            print(f"calibrate: {exc}", file=sys.stderr)
            if not rates.trials:
                return COULD_NOT_RUN
    if not rates.trials:
        return COULD_NOT_RUN
    command = shlex.join(["voicebridge", "calibrate", *given])
    run = report(
        rates,
        command,
        machine,
        started,
        rounds=options.rounds,
        doubts=neighbours.doubts(),
    )
    return end(run, out, also=options.json)


def _run_trials(
    code: Built, rates: Rates, options: argparse.Namespace, out: Path
) -> None:
    load = Load(options.sessions, seconds=options.seconds)
    began_s = time.monotonic()
    with Arena(
        load, seed=options.seed, out=out, say=_say, most_failures=MOST_FAILURES
    ) as arena:
        for number in range(1, options.trials + 1):
            direction = ("up", "down")[number % 2]
            plans = sides(code, direction, rates)
            rounds = [
                arena.round(plans, f"trial-{number}-{n}")
                for n in range(1, options.rounds + 1)
            ]
            trial = Trial(
                direction,
                *(
                    judge(
                        [(r["base"], r[name]) for r in rounds], sessions=load.sessions
                    )
                    for name in ("same", "changed")
                ),
            )
            rates.trials.append(trial)
            left_s = (time.monotonic() - began_s) / number * (options.trials - number)
            told = f"{_short(trial)} ({left_s / 60:.0f} min left)"
            _say(f"{number}/{options.trials} {told}")


def sides(code: Built, direction: str, rates: Rates) -> tuple[Plan, Plan, Plan]:
    """Base, the same again, and the changed one."""
    delay = (f"--{direction}", f"delay_ms={rates.delay_ms:g}")
    return (
        Plan("base", code, IN_ONE_PROCESS, network=()),
        Plan("same", code, IN_ONE_PROCESS, network=()),
        Plan("changed", code, IN_ONE_PROCESS, rates.burn_share, network=delay),
    )


def _short(trial: Trial) -> str:
    cpu, delay = row_of(trial.changed, CPU), row_of(trial.changed, trial.delayed)
    same = row_of(trial.same, CPU)
    alarms = f"FALSE ALARM: {', '.join(trial.false_alarms)}"
    return (
        f"CPU {size_text(cpu)} {cpu.verdict.value}; "
        f"{trial.direction} {size_text(delay)} {delay.verdict.value}; "
        f"A/A CPU {size_text(same)}, " + (alarms if trial.false_alarms else "quiet")
    )


def _say(text: str) -> None:
    print(f"calibrate: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

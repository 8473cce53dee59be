"""`voicebridge bench agree`: do runs of the same command agree within what they state?

A report says beside each median where that of another run like it is to be expected
(95 %, from the spread between the run's calls). Here the same run is made several
times, each on a bridge of its own, and every run's statement is held against the runs
after it. Were the statements too narrow, more would lie outside than chance allows.
"""

from __future__ import annotations

import argparse
import math
import shlex
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from loadtests.arguments import add_result_options
from loadtests.bench import calls_at
from loadtests.ending import COULD_NOT_RUN, end
from loadtests.processes import ProcessError
from reports import folder
from reports.calls import FIGURES, CallsAtLoad, call_medians
from reports.machine import this_machine, this_revision
from reports.model import Check, Headline, Outcome, Run, TableBlock, TextBlock, Verdict
from reports.stats import CONFIDENCE, next_run
from reports.texts import number

COMPARED = (
    "connect_ms",
    "mouth_to_model_ms",
    "model_to_client_ms",
    "mouth_to_ear_ms",
    "response_latency_ms",
)
CHANCE = 0.02
"""So unlikely a number of misses is no bad luck any more."""


@dataclass(frozen=True, slots=True)
class Stated:
    """One figure of one run: its median and what it says about the next one."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """One figure over all runs."""

    figure: str
    runs: tuple[Stated, ...]

    @property
    def n(self) -> int:
        """How often a statement was held against a later run."""
        return len(self.runs) * (len(self.runs) - 1) // 2

    @property
    def hits(self) -> int:
        """How often it held."""
        return sum(
            stated.low <= later.median <= stated.high
            for at, stated in enumerate(self.runs)
            for later in self.runs[at + 1 :]
        )


def agreements(runs: Sequence[CallsAtLoad]) -> list[Agreement]:
    """Every figure that each run has measured in three calls or more. PURE."""
    found = []
    for figure in COMPARED:
        stated = [_stated(run, figure) for run in runs]
        known = tuple(one for one in stated if one is not None)
        if known and len(known) == len(runs):
            found.append(Agreement(figure, known))
    return found


def _stated(run: CallsAtLoad, figure: str) -> Stated | None:
    medians = call_medians(run, figure)
    span = next_run(medians)
    return Stated(statistics.median(medians), *span) if span else None


def misses_allowed(n: int) -> int:
    """How many of n true 95 % statements may miss before chance explains it no more."""
    left, misses = 1.0, 0
    while True:
        left -= (
            math.comb(n, misses)
            * (1 - CONFIDENCE) ** misses
            * CONFIDENCE ** (n - misses)
        )
        if left <= CHANCE or misses >= n:
            return misses
        misses += 1


def judge(found: Sequence[Agreement], doubts: Sequence[str]) -> tuple[Verdict, Check]:
    """Whether the statements held. PURE."""
    n, hits = sum(a.n for a in found), sum(a.hits for a in found)
    allowed = misses_allowed(n)
    words = (
        f"{hits} of {n} later medians lay where an earlier run expected them "
        f"(95 % stated; {allowed} may miss by chance)"
    )
    outcome = Outcome.PASS if n - hits <= allowed else Outcome.FAIL
    missing = set(COMPARED) - {a.figure for a in found}
    if missing:
        names = ", ".join(FIGURES[name][0] for name in COMPARED if name in missing)
        words += f"; not measured in every run: {names}"
        if outcome is Outcome.PASS:
            outcome = Outcome.UNDECIDED
    if not n:
        outcome, words = Outcome.UNDECIDED, "no figure was measured in every run"
    if doubts:
        outcome = Outcome.UNDECIDED
    check = Check(name="agreement", group="runs", outcome=outcome, words=words)
    return Verdict(outcome=outcome, words=f"{words[0].upper()}{words[1:]}."), check


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(
        prog="voicebridge bench agree",
        description="Make the same run several times and see whether each lies where "
        "the ones before it said it would.",
        epilog="Exit status: 0 they agree; 1 they do not; 2 it could not be run; "
        "3 undecided, the machine did not keep time.",
    )
    add = arguments.add_argument
    add("--runs", type=int, default=3, metavar="N", help="(default 3)")
    add("--sessions", type=int, default=6, metavar="N", help="of each (default 6)")
    add("--seconds", type=float, default=12.0, help="length of a call (default 12)")
    add_result_options(arguments)
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = parser()
    options = arguments.parse_args(given)
    if options.runs < 2 or options.sessions < 3:
        arguments.error("--runs 2, --sessions 3 or more: fewer state no interval")
    started, machine = datetime.now(UTC), this_machine()
    out = folder.new_folder("agree", options.report)
    runs = []
    try:
        for number_ in range(1, options.runs + 1):
            _say(f"run {number_}/{options.runs}: {options.sessions} calls …")
            runs.append(
                calls_at(
                    *(options.sessions, options.seconds, "datachannel"),
                    out=out,
                    name=f"run-{number_}",
                )
            )
    except ProcessError as exc:
        print(f"agree: {exc}", file=sys.stderr)
        return COULD_NOT_RUN
    doubts = tuple(
        f"run {at}: {doubt}"
        for at, run in enumerate(runs, 1)
        for doubt in run.summary["doubts"]
    )
    found = agreements(runs)
    verdict, check = judge(found, doubts)
    run = Run(
        kind="agree",
        title=f"Do {options.runs} runs of the same command agree?",
        command=shlex.join(["voicebridge", "bench", "agree", *given]),
        started_at=started.isoformat(timespec="seconds"),
        seconds=(datetime.now(UTC) - started).total_seconds(),
        machine=machine,
        revision=this_revision(),
        verdict=verdict,
        headlines=tuple(
            Headline(
                label=FIGURES[a.figure][0],
                value=f"{a.hits} of {a.n}",
                note="as expected",
            )
            for a in found
        ),
        doubts=doubts,
        checks=(check,),
        blocks=(_table(found, options.runs), _how()),
    )
    return end(run, out, also=options.json)


def _table(found: Sequence[Agreement], n_runs: int) -> TableBlock:
    return TableBlock(
        title="Every median, and what it said about the next",
        head=("ms", *(f"run {n}" for n in range(1, n_runs + 1)), "as expected"),
        rows=tuple(
            (
                FIGURES[a.figure][0],
                *(
                    f"{number(s.median)} ({number(s.low)} – {number(s.high)})"
                    for s in a.runs
                ),
                f"{a.hits} of {a.n}",
            )
            for a in found
        ),
    )


def _how() -> TextBlock:
    return TextBlock(
        title="How it was done",
        paragraphs=(
            "Each run had a bridge of its own. In brackets: where the median of "
            "another run like this one is expected with 95 % confidence, from how its "
            "calls differ among each other. Every such statement is held against all "
            "later runs.",
        ),
    )


def _say(text: str) -> None:
    print(f"agree: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""`voicebridge compare BASE [HEAD]`: whether a change made it worse, and what."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from loadtests.arguments import add_result_options
from loadtests.compare.judge import LEAST_ROUNDS, by_verdict, judge
from loadtests.compare.revisions import WORK_TREE, RevisionError, built
from loadtests.compare.side import Load, Measured, Plan
from loadtests.compare.trial import Arena
from loadtests.ending import COULD_NOT_RUN, end
from loadtests.neighbours import Neighbours
from loadtests.processes import ProcessError
from reports import folder
from reports.machine import this_machine, this_revision
from reports.model import (
    Change,
    Check,
    ComparisonBlock,
    ComparisonRow,
    Headline,
    Machine,
    Outcome,
    Run,
    TextBlock,
    Verdict,
)
from reports.texts import ABSENT, change_text

OUTCOMES = {
    Change.WORSE: Outcome.FAIL,
    Change.UNDECIDED: Outcome.UNDECIDED,
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(
        prog="voicebridge compare",
        description="Run two revisions of the bridge side by side under the same calls "
        "and tell what changed: exact counters, CPU per media-second, delays.",
        epilog="Exit status: 0 nothing got worse; 1 something did; 2 it could not be "
        "run; 3 undecided (more --pairs, or a quieter machine).",
    )
    add = arguments.add_argument
    add("base", metavar="BASE", help="a git revision: main, HEAD~3, v0.1.0, …")
    add(
        "head",
        metavar="HEAD",
        nargs="?",
        default=WORK_TREE,
        help="another one (default: this checkout as it lies here)",
    )
    add("--pairs", type=int, default=6, metavar="N", help="rounds (default 6)")
    add("--seconds", type=float, default=6.0, metavar="S", help="of each (default 6)")
    add(
        "--sessions",
        type=int,
        default=4,
        metavar="N",
        help="calls per side (default 4)",
    )
    add("--leg", choices=("datachannel", "track"), default="datachannel")
    add("--seed", type=int, default=1, help="of the order in which things are started")
    add_result_options(arguments)
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Compare; the exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = parser()
    options = arguments.parse_args(given)
    if options.pairs < LEAST_ROUNDS:
        arguments.error(f"--pairs: {LEAST_ROUNDS} or more; fewer have no interval")
    if options.seconds < 3 or options.sessions < 1:
        arguments.error("--seconds 3 or more, --sessions 1 or more")
    started, machine = datetime.now(UTC), this_machine()
    out = folder.new_folder("compare", options.report)
    load = Load(options.sessions, options.leg, seconds=options.seconds)
    with (
        tempfile.TemporaryDirectory(prefix="compare-") as scratch,
        ExitStack() as stack,
    ):
        try:
            base, head = (
                stack.enter_context(built(name, Path(scratch)))
                for name in (options.base, options.head)
            )
            plans = (Plan("base", base), Plan("head", head))
            _say(f"{base.label} against {head.label}")
            neighbours = Neighbours()
            rounds = _rounds(plans, load, options.pairs, options.seed, out)
        except (RevisionError, ProcessError, OSError) as exc:
            print(f"compare: {exc}", file=sys.stderr)
            return COULD_NOT_RUN
        labels, doubts = (base.label, head.label), neighbours.doubts()
    rows = judge(rounds, sessions=load.sessions)
    command = shlex.join(["voicebridge", "compare", *given])
    run = report(
        rows, labels, command, machine, started, n_rounds=len(rounds), doubts=doubts
    )
    return end(run, out, also=options.json)


def _rounds(
    plans: Sequence[Plan], load: Load, n: int, seed: int, out: Path
) -> list[tuple[Measured, Measured]]:
    rounds: list[tuple[Measured, Measured]] = []
    with Arena(load, seed=seed, out=out, say=_say) as arena:
        for number in range(1, n + 1):
            found = arena.round(plans, f"round-{number}")
            rounds.append((found["base"], found["head"]))
            rows = judge(rounds[-1:], sessions=load.sessions)
            _say(f"round {number}/{n}: {_short(rows)}")
    return rounds


def _short(rows: Sequence[ComparisonRow]) -> str:
    told = [
        r
        for r in rows
        if r.name in ("cpu", "added_uplink_ms.typical", "added_downlink_ms.typical")
    ]
    return ", ".join(f"{row.label} {change_text(row)}" for row in told)


def report(
    rows: Sequence[ComparisonRow],
    labels: tuple[str, str],
    command: str,
    machine: Machine,
    started: datetime,
    *,
    n_rounds: int,
    doubts: Sequence[str] = (),
) -> Run:
    """The comparison as a run. Where there are doubts about the machine only what was
    counted exactly can be worse; what was measured is undecided."""
    outcome, words = conclusion(rows)
    if doubts:
        exact = [row for row in rows if row.group == "exact"]
        if conclusion(exact)[0] is not Outcome.FAIL:
            outcome = Outcome.UNDECIDED
        words += f" What was measured decides nothing: {'; '.join(doubts)}."
    return Run(
        kind="compare",
        title=f"{labels[0]} → {labels[1]}",
        command=command,
        started_at=started.isoformat(timespec="seconds"),
        seconds=(datetime.now(UTC) - started).total_seconds(),
        machine=machine,
        revision=this_revision(),
        verdict=Verdict(outcome=outcome, words=words),
        headlines=tuple(_headlines(rows)),
        doubts=tuple(doubts),
        checks=tuple(
            Check(
                name=row.label,
                group=row.group,
                outcome=_weight(row, bool(doubts)),
                words=_found(row),
            )
            for row in rows
        ),
        blocks=(
            ComparisonBlock(
                title="What changed", base=labels[0], head=labels[1], rows=tuple(rows)
            ),
            TextBlock(
                title="How it was measured",
                paragraphs=(
                    f"{n_rounds} rounds. In each, both bridges were started afresh in "
                    "random order and carried the same calls at the same time, so that "
                    "what the machine did meanwhile hit both. CPU is that of all of a "
                    "bridge's processes, compared second by second. Intervals are "
                    "95 %, over the rounds.",
                    "Worse or better needs an interval that leaves zero out and a size "
                    "that matters (the grey band); no change needs an interval inside "
                    "that band. Everything else is undecided.",
                ),
            ),
        ),
    )


def _weight(row: ComparisonRow, is_doubtful: bool) -> Outcome:
    outcome = OUTCOMES.get(row.verdict, Outcome.PASS)
    if outcome is Outcome.FAIL and is_doubtful and row.group != "exact":
        return Outcome.UNDECIDED
    return outcome


def _found(row: ComparisonRow) -> str:
    change = change_text(row) if row.change is not None else ""
    details = ", ".join(filter(None, (change, row.words)))
    return f"{row.verdict.value}: {details}" if details else row.verdict.value


def _headlines(rows: Sequence[ComparisonRow]) -> list[Headline]:
    found = []
    for row in rows:
        if row.name in ("cpu", "added_uplink_ms.typical", "added_downlink_ms.typical"):
            scale, unit = (100, "%") if row.relative else (1, row.unit)
            found.append(
                Headline(
                    label=row.label,
                    value=ABSENT
                    if row.change is None
                    else f"{row.change * scale:+.1f}",
                    unit=unit,
                    note=row.verdict.value,
                    outcome=OUTCOMES.get(row.verdict),
                )
            )
    return found


def conclusion(rows: Sequence[ComparisonRow]) -> tuple[Outcome, str]:
    """The verdict over all rows, in words."""
    found = by_verdict(rows)

    def told(change: Change) -> str:
        names = []
        for row in found[change]:
            size = f" {change_text(row)}" if row.change is not None else ""
            if row.change is None and row.base is not None:
                size = f" {row.base:g} → {row.head or 0:g}"
            names.append(f"{row.label}{size}")
        return ", ".join(names)

    if found[Change.WORSE]:
        return Outcome.FAIL, f"Worse: {told(Change.WORSE)}."
    parts = []
    if found[Change.BETTER]:
        parts.append(f"Better: {told(Change.BETTER)}.")
    if found[Change.CHANGED]:
        parts.append(f"Changed: {', '.join(r.label for r in found[Change.CHANGED])}.")
    if found[Change.UNDECIDED]:
        for is_known, why in (
            (True, "the noise is larger than what matters"),
            (False, "it was not measured"),
        ):
            rows_ = [r for r in found[Change.UNDECIDED] if is_known is _has_change(r)]
            if rows_:
                names = ", ".join(row.label for row in rows_)
                parts.append(f"Not decided: {names}; {why}.")
        return Outcome.UNDECIDED, " ".join(parts)
    return Outcome.PASS, " ".join(["Nothing got worse.", *parts])


def _has_change(row: ComparisonRow) -> bool:
    return row.change is not None


def _say(text: str) -> None:
    print(f"compare: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""What the gate found of known changes, as rates and as a report. PURE."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from reports.machine import this_revision
from reports.model import (
    Change,
    Check,
    ComparisonRow,
    Distribution,
    Figure,
    FiguresBlock,
    Headline,
    Machine,
    Outcome,
    Run,
    TableBlock,
    TextBlock,
    Verdict,
    distribution,
    overall,
)
from reports.stats import wilson
from reports.texts import ABSENT, counted

UP, DOWN = "added_uplink_ms.typical", "added_downlink_ms.typical"
CPU = "cpu"
FOUND_SHARE = 0.95
FALSE_SHARE = 0.05
DELAY_TOLERANCE_MS = 2.0
ENOUGH_TRIALS = 20
"""With fewer a rate of 95 % cannot be told from one of 85 %."""


def size_text(row: ComparisonRow, digits: int = 1) -> str:
    """A change by itself; a dash for what was not measured."""
    if row.change is None:
        return ABSENT
    if row.relative:
        return f"{100 * row.change:+.{digits}f} %"
    return f"{row.change:+.{digits}f} {row.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Trial:
    """One decision of the gate on each of two comparisons."""

    direction: str
    """Which way was delayed: up or down."""
    same: list[ComparisonRow]
    changed: list[ComparisonRow]

    @property
    def false_alarms(self) -> list[str]:
        """What the gate said had changed where nothing had."""
        quiet = (Change.NONE, Change.UNDECIDED)
        return [
            f"{row.label} {size_text(row)}"
            for row in self.same
            if row.verdict not in quiet
        ]

    @property
    def found_cpu(self) -> bool:
        """Whether the burnt CPU was found."""
        return row_of(self.changed, CPU).verdict is Change.WORSE

    @property
    def found_delay(self) -> bool:
        """Whether the delay was found, and in the direction where it was."""
        return row_of(self.changed, self.delayed).verdict is Change.WORSE

    @property
    def delayed(self) -> str:
        """The row of the delayed direction."""
        return UP if self.direction == "up" else DOWN

    @property
    def other(self) -> str:
        """The row of the other one."""
        return DOWN if self.direction == "up" else UP


@dataclass(slots=True)
class Rates:
    """What the trials came to."""

    delay_ms: float
    burn_share: float
    trials: list[Trial] = field(default_factory=list)

    def table(self) -> list[tuple[str, int, int, str]]:
        """(what, how often, of how many, what is required)."""
        n = len(self.trials)
        found = f"found in ≥ {FOUND_SHARE:.0%}"
        return [
            (
                f"+{self.burn_share:.0%} CPU found",
                sum(t.found_cpu for t in self.trials),
                n,
                found,
            ),
            (
                f"+{self.delay_ms:g} ms found",
                sum(t.found_delay for t in self.trials),
                n,
                found,
            ),
            (
                "false alarm on A/A",
                sum(bool(t.false_alarms) for t in self.trials),
                n,
                f"in ≤ {FALSE_SHARE:.0%}",
            ),
        ]

    def delays_ms(
        self, *, direction: str | None = None, other: bool = False
    ) -> list[float]:
        """What was measured where the delay was (or in the other direction), over all
        trials or those that delayed one direction."""
        rows = (
            row_of(t.changed, t.other if other else t.delayed)
            for t in self.trials
            if direction in (None, t.direction)
        )
        return [row.change for row in rows if row.change is not None]

    def shares(self, *, same: bool = False) -> list[float]:
        """The CPU changes that were measured, per cent."""
        rows = (row_of(t.same if same else t.changed, CPU) for t in self.trials)
        return [100 * row.change for row in rows if row.change is not None]


def row_of(rows: Sequence[ComparisonRow], name: str) -> ComparisonRow:
    """The row of a figure; StopIteration when it was not measured."""
    return next(row for row in rows if row.name == name)


def report(
    rates: Rates,
    command: str,
    machine: Machine,
    started: datetime,
    *,
    rounds: int,
    doubts: Sequence[str] = (),
) -> Run:
    """The trials as a run.

    Args:
        rates: what the trials came to.
        command: what a person typed.
        machine: where.
        started: when.
        rounds: of each trial.
        doubts: why the machine cannot be judged by; then nothing passes or fails.
    """
    checks = [_check(*row) for row in rates.table()]
    checks += [_delay_check(rates, direction) for direction in ("up", "down")]
    if doubts:
        checks = [
            check.model_copy(update={"outcome": Outcome.UNDECIDED})
            if check.outcome is Outcome.FAIL
            else check
            for check in checks
        ]
    delays = distribution("measured", rates.delays_ms(), curve=True)
    n = len(rates.trials)
    outcome = overall(checks, doubts)
    told = "; ".join(f"{name} in {hits} of {n}" for name, hits, _, _ in rates.table())
    return Run(
        kind="calibrate",
        title="What the regression gate finds on this machine",
        command=command,
        started_at=started.isoformat(timespec="seconds"),
        seconds=(datetime.now(UTC) - started).total_seconds(),
        machine=machine,
        revision=this_revision(),
        verdict=Verdict(outcome=outcome, words=f"{told}."),
        headlines=tuple(
            Headline(label=name, value=f"{hits} of {n}", note=_interval(hits, n))
            for name, hits, n, _ in rates.table()
        ),
        doubts=tuple(doubts),
        checks=tuple(checks),
        blocks=(
            _measured(rates, delays),
            TableBlock(
                title="Hit rates",
                head=("", "in", "95 % interval (Wilson)", "required"),
                rows=tuple(
                    (name, f"{hits} of {n}", _interval(hits, n), required)
                    for name, hits, n, required in rates.table()
                ),
            ),
            _trials(rates),
            TextBlock(
                title="How it was done",
                paragraphs=(
                    f"Each trial is one decision of the gate over {rounds} rounds of "
                    "fresh processes. Three bridges of the same code ran side by side: "
                    "one as it is, one as it is (A/A), one that burns CPU in a thread "
                    "of its own behind a relay that delays one direction; all three "
                    "lay behind a relay. A false alarm is any row of the A/A "
                    "comparison judged as changed.",
                ),
            ),
        ),
    )


def _check(name: str, hits: int, n: int, required: str) -> Check:
    """Whether a rate is as required: by its value, unsure with fewer than 20 trials."""
    rate = hits / n
    is_alarm = name.startswith("false")
    good = rate <= FALSE_SHARE if is_alarm else rate >= FOUND_SHARE
    words = f"{hits} of {n} ({_interval(hits, n)}), required {required}"
    outcome = Outcome.PASS if good else Outcome.FAIL
    if n < ENOUGH_TRIALS:
        found = wilson(hits, n)
        surely_bad = found.low > FALSE_SHARE if is_alarm else found.high < FOUND_SHARE
        outcome = Outcome.FAIL if surely_bad else Outcome.UNDECIDED
    return Check(name=name, group="gate", outcome=outcome, words=words)


def _delay_check(rates: Rates, direction: str) -> Check:
    """Whether the delay of one direction is measured as what it is: by the median of
    the trials that had it, since each of them is a measurement of its own."""
    found = rates.delays_ms(direction=direction)
    name = f"size of the delay, {direction}"
    if not found:
        words = "no trial delayed this direction"
        return Check(name=name, group="gate", outcome=Outcome.UNDECIDED, words=words)
    middle = statistics.median(found)
    good = abs(middle - rates.delay_ms) <= DELAY_TOLERANCE_MS
    return Check(
        name=name,
        group="gate",
        outcome=Outcome.PASS if good else Outcome.FAIL,
        words=f"{middle:+.2f} ms measured for {rates.delay_ms:+g} ms "
        f"(± {DELAY_TOLERANCE_MS:g} ms, {counted(len(found), 'trial')}, "
        f"{min(found):+.2f} to {max(found):+.2f})",
    )


def _measured(rates: Rates, delays: Distribution) -> FiguresBlock:
    rows = (
        ("delay", "injected delay as measured", delays),
        (
            "other",
            "the other direction",
            distribution("o", rates.delays_ms(other=True)),
        ),
        ("cpu", "burnt CPU as measured", distribution("c", rates.shares(), unit="%")),
        ("same", "A/A CPU", distribution("a", rates.shares(same=True), unit="%")),
    )
    return FiguresBlock(
        title="What was measured",
        columns=(counted(len(rates.trials), "trial"),),
        rows=tuple(
            Figure(name=name, label=label, cells=(cell,)) for name, label, cell in rows
        ),
    )


def _trials(rates: Rates) -> TableBlock:
    rows = []
    for number, trial in enumerate(rates.trials, 1):
        cpu, delay = row_of(trial.changed, CPU), row_of(trial.changed, trial.delayed)
        same = row_of(trial.same, CPU)
        rows.append(
            (
                str(number),
                f"{size_text(cpu)}: {cpu.verdict.value}",
                f"{trial.direction} {size_text(delay, 2)}: {delay.verdict.value}",
                size_text(same),
                ", ".join(trial.false_alarms) or "none",
            )
        )
    return TableBlock(
        title="Trial by trial",
        head=("", "CPU", "delay", "A/A CPU", "false alarms"),
        rows=tuple(rows),
    )


def _interval(hits: int, n: int) -> str:
    found = wilson(hits, n)
    return f"{found.low:.0%}–{found.high:.0%}"

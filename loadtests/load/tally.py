"""Everything a load run has seen so far, in bounded memory. PURE."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from loadtests.callers.report import CallReport, Outcome
from loadtests.load.events import kind_of
from reports.texts import counted

MAX_VALUES = 100_000
"""Per measure; of more a uniform sample of this size is kept (reservoir, seeded)."""
MAX_REASONS = 100
"""Different reasons that are told apart."""
RECENT_CALLS = 20
GENERATOR_LATE = "generator_late_ms"
"""Figure: p95 of how late each call's own frames left, doubtful calls included."""


@dataclass(slots=True)
class Reservoir:
    """Any number of values, a uniform sample of them kept."""

    n: int = 0
    values: list[float] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(7))

    def add(self, value: float) -> None:
        """Note one value."""
        self.n += 1
        if len(self.values) < MAX_VALUES:
            self.values.append(value)
        elif (at := self._random.randrange(self.n)) < MAX_VALUES:
            self.values[at] = value


@dataclass(slots=True)
class Tally:
    """Calls by outcome, their reasons, and the figures of the conclusive ones."""

    calls: Counter[Outcome] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    """Conversations of which the generator lost everything, by reason."""
    examples: dict[str, str] = field(default_factory=dict)
    """By reason without numbers, as counted: the first one with them."""
    varied: set[str] = field(default_factory=set)
    """Reasons that came with other numbers than those of their example too."""
    figures: dict[str, Reservoir] = field(default_factory=dict)
    talked_s: float = 0.0
    """Of all calls together, whatever came of them."""
    recent: deque[Outcome] = field(default_factory=lambda: deque(maxlen=RECENT_CALLS))

    def add(self, report: CallReport) -> None:
        """Note one call."""
        outcome = report.outcome
        self.calls[outcome] += 1
        self.talked_s += report.talk_s
        self.recent.append(outcome)
        late_ms = report.generator_late_ms
        if late_ms is not None:
            self._figure(GENERATOR_LATE).add(late_ms)
        if outcome == "failed":
            self._count(self.failures, report.reasons)
        elif outcome == "inconclusive":
            self._count(self.doubts, report.doubts)
        if outcome not in ("good", "failed"):
            return
        if "hello" in report.steps_ms:
            self._figure("connect_ms").add(sum(report.steps_ms.values()))
            for step, ms in report.steps_ms.items():
                self._figure(f"connect_{step}_ms").add(ms)
        for measure, values in report.values.items():
            for value in values:
                self._figure(measure).add(value)

    def lose(self, reason: str) -> None:
        """A conversation of which nothing is known, by the generator's fault."""
        self._count(self.broken, [reason])

    def clear_recent(self) -> None:
        """Forget which calls were the latest: a new load begins."""
        self.recent.clear()

    @property
    def n_conclusive(self) -> int:
        """Calls that say something about the bridge."""
        return self.calls["good"] + self.calls["failed"]

    @property
    def recent_failed_share(self) -> float:
        """Of the latest conclusive calls; 0 when there were none."""
        counts = Counter(self.recent)
        n = counts["good"] + counts["failed"]
        return counts["failed"] / n if n else 0.0

    def told(self, kind: str) -> str:
        """A reason as counted, with figures again."""
        example = self.examples.get(kind, kind)
        return f"{example} and the like" if kind in self.varied else example

    def reasons(self, counter: Counter[str], most: int = 3) -> str:
        """The most frequent ones, each with how many calls had it."""
        return "; ".join(
            f"{self.told(kind)}, {counted(n, 'call')}"
            for kind, n in counter.most_common(most)
        )

    def _count(self, counter: Counter[str], reasons: Iterable[str]) -> None:
        for kind, reason in {kind_of(reason): reason for reason in reasons}.items():
            if kind not in counter and len(counter) >= MAX_REASONS:
                counter["other reasons"] += 1
                continue
            counter[kind] += 1
            if self.examples.setdefault(kind, reason) != reason:
                self.varied.add(kind)

    def _figure(self, name: str) -> Reservoir:
        return self.figures.setdefault(name, Reservoir())

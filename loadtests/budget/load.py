"""What a bridge did and cost at one number of sessions. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field

from loadtests.budget.translation import Band, Cost
from reports.texts import counted


@dataclass(frozen=True, slots=True)
class ProcessCost:
    """One process of the bridge while the sessions talked."""

    role: str
    cost: Cost
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Load:
    """One number of sessions, measured."""

    sessions: int
    seconds: float
    """Of the window in which everybody talked."""
    processes: tuple[ProcessCost, ...] = ()
    """The bridge's own; the fake and the callers are no part of it."""
    cold_rss_mb: float = 0.0
    """Of the same processes before any call."""
    idle_rss_mb: float = 0.0
    """Of the same processes after the warm-up calls, without sessions."""
    warm_sessions: int = 0
    """Warm-up calls at the same time: what they needed was kept and is used again."""
    good_calls: int = 0
    failed_calls: int = 0
    failures: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    """Why nothing measured here counts; empty when it does."""
    delays_ms: dict[str, float] = field(default_factory=dict)
    """p95 of what the calls felt like, by measure."""
    generator_late_ms: float | None = None
    """The callers' own frames, p95 of the worst call."""
    fake_late_ms: float | None = None
    """The fake's frames, p95."""

    @property
    def is_reliable(self) -> bool:
        """Whether the figures count."""
        return not self.doubts

    @property
    def cost(self) -> Cost:
        """Of all processes, in CPU milliseconds per second."""
        return sum((p.cost for p in self.processes), Cost(0.0, 0.0))

    @property
    def rss_mb(self) -> float:
        """Of all processes."""
        return sum(p.rss_mb for p in self.processes)

    @property
    def ms_per_session_s(self) -> float:
        """CPU milliseconds per second of one session."""
        return self.cost.total_ms / self.sessions

    @property
    def mb_per_session(self) -> Band:
        """What each session adds to the memory.

        At least what came on top of the warm bridge, for those sessions that found no
        memory of an earlier one; at most everything since the bridge was started, what
        is loaded once included.
        """
        high = max(0.0, self.rss_mb - self.cold_rss_mb) / self.sessions
        grown = max(0.0, self.rss_mb - self.idle_rss_mb)
        low = grown / max(1, self.sessions - self.warm_sessions)
        return Band.between(min(low, high), max(low, high))

    @property
    def busiest(self) -> ProcessCost | None:
        """The process that runs out of its core first."""
        return max(self.processes, key=lambda p: p.cost.total_ms, default=None)


BROKEN_MS = {"mouth_to_model_ms": 50.0, "model_to_client_ms": 50.0, "gaps_ms": 60.0}
"""p95 above which a load is not carried (requirements §0; gaps: three frames)."""


def why_broken(load: Load) -> str | None:
    """Why the bridge does not carry this load; None when it does."""
    if load.failed_calls:
        what = counted(load.failed_calls, "call")
        return f"{what} failed: {'; '.join(load.failures[:3])}"
    for measure, limit_ms in BROKEN_MS.items():
        value_ms = load.delays_ms.get(measure, 0.0)
        if value_ms > limit_ms:
            name = measure.removesuffix("_ms").replace("_", " ")
            return f"{name} p95 {value_ms:.0f} ms (> {limit_ms:g})"
    return None if load.good_calls else "no call said anything about the bridge"


def next_sessions(sessions: int) -> int:
    """The next load on the way to the break: half as many again, at least five more."""
    return max(sessions + 5, sessions * 3 // 2)

"""One call as a load run sees it: its figures, and what they may be used for. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Outcome: TypeAlias = Literal["good", "failed", "inconclusive", "abandoned"]

MEASURES = (
    "mouth_to_model_ms",
    "model_to_client_ms",
    "model_to_ear_ms",
    "mouth_to_ear_ms",
    "response_latency_ms",
    "model_response_ms",
    "barge_in_stop_ms",
    "barge_in_beyond_vad_ms",
    "mouth_to_other_ear_ms",
    "gaps_ms",
)
"""Of `simulator.measures.CallMeasures`, by attribute: lists of milliseconds."""

REFUSED = "at_capacity"
"""The bridge's code for a session it has no room for."""

MAX_VALUES = 200
"""Per measure and call; a talkative call shall not outweigh all others."""


@dataclass(frozen=True, slots=True)
class CallReport:
    """What the analyst found in one call."""

    line: dict[str, Any]
    """The call as `voicebridge simulate` reports it."""
    values: dict[str, list[float]] = field(default_factory=dict)
    """By measure, in ms; what was not measured is missing or empty."""
    steps_ms: dict[str, float] = field(default_factory=dict)
    """Steps of connecting."""
    talk_s: float = 0.0
    line_failure: str | None = None
    """What went wrong on the line itself: no lateness of ours explains it."""
    failures: list[str] = field(default_factory=list)
    """Every failure, those found in the sound included."""
    doubts: list[str] = field(default_factory=list)
    """Why its figures say nothing about the bridge."""
    was_abandoned: bool = False
    """We hung up before it was connected, or before anything could have been heard: it
    proves nothing."""

    @property
    def outcome(self) -> Outcome:
        """What to make of it. A failure in the sound counts only when everybody else
        was on time, and so does a refusal: a bridge refuses when its machine is busy.
        Doubtful figures are never good."""
        if self.was_abandoned:
            return "abandoned"
        is_refused = self.line_failure is not None and REFUSED in self.line_failure
        if self.line_failure is not None and not (is_refused and self.doubts):
            return "failed"
        if self.doubts:
            return "inconclusive"
        return "failed" if self.failures else "good"

    @property
    def generator_late_ms(self) -> float | None:
        """How late its frames left the mouth, p95; None when it never spoke."""
        late = self.line.get("lateness_ms")
        value = late.get("p95") if isinstance(late, dict) else None
        return float(value) if value is not None else None

    @property
    def reasons(self) -> list[str]:
        """Why it is not good; empty when it is."""
        if self.outcome == "inconclusive":
            return [*self.doubts, *self.failures]
        return list(self.failures) if self.outcome == "failed" else []


def spread(values: Sequence[float], limit: int = MAX_VALUES) -> list[float]:
    """At most so many of the values that have nearly the same percentiles.

    Taken evenly from the sorted values, the least and the largest always among them.
    """
    ordered = sorted(values)
    n = len(ordered)
    if n <= limit:
        return [round(v, 2) for v in ordered]
    return [round(ordered[i * (n - 1) // (limit - 1)], 2) for i in range(limit)]

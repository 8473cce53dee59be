"""Whether what a bridge uses stays the same from one pause to the next. PURE.

Readings are taken in the pauses between rounds, when no call is there: then tasks,
threads and descriptors must be what they were, exactly. Memory is allowed to wander
(allocators keep pages) but not to grow: the trend over the later rounds is tested, with
its spread. A short run cannot tell a trend from settling; then memory is undecided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

Verdict: TypeAlias = Literal["flat", "grows", "undecided"]

EXACT = ("tasks", "threads", "fds", "sessions", "clients", "restarts")
WARM_UP = 2
"""Rounds after which lazy imports are done; at least so many are not judged."""
ENOUGH = 6
"""Pauses from which on a trend of memory is told."""
WARM_UP_SHARE = 3
"""One part in so many is not judged: until then the allocator's heap settles. A leak
goes on growing after that."""


@dataclass(frozen=True, slots=True)
class Idle:
    """What the bridge used in one pause."""

    at_s: float
    calls: int
    """Finished so far."""
    tasks: int
    threads: int
    fds: int
    sessions: int
    clients: int
    rss_mb: float
    restarts: int = 0
    """Of media processes: one that died has given everything back."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was watched."""

    name: str
    verdict: Verdict
    words: str


def findings(pauses: Sequence[Idle], *, limit_kb_per_call: float) -> list[Finding]:
    """What is to be said of each figure.

    Args:
        pauses: in order of time; the first third is not judged.
        limit_kb_per_call: growth of memory that counts as a leak.

    Raises:
        ValueError: there are fewer than WARM_UP + 3 pauses.
    """
    judged = list(pauses[max(WARM_UP, len(pauses) // WARM_UP_SHARE) :])
    if len(judged) < 3:
        raise ValueError(f"at least {WARM_UP + 3} pauses are needed")
    found = []
    for name in EXACT:
        values = [getattr(pause, name) for pause in judged]
        seen = sorted(set(values))
        flat = values[-1] <= values[0] and len(seen) <= 2
        if name == "restarts":  # also before what is judged, or it tells nothing
            flat = values[-1] == 0
        words = ", ".join(map(str, seen)) if len(seen) < 6 else f"{seen[0]}…{seen[-1]}"
        verdict: Verdict = "flat" if flat else "grows"
        found.append(Finding(name, verdict, f"{words} in {len(values)} pauses"))
    found.append(_memory(judged, limit_kb_per_call))
    return found


def _memory(judged: Sequence[Idle], limit_kb_per_call: float) -> Finding:
    """Theil-Sen: one pause with a page too many does not make a trend."""
    slopes = sorted(
        1000 * (later.rss_mb - earlier.rss_mb) / (later.calls - earlier.calls)
        for n, earlier in enumerate(judged)
        for later in judged[n + 1 :]
        if later.calls > earlier.calls
    )
    if not slopes:
        return Finding("memory", "undecided", "no calls between the pauses")
    low, slope, high = _trend(slopes, len(judged))
    words = (
        f"{judged[0].rss_mb:.1f} to {judged[-1].rss_mb:.1f} MB, {slope:+.1f} kB per "
        f"call ({low:+.1f} to {high:+.1f}; limit {limit_kb_per_call:g})"
    )
    if low > limit_kb_per_call:
        return Finding("memory", "grows", words)
    if high > limit_kb_per_call or len(judged) < ENOUGH:
        return Finding("memory", "undecided", words)
    return Finding("memory", "flat", words)


def _trend(slopes: Sequence[float], n: int) -> tuple[float, float, float]:
    """Median of the slopes between all pairs of n readings, and its 90 % interval.

    Sen 1968: the interval is a range of the sorted slopes, as wide as the spread of
    Kendall's statistic.
    """
    half_width = 1.645 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18) / 2
    middle = (len(slopes) - 1) / 2
    low = slopes[max(0, math.floor(middle - half_width))]
    high = slopes[min(len(slopes) - 1, math.ceil(middle + half_width))]
    return low, float(np.median(slopes)), high

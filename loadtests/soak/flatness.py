"""Whether what a bridge uses stays the same from one pause to the next. PURE.

Readings are taken in the pauses between rounds, when no call is there: then tasks,
threads and descriptors must be what they were, exactly. Memory is allowed to wander
(allocators keep pages) but not to grow: the trend over the later rounds is tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EXACT = ("tasks", "threads", "fds", "sessions", "clients")
WARM_UP = 2
"""Rounds after which lazy imports are done; at least so many are not judged."""
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


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was watched."""

    name: str
    is_flat: bool
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
        words = ", ".join(map(str, seen)) if len(seen) < 6 else f"{seen[0]}…{seen[-1]}"
        found.append(Finding(name, flat, f"{words} in {len(values)} pauses"))
    found.append(_memory(judged, limit_kb_per_call))
    return found


def _memory(judged: Sequence[Idle], limit_kb_per_call: float) -> Finding:
    """Theil-Sen: one pause with a page too many does not make a trend."""
    calls = np.array([pause.calls for pause in judged], float)
    rss_kb = np.array([pause.rss_mb * 1000 for pause in judged])
    slopes = [
        (rss_kb[j] - rss_kb[i]) / (calls[j] - calls[i])
        for i in range(len(judged))
        for j in range(i + 1, len(judged))
        if calls[j] > calls[i]
    ]
    slope = float(np.median(slopes)) if slopes else float("nan")
    words = (
        f"{judged[0].rss_mb:.1f} to {judged[-1].rss_mb:.1f} MB, "
        f"{slope:+.1f} kB per call (limit {limit_kb_per_call:g})"
    )
    return Finding("memory", slope <= limit_kb_per_call, words)

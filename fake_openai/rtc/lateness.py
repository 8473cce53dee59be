"""How late frames left: a histogram of fixed size, and when that was. PURE."""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LATE_S: Final = 0.010
"""A frame this late has moved by half its length."""
LATE_FRACTION: Final = 0.01
"""A run in which more frames than this were late is not to be trusted."""
_BIN_S: Final = 0.0001
_N_BINS: Final = 10_000
"""Up to one second; later frames count in the last bin, `max` stays exact."""
MAX_SPELLS: Final = 1_000
"""Spells of lateness remembered; the oldest go first."""
_SAME_SPELL_S: Final = 0.1
"""Late frames no further apart than this are late for the same reason."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late frames left since the last reset; times in milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float
    n_frames: int
    n_late: int
    n_skipped: int
    """Frames never sent because the process stood still for too long."""

    @property
    def late(self) -> bool:
        """Whether measurements made against this fake are unreliable."""
        if self.n_skipped:
            return True
        return self.n_late > LATE_FRACTION * self.n_frames


@dataclass(slots=True)
class Spell:
    """A time during which frames left late; CLOCK_MONOTONIC."""

    began_s: float
    """When the first of them was due."""
    ended_s: float
    """When the last of them left."""
    worst_s: float
    """How late the latest of them was."""


class LatenessMeter:
    """Counts frames by how much later they left than they were due."""

    def __init__(self) -> None:
        self._bins: NDArray[np.int64] = np.zeros(_N_BINS, dtype=np.int64)
        self._max_s = 0.0
        self._n_late = 0
        self._n_skipped = 0
        self._spells: deque[Spell] = deque(maxlen=MAX_SPELLS)

    def add(self, late_s: float, left_s: float) -> None:
        """One frame left at `left_s`; early counts as on time."""
        if late_s > self._max_s:
            self._max_s = late_s
        if late_s > LATE_S:
            self._n_late += 1
            self._note_spell(late_s, left_s)
        self._bins[min(_N_BINS - 1, max(0, int(late_s / _BIN_S)))] += 1

    def skip(self, n_frames: int) -> None:
        """Frames were given up."""
        self._n_skipped += n_frames

    def reset(self) -> None:
        """Forget everything."""
        self._bins[:] = 0
        self._max_s = 0.0
        self._n_late = self._n_skipped = 0
        self._spells.clear()

    def spells(self, start_s: float, end_s: float) -> list[Spell]:
        """When frames were late between two times, in order."""
        return [s for s in self._spells if s.ended_s > start_s and s.began_s < end_s]

    def read(self) -> Lateness:
        """Percentiles so far; zeros when no frame has left."""
        total = int(self._bins.sum())
        worst_ms = round(self._max_s * 1000, 3)
        if not total:
            return Lateness(0.0, 0.0, 0.0, 0.0, 0, 0, self._n_skipped)
        sums = np.cumsum(self._bins)
        p50, p95, p99 = (
            round(float((np.searchsorted(sums, total * p) + 1) * _BIN_S * 1000), 3)
            for p in (0.50, 0.95, 0.99)
        )
        return Lateness(p50, p95, p99, worst_ms, total, self._n_late, self._n_skipped)

    def _note_spell(self, late_s: float, left_s: float) -> None:
        due_s = left_s - late_s
        last = self._spells[-1] if self._spells else None
        if last is None or due_s - last.ended_s > _SAME_SPELL_S:
            self._spells.append(Spell(due_s, left_s, late_s))
            return
        last.began_s = min(last.began_s, due_s)
        last.ended_s = max(last.ended_s, left_s)
        last.worst_s = max(last.worst_s, late_s)

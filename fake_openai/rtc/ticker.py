"""The 20 ms beat of all calls, and how late it was.

One timer for the process instead of one per call: 50 sleeping tasks cost 50 wake-ups
per frame. The schedule is absolute, so a late beat does not delay the ones after it.
Lateness is kept because a fake that was late makes every latency measured against it
wrong, and must say so.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

PERIOD_S: Final = 0.020
LATE_S: Final = 0.010
"""A beat this late moved a frame by half its length."""
LATE_FRACTION: Final = 0.01
"""A run in which more beats than this were late is not to be trusted."""
_EARLY_S: Final = 0.001
"""uvloop's timers count whole milliseconds: a beat this early is on time."""
_MAX_CATCH_UP: Final = 25
"""Beats made up for at once after a stall; the rest of the time is given up."""
_WINDOW: Final = 30_000
"""Beats remembered for percentiles: 10 minutes."""

Beat = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late frames left, over the last 10 minutes; times in milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float
    n_beats: int
    n_late: int
    n_skipped: int
    """Beats never made up for after a stall."""

    @property
    def late(self) -> bool:
        """Whether measurements made against this fake are unreliable."""
        if not self.n_beats:
            return False
        return self.n_skipped > 0 or self.n_late > LATE_FRACTION * self.n_beats


class Ticker:
    """Calls every listener each 20 ms, on the loop thread, while there is one.

    A listener gets the monotonic time at which it is called and must not block; one
    that raises is the caller's bug and goes to the loop's exception handler without
    stopping the others.
    """

    def __init__(self) -> None:
        self._listeners: dict[Beat, None] = {}
        self._handle: asyncio.TimerHandle | None = None
        self._next_s = 0.0
        self._lateness_s: NDArray[np.float32] = np.zeros(_WINDOW, dtype=np.float32)
        self._n_beats = 0
        self._n_late = 0
        self._n_skipped = 0

    def add(self, beat: Beat) -> None:
        """Start calling `beat`; the first listener starts the schedule."""
        self._listeners[beat] = None
        if self._handle is None:
            self._next_s = time.monotonic() + PERIOD_S
            self._arm()

    def discard(self, beat: Beat) -> None:
        """Stop calling `beat`. Safe at any time, also from a beat."""
        self._listeners.pop(beat, None)

    def close(self) -> None:
        """Stop for good."""
        self._listeners.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def reset(self) -> None:
        """Forget the lateness seen so far."""
        self._n_beats = self._n_late = self._n_skipped = 0

    def lateness(self) -> Lateness:
        """Percentiles over the remembered beats; zeros when there was none."""
        seen = self._lateness_s[: min(self._n_beats, _WINDOW)] * 1000
        if not len(seen):
            return Lateness(0.0, 0.0, 0.0, 0.0, 0, 0, self._n_skipped)
        p50, p95, p99 = (round(float(p), 3) for p in np.percentile(seen, (50, 95, 99)))
        worst = round(float(seen.max()), 3)
        return Lateness(
            p50, p95, p99, worst, self._n_beats, self._n_late, self._n_skipped
        )

    def _arm(self) -> None:
        # Not call_at: uvloop's own clock is cached and rounded to milliseconds.
        delay_s = max(0.0, self._next_s - time.monotonic())
        loop = asyncio.get_running_loop()
        self._handle = loop.call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._handle = None
        if not self._listeners:
            return
        overdue = int((time.monotonic() - self._next_s) / PERIOD_S)
        if overdue > _MAX_CATCH_UP:
            self._n_skipped += overdue - _MAX_CATCH_UP
            self._next_s += (overdue - _MAX_CATCH_UP) * PERIOD_S
        while self._listeners and time.monotonic() >= self._next_s - _EARLY_S:
            self._beat_all()
            self._next_s += PERIOD_S
        if self._listeners:
            self._arm()

    def _beat_all(self) -> None:
        for beat in tuple(self._listeners):
            try:
                beat(time.monotonic())
            except Exception as exc:  # noqa: BLE001  one call must not stop the others
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a ticker listener failed", "exception": exc}
                )
        # Measured after the last call, so that a full tick counts against the fake.
        late_s = max(0.0, time.monotonic() - self._next_s)
        self._lateness_s[self._n_beats % _WINDOW] = late_s
        self._n_beats += 1
        self._n_late += late_s > LATE_S

"""One 20 ms tick for the whole process.

The schedule is absolute: a tick is due at every 20 ms of the clock, however long the
ones before took, and the sockets are read just before (`server/rtc/lean/sockets.py`
keeps the same grid). When the loop stood still, its sockets are read first and the
ticks follow at once: what had come is then played, and nothing is made up in its place.
A backlog longer than the buffers is skipped, because they hold no sound for it.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from server.audio.format import FRAME_MS

logger = logging.getLogger(__name__)

PERIOD_S = FRAME_MS / 1000
MAX_CATCH_UP = 10
"""Ticks of 200 ms: what a PlayoutBuffer keeps at most."""
READ_FIRST_S = 0.001
"""Time for the loop to look at its sockets once, before ticks are caught up."""

_ON_TIME = 1e-6
"""Periods: the clock says no multiple exactly."""

Tick = Callable[[float], None]


@dataclass(slots=True)
class TickCounters:
    """How well the tick kept time."""

    ticks: int = 0
    skipped: int = 0
    worst_lateness_ms: float = 0.0


class Ticker:
    """Calls every subscriber once per period, with the time the tick was due."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._subscribers: dict[Tick, None] = {}
        self._handle: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._has_read = False
        self.counters = TickCounters()

    def subscribe(self, tick: Tick) -> None:
        """Start calling `tick`. It must not raise; if it does it is unsubscribed."""
        self._subscribers[tick] = None
        if self._handle is None:
            periods = math.floor(self._loop.time() / PERIOD_S + _ON_TIME)
            self._due_s = (periods + 1) * PERIOD_S
            self._handle = self._loop.call_at(self._due_s, self._run)

    def unsubscribe(self, tick: Tick) -> None:
        """Stop calling `tick`; without subscribers the clock stands still."""
        self._subscribers.pop(tick, None)
        if not self._subscribers and self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def lead_ms(self) -> float:
        """Time until the next tick, 0 when it is overdue.

        A whole period when the loop stood still: who comes now was not late, we are.
        """
        lead_s = self._due_s - self._loop.time()
        if self._handle is None or lead_s <= -PERIOD_S:
            return FRAME_MS
        return max(0.0, lead_s * 1000)

    def _run(self) -> None:
        lateness_s = self._loop.time() - self._due_s
        self.counters.worst_lateness_ms = max(
            self.counters.worst_lateness_ms, lateness_s * 1000
        )
        if lateness_s >= PERIOD_S and not self._has_read:
            self._has_read = True
            at_s = self._loop.time() + READ_FIRST_S
            self._handle = self._loop.call_at(at_s, self._run)
            return
        self._has_read = False
        backlog = int(lateness_s / PERIOD_S)
        if backlog > MAX_CATCH_UP:
            self.counters.skipped += backlog - MAX_CATCH_UP
            self._due_s += (backlog - MAX_CATCH_UP) * PERIOD_S
        due_now = 1 + min(backlog, MAX_CATCH_UP)
        for _ in range(due_now):
            due_s = self._due_s
            self._due_s += PERIOD_S
            self._tick_all(due_s)
        if self._subscribers:
            self._handle = self._loop.call_at(self._due_s, self._run)

    def _tick_all(self, due_s: float) -> None:
        self.counters.ticks += 1
        for tick in list(self._subscribers):
            try:
                tick(due_s)
            except Exception:
                # One broken conversation must not silence the others.
                logger.exception("a tick failed; its conversation is not ticked again")
                self.unsubscribe(tick)

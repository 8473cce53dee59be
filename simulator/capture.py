"""The capture clock: one timer for every microphone of the process. EDGE.

A microphone delivers a frame when its last sample was captured, on an absolute schedule
of its own (its phase, its drift). A task and a sleep per call would cost a wake-up per
call and frame; here one timer fires the microphones that are due together.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.timeline import FRAME_S

TOGETHER_S = 0.0005
"""Microphones due within this time share a wake-up: below the timers' resolution."""

LAG_EVERY_S = 0.1
"""How often the loop's own lag is sampled."""

MAX_LATENESS = 500_000
MAX_LAGS = 40_000
"""What is remembered of a run that goes on for hours: the newest; older is dropped."""


@dataclass(slots=True)
class Microphone:
    """One source of frames on the clock. Ends with `CaptureClock.remove`."""

    on_frame: Callable[[float, float], None]
    """Called with (scheduled time, time now), seconds of time.monotonic()."""
    start_s: float
    period_s: float
    n_frames: int = 0
    is_on: bool = True

    @property
    def due_s(self) -> float:
        """When the next frame is complete: counted from the start, never summed up."""
        return self.start_s + (self.n_frames + 1) * self.period_s


@dataclass(slots=True)
class ClockHealth:
    """How well this process kept time."""

    lateness_ms: deque[float] = field(
        default_factory=lambda: deque(maxlen=MAX_LATENESS)
    )
    """Of every frame of every microphone."""
    lags: deque[tuple[float, float]] = field(
        default_factory=lambda: deque(maxlen=MAX_LAGS)
    )
    """(when, ms) of the loop, sampled ten times a second."""

    @property
    def loop_lag_ms(self) -> list[float]:
        """Every sample of the loop's lag."""
        return [lag_ms for _, lag_ms in self.lags]

    def loop_lag_since(self, start_s: float) -> list[float]:
        """The loop's lag since a time, in ms."""
        newest = itertools.takewhile(lambda lag: lag[0] >= start_s, reversed(self.lags))
        return [lag_ms for _, lag_ms in newest]


class CaptureClock:
    """Fires every microphone's frames on time. Use as an async context manager."""

    def __init__(self, *, drift_ppm: float = 0.0) -> None:
        self.health = ClockHealth()
        self._period_s = FRAME_S / (1 + drift_ppm * 1e-6)
        self._queue: list[tuple[float, int, Microphone]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._lag_timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> CaptureClock:
        self._loop = asyncio.get_running_loop()
        self._watch_lag()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for timer in (self._timer, self._lag_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._lag_timer = None

    def add(
        self, on_frame: Callable[[float, float], None], *, period_s: float | None = None
    ) -> Microphone:
        """Start a microphone now; its first frame is complete one period later."""
        microphone = Microphone(
            on_frame, start_s=time.monotonic(), period_s=period_s or self._period_s
        )
        self._push(microphone)
        self._arm()
        return microphone

    def remove(self, microphone: Microphone) -> None:
        """Stop a microphone; its frame is not called again. Idempotent."""
        microphone.is_on = False

    def _push(self, microphone: Microphone) -> None:
        heapq.heappush(self._queue, (microphone.due_s, next(self._order), microphone))

    def _arm(self) -> None:
        assert self._loop is not None, "enter the clock before adding microphones"
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queue:
            delay_s = max(0.0, self._queue[0][0] - time.monotonic())
            self._timer = self._loop.call_later(delay_s, self._fire)

    def _fire(self) -> None:
        self._timer = None
        while self._queue and self._queue[0][0] <= time.monotonic() + TOGETHER_S:
            due_s, _, microphone = heapq.heappop(self._queue)
            if not microphone.is_on:
                continue
            now_s = time.monotonic()
            self.health.lateness_ms.append((now_s - due_s) * 1000)
            microphone.on_frame(due_s, now_s)
            microphone.n_frames += 1
            self._push(microphone)
        self._arm()

    def _watch_lag(self, due_s: float | None = None) -> None:
        assert self._loop is not None
        now_s = time.monotonic()
        if due_s is not None:
            self.health.lags.append((now_s, max(0.0, now_s - due_s) * 1000))
        self._lag_timer = self._loop.call_later(
            LAG_EVERY_S, self._watch_lag, now_s + LAG_EVERY_S
        )

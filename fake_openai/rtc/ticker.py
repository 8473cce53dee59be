"""The 20 ms beat of all calls.

One schedule for the process instead of a sleeping task per call (50 tasks, 50 wake-ups
per frame). Calls are spread over four slots 5 ms apart, so that the frames of fifty
calls do not leave in one burst whose last one is late. The schedule is absolute: a late
beat does not delay the ones after it.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from fake_openai.rtc.lateness import LatenessMeter

PERIOD_S: Final = 0.020
N_SLOTS: Final = 4
_EARLY_S: Final = 0.001
"""uvloop's timers count whole milliseconds: a beat this early is on time."""
_MAX_CATCH_UP: Final = 25
"""Beats made up for at once after a stall; the rest of the time is given up."""

Beat = Callable[[float, float], None]
"""Gets the monotonic time now, and the time at which this beat was due."""


class Ticker:
    """Calls every listener each 20 ms, on the loop thread, while there is one.

    A listener must not block; one that raises is the caller's bug and goes to the
    loop's exception handler without stopping the others.
    """

    def __init__(self) -> None:
        self.meter = LatenessMeter()
        self._slots = [_Slot(self.meter, n) for n in range(N_SLOTS)]

    def add(self, beat: Beat) -> None:
        """Start calling `beat`, in the slot with the fewest listeners."""
        if not any(beat in slot.listeners for slot in self._slots):
            min(self._slots, key=lambda slot: len(slot.listeners)).add(beat)

    def discard(self, beat: Beat) -> None:
        """Stop calling `beat`. Safe at any time, also from a beat."""
        for slot in self._slots:
            slot.listeners.pop(beat, None)

    def close(self) -> None:
        """Stop for good."""
        for slot in self._slots:
            slot.close()


class _Slot:
    """A quarter of the listeners, on the same clock shifted by 5 ms each."""

    def __init__(self, meter: LatenessMeter, number: int) -> None:
        self.listeners: dict[Beat, None] = {}
        self._meter = meter
        self._shift_s = number * PERIOD_S / N_SLOTS
        self._handle: asyncio.TimerHandle | None = None
        self._next_s = 0.0

    def add(self, beat: Beat) -> None:
        self.listeners[beat] = None
        if self._handle is None:
            periods = int((time.monotonic() - self._shift_s) / PERIOD_S) + 1
            self._next_s = periods * PERIOD_S + self._shift_s
            self._arm()

    def close(self) -> None:
        self.listeners.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        # Not call_at: uvloop's own clock is cached and rounded to milliseconds.
        delay_s = max(0.0, self._next_s - time.monotonic())
        loop = asyncio.get_running_loop()
        self._handle = loop.call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._handle = None
        overdue = int((time.monotonic() - self._next_s) / PERIOD_S)
        if overdue > _MAX_CATCH_UP and self.listeners:
            given_up = overdue - _MAX_CATCH_UP
            self._meter.skip(given_up * len(self.listeners))
            self._next_s += given_up * PERIOD_S
        while self.listeners and time.monotonic() >= self._next_s - _EARLY_S:
            self._beat_all()
            self._next_s += PERIOD_S
        if self.listeners:
            self._arm()

    def _beat_all(self) -> None:
        for beat in tuple(self.listeners):
            try:
                beat(time.monotonic(), self._next_s)
            except Exception as exc:  # noqa: BLE001  one call must not stop the others
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a ticker listener failed", "exception": exc}
                )

"""How busy a media process is, as it reports twice a second."""

import asyncio
from collections import deque
from dataclasses import dataclass

PROBE_S = 0.05
"""The loop is asked this often how late it is."""
REMEMBERED = 60
"""Lateness readings kept: three seconds of them."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """One reading of one process. All counters since its start."""

    cpu_s: float
    rss_bytes: int
    lag_p95_ms: float
    """How late the event loop was over the last seconds."""
    sessions: int
    clients: int
    ticks: int
    ticks_skipped: int
    tick_worst_ms: float


class LagMeter:
    """Measures the event loop's lateness. `start` it; it costs 20 timers a second."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._late_ms: deque[float] = deque(maxlen=REMEMBERED)
        self._handle: asyncio.TimerHandle | None = None
        self._due_s = 0.0

    def start(self) -> None:
        """Begin; once."""
        self._due_s = self._loop.time() + PROBE_S
        self._handle = self._loop.call_at(self._due_s, self._probe)

    def stop(self) -> None:
        """End."""
        if self._handle is not None:
            self._handle.cancel()

    @property
    def p95_ms(self) -> float:
        """Lateness that 95 % of the recent readings did not exceed; 0 without any."""
        if not self._late_ms:
            return 0.0
        ordered = sorted(self._late_ms)
        return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]

    def _probe(self) -> None:
        now_s = self._loop.time()
        self._late_ms.append(max(0.0, (now_s - self._due_s) * 1000))
        self._due_s = now_s + PROBE_S
        self._handle = self._loop.call_at(self._due_s, self._probe)

"""How busy a media process is, as it reports twice a second."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.observability.process import usage

if TYPE_CHECKING:
    # Not at run time: a front with media processes has no use for media code.
    from server.media.host import MediaHost

REPORT_S = 0.5
"""A process tells so often how busy it is."""
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
    tasks: int
    """Of its event loop."""


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


def load_of(host: MediaHost, lag: LagMeter) -> LoadReport:
    """How busy this process is, which carries `host`."""
    used, counters = usage(), host.ticker.counters
    return LoadReport(
        cpu_s=used.cpu_s,
        rss_bytes=used.rss_bytes,
        lag_p95_ms=round(lag.p95_ms, 2),
        sessions=host.n_sessions,
        clients=host.n_clients,
        ticks=counters.ticks,
        ticks_skipped=counters.skipped,
        tick_worst_ms=round(counters.worst_lateness_ms, 2),
        tasks=used.tasks,
    )

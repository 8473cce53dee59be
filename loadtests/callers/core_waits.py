"""How long a bridge on this machine was ready to run and got no core. EDGE (/proc).

A process that waits for a core sends nothing, and what is heard of that is a gap which
neither the bridge nor the fake has made. The kernel counts those waits for each process
(schedstat: its second number, nanoseconds, added when the process runs again).
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

EVERY_S = 0.1
MAX_SAMPLES = 40_000
"""An hour; older ones are dropped."""
PROC = Path("/proc")


class CoreWaits:
    """Samples the waits of some processes; whoever runs it owns the task."""

    def __init__(self, pids: Sequence[int], *, proc: Path = PROC) -> None:
        self._files = [proc / str(pid) / "schedstat" for pid in pids]
        self._last_ns: dict[Path, int] = {}
        self._longest: deque[tuple[float, float]] = deque(maxlen=MAX_SAMPLES)
        """(when, ms that the process which waited longest did since the one before)."""

    async def run(self) -> None:
        """Sample for ever; at once done where there is nothing to read."""
        while self._files:
            self.sample(time.monotonic())
            await asyncio.sleep(EVERY_S)

    def sample(self, now_s: float) -> None:
        """Read every process once; one that has ended is read no more."""
        waits_ms = []
        for file in list(self._files):
            try:
                waited_ns = int(file.read_text().split()[1])
            except (OSError, ValueError, IndexError):
                self._files.remove(file)
                continue
            before_ns = self._last_ns.get(file)
            self._last_ns[file] = waited_ns
            if before_ns is not None:
                waits_ms.append((waited_ns - before_ns) / 1e6)
        if waits_ms:
            self._longest.append((now_s, max(waits_ms)))

    def longest_ms(self, since_s: float) -> float:
        """The longest wait since a time; 0 where nobody counts them."""
        newest = itertools.takewhile(
            lambda sample: sample[0] >= since_s, reversed(self._longest)
        )
        return max((wait_ms for _, wait_ms in newest), default=0.0)

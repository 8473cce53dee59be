"""What the machine did meanwhile: stolen time and our own use of the CPU. EDGE."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")


@dataclass(frozen=True, slots=True)
class CpuReading:
    """Clocks at one moment."""

    at_s: float
    own_s: float
    """CPU time of this process."""
    ticks: tuple[int, int] | None
    """All ticks of all cores, and of them those a hypervisor gave to others; None
    where nobody counts them."""

    @classmethod
    def now(cls) -> CpuReading:
        """Read them."""
        return cls(time.monotonic(), time.process_time(), _ticks(STAT))

    def stolen_percent(self, later: CpuReading) -> float | None:
        """Share of all CPU time between two readings which was stolen."""
        if self.ticks is None or later.ticks is None:
            return None
        ticks, stolen = (b - a for a, b in zip(self.ticks, later.ticks, strict=True))
        return round(100 * stolen / ticks, 2) if ticks > 0 else None

    def own_percent(self, later: CpuReading) -> float:
        """This process's CPU time between two readings, as a share of one core."""
        wall_s = max(1e-9, later.at_s - self.at_s)
        return round(100 * (later.own_s - self.own_s) / wall_s, 1)


def _ticks(path: Path) -> tuple[int, int] | None:
    # proc(5): the first line sums all cores, its 8th number is steal.
    try:
        name, *numbers = path.read_text().split("\n", 1)[0].split()
    except (OSError, ValueError):
        return None
    if name != "cpu" or len(numbers) < 8:
        return None
    ticks = [int(number) for number in numbers[:8]]
    return sum(ticks), ticks[7]

"""From what a session costs here to what it costs on a device: a band. PURE.

The bridge's CPU time is split into kinds of work. What the kernel did is known from its
system time; what codec, crypto and mixing did follows from how often they are done per
session-second (`loadtests/budgets/work.yaml`) and how long that takes here; the rest is
Python. Each part is stretched by its own ratio of device to this machine, and where a
ratio is only known roughly the result is a band, not a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from loadtests.budget.kernels import KernelTime


@dataclass(frozen=True, slots=True)
class Band:
    """Between `low` and `high`, most likely at `likely`."""

    low: float
    likely: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.likely <= self.high:
            raise ValueError(f"not in order: {self.low}, {self.likely}, {self.high}")

    @classmethod
    def exactly(cls, value: float) -> Band:
        """A value that was measured where it counts."""
        return cls(value, value, value)

    @classmethod
    def between(cls, low: float, high: float, likely: float | None = None) -> Band:
        """From its ends; likely is their geometric mean unless it is known."""
        if likely is None:
            likely = math.sqrt(low * high) if low > 0 else (low + high) / 2
        return cls(low, min(max(likely, low), high), high)

    def __add__(self, other: Band) -> Band:
        return Band(
            self.low + other.low, self.likely + other.likely, self.high + other.high
        )

    def __mul__(self, factor: Band | float) -> Band:
        """By a factor (or a band of factors) that is not negative."""
        by = factor if isinstance(factor, Band) else Band.exactly(factor)
        return Band(self.low * by.low, self.likely * by.likely, self.high * by.high)

    def __str__(self) -> str:
        if self.low == self.high:
            return _brief(self.likely)
        return f"{_brief(self.likely)} ({_brief(self.low)} to {_brief(self.high)})"


def _brief(value: float) -> str:
    """Three significant digits, never an exponent."""
    if 0.001 <= abs(value) < 999.5 or value == 0:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) > 1 else f"{value:.3f}"


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU milliseconds per second of wall clock."""

    user_ms: float
    system_ms: float

    @property
    def total_ms(self) -> float:
        """Both."""
        return self.user_ms + self.system_ms

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.user_ms + other.user_ms, self.system_ms + other.system_ms)


@dataclass(frozen=True, slots=True)
class Speed:
    """What a device is known to need for one operation of a kernel."""

    us: Band
    """Microseconds; measured there, or estimated."""


def composition(
    cost: Cost,
    sessions: float,
    per_session_s: Mapping[str, float],
    here: Mapping[str, KernelTime],
) -> dict[str, float]:
    """What a cost is made of, by kernel, in milliseconds per second; sums to the cost.

    Args:
        cost: of one or more processes.
        sessions: that they carried.
        per_session_s: operations of each kernel in one second of a session.
        here: this machine's kernels.
    """
    known = {
        name: count * sessions * here[name].fast_us / 1000
        for name, count in per_session_s.items()
    }
    # More cannot be known than there is: a process that does none of the codec work
    # (the front beside media workers) is then still described by its total.
    known_ms = sum(known.values())
    scale = min(1.0, cost.user_ms / known_ms) if known_ms > 0 else 0.0
    parts = {name: ms * scale for name, ms in known.items()}
    parts["syscalls"] = parts.get("syscalls", 0.0) + cost.system_ms
    rest_ms = cost.user_ms - known_ms * scale
    parts["python"] = parts.get("python", 0.0) + max(0.0, rest_ms)
    return parts


def ratios(
    here: Mapping[str, KernelTime], there: Mapping[str, Speed]
) -> dict[str, Band]:
    """How many times longer the device takes, by kernel.

    The quickest round here gives the larger ratio, the typical one the smaller: a busy
    machine that looks slow makes the band wider, not the device quicker.
    """
    return {
        name: Band.between(
            speed.us.low / here[name].typical_us,
            speed.us.high / here[name].fast_us,
            speed.us.likely / here[name].fast_us,
        )
        for name, speed in there.items()
        if name in here
    }


def translate(parts: Mapping[str, float], by: Mapping[str, Band], beyond: Band) -> Band:
    """A cost on the device.

    Args:
        parts: what it is made of here, by kernel.
        by: ratio of each kernel.
        beyond: what no kernel shows (caches, interrupts, clocks), as a factor.

    Raises:
        KeyError: a part has no ratio.
    """
    total = Band.exactly(0.0)
    for name, ms in parts.items():
        total += by[name] * ms
    return total * beyond

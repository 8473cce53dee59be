"""Exact counts of what a direction did to its packets."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from enum import StrEnum

EDGES_MS = tuple(
    step * scale
    for scale in (0.1, 1.0, 10.0, 100.0, 1_000.0)
    for step in (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)
)
"""Upper bounds of the histogram's buckets (Renard series R10: each 25 % above the
last, 0.1 ms to 8 s); one more bucket holds all above."""


class DropReason(StrEnum):
    """Why a packet did not arrive."""

    LOSS = "loss"
    """Lost by itself (`Conditions.loss`)."""
    BURST = "burst"
    """Lost by the Gilbert-Elliott chain."""
    BLACKOUT = "blackout"
    """Sent while the path was down."""
    QUEUE_FULL = "queue_full"
    """The bottleneck held `queue_bytes` already."""
    QUEUE_WAIT = "queue_wait"
    """It would have waited longer than `queue_ms`."""
    OVERFLOW = "overflow"
    """More under way than `LinkLimits` allows: the emulator's own bound."""
    STALE_ADDRESS = "stale_address"
    """Sent to an address that the path no longer has (after a rebinding)."""


@dataclass(slots=True)
class Histogram:
    """Counts of milliseconds in fixed buckets, with exact sum, minimum and maximum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(EDGES_MS) + 1))
    n: int = 0
    sum_ms: float = 0.0
    min_ms: float = float("inf")
    max_ms: float = float("-inf")

    def add(self, ms: float) -> None:
        self.counts[bisect_left(EDGES_MS, ms)] += 1
        self.n += 1
        self.sum_ms += ms
        self.min_ms = min(self.min_ms, ms)
        self.max_ms = max(self.max_ms, ms)

    @property
    def mean_ms(self) -> float:
        """Mean in ms; 0 when empty."""
        return self.sum_ms / self.n if self.n else 0.0

    def percentile_ms(self, percent: float) -> float:
        """Percentile, interpolated within its bucket (true to 25 %); 0 when empty."""
        if not self.n:
            return 0.0
        wanted, below, floor_ms = percent / 100.0 * self.n, 0, 0.0
        for edge_ms, count in zip((*EDGES_MS, self.max_ms), self.counts, strict=True):
            if count and below + count >= wanted:
                ms = floor_ms + (edge_ms - floor_ms) * (wanted - below) / count
                return min(max(ms, self.min_ms), self.max_ms)
            below, floor_ms = below + count, edge_ms
        return self.max_ms

    def as_dict(self) -> dict[str, object]:
        """JSON-ready: only filled buckets, keyed by their upper bound in ms."""
        bounds = [f"{edge:g}" for edge in EDGES_MS] + ["inf"]
        return {
            "n": self.n,
            "mean": round(self.mean_ms, 3),
            "min": round(self.min_ms, 3) if self.n else None,
            "max": round(self.max_ms, 3) if self.n else None,
            "p50": round(self.percentile_ms(50), 3) if self.n else None,
            "p95": round(self.percentile_ms(95), 3) if self.n else None,
            "buckets": {b: c for b, c in zip(bounds, self.counts, strict=True) if c},
        }


@dataclass(slots=True)
class DirectionCounters:
    """One direction's account. It always balances:
    `received == forwarded + sum(dropped) + under_way`."""

    received: int = 0
    received_bytes: int = 0
    forwarded: int = 0
    """Packets that arrived (a packet that arrived twice counts once)."""
    forwarded_bytes: int = 0
    duplicated: int = 0
    """Second copies that arrived, on top of `forwarded`."""
    reordered: int = 0
    """Packets that arrived after one submitted later (RFC 4737, type-P-reordered)."""
    held_back: int = 0
    """Packets the reorder effect chose; fewer may have been overtaken."""
    under_way: int = 0
    dropped: dict[DropReason, int] = field(
        default_factory=lambda: dict.fromkeys(DropReason, 0)
    )
    delay_ms: Histogram = field(default_factory=Histogram)
    """Delay decided for each packet that arrived (first copies)."""
    late_ms: Histogram = field(default_factory=Histogram)
    """How much later than decided the caller asked for it: the emulator's own error."""

    @property
    def lost(self) -> int:
        """Packets dropped for any reason."""
        return sum(self.dropped.values())

    def as_dict(self) -> dict[str, object]:
        """JSON-ready, with only the drop reasons that occurred."""
        return {
            "received": self.received,
            "received_bytes": self.received_bytes,
            "forwarded": self.forwarded,
            "forwarded_bytes": self.forwarded_bytes,
            "under_way": self.under_way,
            "dropped": {str(why): n for why, n in self.dropped.items() if n},
            "duplicated": self.duplicated,
            "reordered": self.reordered,
            "held_back": self.held_back,
            "delay_ms": self.delay_ms.as_dict(),
            "late_ms": self.late_ms.as_dict(),
        }

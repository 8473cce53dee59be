"""From times of sending and arriving to delays and late frames. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from loadtests.engine.signal import FRAME_S, REFRACTORY_S

LATE_S = 0.06
"""A frame so much later than its stream's usual delay was of no use."""


@dataclass(slots=True)
class Direction:
    """One direction of one session, seconds of CLOCK_MONOTONIC throughout."""

    marker_sent_s: float = -1.0
    """When the onset of the newest marker was due at the socket."""
    found_s: float = -1.0
    delays_s: list[float] = field(default_factory=list)
    arrivals: list[tuple[int, float]] = field(default_factory=list)
    """(frame number of its stream, time of arrival)."""
    last_frame: int = -1

    def heard(self, at_s: float) -> None:
        """A marker was heard that began at `at_s`."""
        if at_s - self.found_s < REFRACTORY_S or self.marker_sent_s < 0:
            return
        self.found_s = at_s
        self.delays_s.append(at_s - self.marker_sent_s)

    def clear(self) -> None:
        """Begin the measurement: forget what was before."""
        self.delays_s.clear()
        self.arrivals.clear()


def late_frames(arrivals: Sequence[tuple[int, float]]) -> int:
    """Frames that came LATE_S later than the stream's median delay allows."""
    if len(arrivals) < 2:
        return 0
    numbers, times = np.array(arrivals).T
    offset = times - numbers * FRAME_S
    return int(np.sum(offset - np.median(offset) > LATE_S))


def typical_ms(directions: Sequence[Direction]) -> float | None:
    """Mean over the sessions of each one's median delay, ms.

    A session meets the bridge's tick at a phase of its own, which its delay keeps for
    the whole call: what has a meaning is the mean over phases. Within a session a
    median keeps single stalls out.
    """
    medians = [float(np.median(d.delays_s)) for d in directions if d.delays_s]
    return round(1000 * float(np.mean(medians)), 3) if medians else None


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float | int | None]:
    """p50, p95, p99, max and mean in milliseconds, and how many there were.

    The mean is that of the middle 90 %: streams that meet a tick at different phases
    have no median in common, and single stalls are not what it is to tell.
    """
    if not seconds:
        nothing = dict.fromkeys(("p50", "p95", "p99", "max", "mean"))
        return {**nothing, "n": 0}
    values = np.array(seconds) * 1000
    p50, p95, p99 = (round(float(v), 2) for v in np.percentile(values, (50, 95, 99)))
    top = round(float(values.max()), 2)
    cut = int(0.05 * values.size)
    mean = round(float(np.sort(values)[cut : values.size - cut].mean()), 3)
    return {
        "p50": p50,
        "p95": p95,
        "p99": p99,
        "max": top,
        "mean": mean,
        "n": len(seconds),
    }

"""What goes wrong on one direction of a call's audio. PURE: time and seed are given.

An occasion of `media.input` and `media.output` is one 20 ms frame. A fault that strikes
stays for its `ms` (0: for ever) before the plan is asked again, so `times` counts
stretches of trouble, not packets.
"""

import random
from typing import Final, Literal

from fake_openai.faults import Fault, FaultPlan

_FRAME_S: Final = 0.020


class LineFaults:
    """The fault of one direction that is happening now, and its dice."""

    def __init__(
        self, plan: FaultPlan, point: Literal["media.input", "media.output"], seed: int
    ) -> None:
        self._plan = plan
        self._point = point
        self._random = random.Random(f"{point}-{seed}")
        self._fault: Fault | None = None
        self._until_s: float | None = None
        self._in_burst = False
        self._drift_frames = 0.0

    def now(self, now_s: float, age_s: float) -> Fault | None:
        """The fault that applies to this frame."""
        if self._fault is not None:
            if self._until_s is None or now_s < self._until_s:
                return self._fault
            self._fault = None
        if not self._plan:
            return None
        self._fault = self._plan.strike(self._point, age_s=age_s)
        if self._fault is not None:
            ms = 0 if self._fault.do == "jitter" else self._fault.ms
            self._until_s = now_s + ms / 1000 if ms else None
        return self._fault

    def packet_delay_s(self) -> float | None:
        """How long this packet is under way; None = it is lost.

        Loss comes in bursts of `burst` packets on average (Gilbert's model); jitter
        delays each packet by up to `ms`, so packets overtake each other.
        """
        fault = self._fault
        if fault is None:
            return 0.0
        if fault.do == "loss":
            return None if self._is_lost(fault) else 0.0
        if fault.do == "jitter":
            return self._random.uniform(0, fault.ms / 1000)
        return 0.0

    def n_frames(self) -> int:
        """Frames due in this 20 ms by a clock that drifts: 1, sometimes 0 or 2."""
        if self._fault is None or self._fault.do != "drift":
            return 1
        self._drift_frames += self._fault.ppm / 1e6
        whole = int(self._drift_frames)
        self._drift_frames -= whole
        return 1 + whole

    def _is_lost(self, fault: Fault) -> bool:
        if self._in_burst:
            self._in_burst = self._random.random() >= 1 / fault.burst
        else:
            good = max(1e-9, 1 - fault.rate)
            enter = min(1.0, fault.rate / (fault.burst * good))
            self._in_burst = fault.rate > 0 and self._random.random() < enter
        return self._in_burst

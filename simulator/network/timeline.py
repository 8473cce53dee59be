"""What holds now: a profile read along one direction's clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulator.network.conditions import Conditions
from simulator.network.profile import Blackout, Direction, Profile, Rebind, Replace


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time in which nothing changes."""

    conditions: Conditions
    is_down: bool
    """A black-out loses what is sent now."""
    held_until_s: float | None
    """A black-out holds what is sent now until then."""
    from_s: float
    until_s: float


class Timeline:
    """Answers for one direction; the answer is kept until it expires."""

    def __init__(self, profile: Profile, direction: Direction) -> None:
        self._profile = profile
        self._direction = direction
        self._segment = self._find(0.0)

    def at(self, t_s: float) -> Segment:
        """The segment around `t_s` seconds after the path came up."""
        segment = self._segment
        if not segment.from_s <= t_s < segment.until_s:
            segment = self._segment = self._find(t_s)
        return segment

    def _find(self, t_s: float) -> Segment:
        conditions = self._profile.conditions(self._direction)
        is_down, held_until_s, until_s = False, None, math.inf
        for change in self._profile.changes:
            if isinstance(change, Rebind):
                continue
            holds, changes_s = change.state(t_s)
            until_s = min(until_s, changes_s)
            if not holds:
                continue
            if isinstance(change, Replace):
                other = change.up if self._direction == "up" else change.down
                conditions = other or conditions
            elif isinstance(change, Blackout) and self._direction in change.directions:
                if change.hold:
                    held_until_s = max(held_until_s or 0.0, changes_s)
                else:
                    is_down = True
        return Segment(conditions, is_down, held_until_s, t_s, until_s)


def next_rebind_s(profile: Profile, after_s: float) -> float | None:
    """Time of the first rebinding strictly later than `after_s`, or None."""
    starts = (
        change.next_start(after_s)
        for change in profile.changes
        if isinstance(change, Rebind)
    )
    return min((start for start in starts if start is not None), default=None)

"""How many users there are at a time. PURE: run time in, users out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Crowd:
    """What is wanted now."""

    users: int
    per_s: float
    """Users that come or go in a second until it is reached."""


class Shape(Protocol):
    """Answers how many users there are to be; None when the run is over."""

    def at(self, run_s: float, *, is_broken: bool = False) -> Crowd | None:
        """Args:
        run_s: seconds since the start, never going back.
        is_broken: whether calls fail now (only `Ramp` asks).
        """
        ...


@dataclass(frozen=True, slots=True)
class Steps:
    """So many users for so long, then the next number: 1, 5, 10."""

    users: Sequence[int] = (1, 5, 10)
    step_s: float = 60.0
    per_s: float = 5.0

    def at(self, run_s: float, *, is_broken: bool = False) -> Crowd | None:
        step = int(run_s // self.step_s)
        return Crowd(self.users[step], self.per_s) if step < len(self.users) else None


@dataclass(slots=True)
class Ramp:
    """More and more users until calls fail, or until there are enough."""

    by: int = 5
    step_s: float = 30.0
    most: int = 200
    per_s: float = 5.0
    last_good: int = 0
    """The largest number that was carried for a whole step."""
    broke_at: int | None = None
    """The number at which calls failed; None when none did."""
    _step: int = 0

    def at(self, run_s: float, *, is_broken: bool = False) -> Crowd | None:
        users = min(self.most, self.by * (self._step + 1))
        if is_broken:
            self.broke_at = users
        if self.broke_at is not None:
            return None
        if run_s >= self.step_s * (self._step + 1):
            self.last_good = users
            if users >= self.most:
                return None
            self._step += 1
            users = min(self.most, self.by * (self._step + 1))
        return Crowd(users, self.per_s)


@dataclass(frozen=True, slots=True)
class Churn:
    """People come and go: half of the users leave and return, over and over.

    Best with short calls, so that those who stay call anew as well.
    """

    users: int = 10
    run_s: float = 120.0
    swing_s: float = 5.0
    per_s: float = 5.0

    def at(self, run_s: float, *, is_broken: bool = False) -> Crowd | None:
        if run_s >= self.run_s:
            return None
        is_low = int(run_s // self.swing_s) % 2 == 1
        return Crowd(max(1, self.users // 2) if is_low else self.users, self.per_s)


@dataclass(frozen=True, slots=True)
class Spike:
    """A few users, suddenly many, a few again: does it come back?"""

    users: int = 2
    peak: int = 15
    before_s: float = 30.0
    spike_s: float = 20.0
    after_s: float = 40.0
    per_s: float = 20.0

    def at(self, run_s: float, *, is_broken: bool = False) -> Crowd | None:
        if run_s >= self.before_s + self.spike_s + self.after_s:
            return None
        is_peak = self.before_s <= run_s < self.before_s + self.spike_s
        return Crowd(self.peak if is_peak else self.users, self.per_s)


@dataclass(frozen=True, slots=True)
class Soak:
    """The same users for a long time: what grows?"""

    users: int = 5
    run_s: float = 3600.0
    per_s: float = 1.0

    def at(self, run_s: float, *, is_broken: bool = False) -> Crowd | None:
        return Crowd(self.users, self.per_s) if run_s < self.run_s else None


@dataclass(frozen=True, slots=True)
class ShapeOptions:
    """What a person can choose; None takes the shape's own value."""

    users: int | None = None
    run_s: float | None = None
    per_s: float | None = None
    steps: tuple[int, ...] | None = None
    step_s: float | None = None


Maker: TypeAlias = Callable[[ShapeOptions], Shape]


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


_STEADY: dict[str, object] = {"users": 10, "run_s": 60.0, "per_s": 5.0}

SHAPES: dict[str, Maker] = {
    "steady": lambda o: Soak(
        **{**_STEADY, **_given(users=o.users, run_s=o.run_s, per_s=o.per_s)}  # type: ignore[arg-type]
    ),
    "steps": lambda o: Steps(
        **_given(users=o.steps, step_s=o.step_s, per_s=o.per_s)  # type: ignore[arg-type]
    ),
    "ramp": lambda o: Ramp(
        **_given(step_s=o.step_s, most=o.users, per_s=o.per_s)  # type: ignore[arg-type]
    ),
    "churn": lambda o: Churn(
        **_given(users=o.users, run_s=o.run_s, swing_s=o.step_s, per_s=o.per_s)  # type: ignore[arg-type]
    ),
    "spike": lambda o: Spike(
        **_given(peak=o.users, spike_s=o.step_s, per_s=o.per_s)  # type: ignore[arg-type]
    ),
    "soak": lambda o: Soak(
        **_given(users=o.users, run_s=o.run_s, per_s=o.per_s)  # type: ignore[arg-type]
    ),
}
"""By the name that `--shape` takes."""

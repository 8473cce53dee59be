"""A path in both directions, and how it changes with time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from simulator.network.conditions import Conditions

Direction = Literal["up", "down"]
"""`up`: client to server. `down`: server to client."""
DIRECTIONS: tuple[Direction, ...] = ("up", "down")

MAX_CHANGES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When a change holds: from `at_s`, for `for_s`, again each `every_s`."""

    at_s: float
    """Start, in seconds since the path came up."""
    for_s: float | None = None
    """How long; None: for good."""
    every_s: float | None = None
    """Period of repetition, from start to start; None: once."""

    def __post_init__(self) -> None:
        for name in ("at_s", "for_s", "every_s"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be a time of 0 s or more, not {value}")
        if self.every_s is not None:
            if self.every_s < 0.001:
                raise ValueError("every_s must be at least 0.001 s")
            if self.for_s is not None and self.for_s > self.every_s:
                raise ValueError("for_s must not be longer than every_s")

    def state(self, t_s: float) -> tuple[bool, float]:
        """Does it hold at `t_s`, and at which later time does that answer change?

        The second value is infinity when it never changes again.
        """
        if t_s < self.at_s:
            return False, self.at_s
        turn = self._turn(t_s)
        start_s = self._start_of(turn)
        end_s = math.inf if self.for_s is None else start_s + self.for_s
        if t_s < end_s:
            return True, end_s
        return False, math.inf if self.every_s is None else self._start_of(turn + 1)

    def next_start(self, after_s: float) -> float | None:
        """First start strictly later than `after_s`, or None."""
        if after_s < self.at_s:
            return self.at_s
        if self.every_s is None:
            return None
        return self._start_of(self._turn(after_s) + 1)

    def _start_of(self, turn: int) -> float:
        # A product, never a sum of periods: the same turn is always the same number.
        return self.at_s + turn * (self.every_s or 0.0)

    def _turn(self, t_s: float) -> int:
        """Last turn that started at `t_s` or before."""
        if self.every_s is None:
            return 0
        turn = math.floor((t_s - self.at_s) / self.every_s)
        # The quotient may round across the boundary, either way.
        if self._start_of(turn + 1) <= t_s:
            return turn + 1
        return turn - 1 if self._start_of(turn) > t_s else turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace(Window):
    """Other conditions for a while; None leaves that direction as it is."""

    up: Conditions | None = None
    down: Conditions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blackout(Window):
    """The path is down for `for_s`."""

    directions: tuple[Direction, ...] = DIRECTIONS
    hold: bool = False
    """False: what is sent meanwhile is lost. True: it waits and then arrives in a
    heap, as in a handover or while a radio is off its channel."""

    def __post_init__(self) -> None:
        # The zero-argument super() does not work in a dataclass with slots.
        Window.__post_init__(self)
        if self.hold and self.for_s is None:
            raise ValueError("a black-out that holds packets needs an end (for_s)")
        if not self.directions or set(self.directions) - set(DIRECTIONS):
            raise ValueError("directions must be 'up', 'down' or both")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebind(Window):
    """The client's public address changes at `at_s` (a NAT forgets, a roam)."""

    def __post_init__(self) -> None:
        Window.__post_init__(self)
        if self.for_s is not None:
            raise ValueError("a rebinding is a moment: it has no for_s")
        if self.every_s is not None and self.every_s < 0.1:
            raise ValueError("rebindings need every_s of at least 0.1 s")


Change = Replace | Blackout | Rebind


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A whole path: both directions and the changes in time.

    Of several `Replace` that hold at once the last listed wins. Black-outs add up;
    one that loses packets wins over one that holds them.
    """

    name: str = "custom"
    up: Conditions = field(default_factory=Conditions)
    down: Conditions = field(default_factory=Conditions)
    changes: tuple[Change, ...] = ()

    def __post_init__(self) -> None:
        if len(self.changes) > MAX_CHANGES:
            raise ValueError(f"at most {MAX_CHANGES} changes, not {len(self.changes)}")

    def conditions(self, direction: Direction) -> Conditions:
        """What holds in `direction` when no change does."""
        return self.up if direction == "up" else self.down

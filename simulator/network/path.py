"""Both directions of one client's network, with everything under way in one heap."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Generic, TypeVar

from simulator.network.counters import DirectionCounters, DropReason
from simulator.network.link import Decision, Link, LinkLimits
from simulator.network.profile import Direction, Profile
from simulator.network.timeline import next_rebind_s

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Arrival(Generic[P]):
    """A copy of a packet is at the end of the path."""

    direction: Direction
    packet: P
    number: int
    """Place in its direction, as in its `Decision`."""
    at_s: float
    """When it was to arrive (not when it was asked for)."""
    is_duplicate: bool


@dataclass(frozen=True, slots=True)
class Rebinding:
    """The client's public address changes now."""

    at_s: float


@dataclass(slots=True)
class _Copy(Generic[P]):
    direction: Direction
    number: int
    size: int
    submitted_s: float
    is_duplicate: bool
    packet: P


class NetworkPath(Generic[P]):
    """SANS-IO: `submit`, then `due` whenever `next_deadline` says so.

    A packet is any object; only its size matters here. Bounded by `limits` in each
    direction. Not thread-safe.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        seed: int | str,
        start_s: float = 0.0,
        limits: LinkLimits | None = None,
    ) -> None:
        self.profile = profile
        self._links: dict[Direction, Link] = {
            "up": Link(profile, "up", seed=seed, start_s=start_s, limits=limits),
            "down": Link(profile, "down", seed=seed, start_s=start_s, limits=limits),
        }
        self._heap: list[tuple[float, int, _Copy[P]]] = []
        self._ticket = 0  # equal times keep their order of submission
        self._newest: dict[Direction, int] = {"up": -1, "down": -1}
        self._start_s = start_s
        self._rebind_t = next_rebind_s(profile, -1.0)

    def counters(self, direction: Direction) -> DirectionCounters:
        """The live account of one direction."""
        return self._links[direction].counters

    def replace(self, profile: Profile, now_s: float) -> None:
        """Follow `profile` from now on; its own time 0 is `now_s`.

        What is under way arrives as decided; random numbers go on, so a change by
        hand at the same packet gives the same run again.
        """
        self.profile = profile
        for link in self._links.values():
            link.replace(profile, now_s)
        self._start_s = now_s
        self._rebind_t = next_rebind_s(profile, -1.0)

    def submit(
        self, direction: Direction, size: int, now_s: float, packet: P
    ) -> Decision:
        """Hand over a packet of `size` bytes; its arrivals come out of `due`."""
        decision = self._links[direction].submit(size, now_s)
        for nth, at_s in enumerate(decision.arrivals_s):
            self._ticket += 1
            pending = _Copy(direction, decision.number, size, now_s, nth > 0, packet)
            heappush(self._heap, (at_s, self._ticket, pending))
        return decision

    def refuse(self, direction: Direction, size: int, reason: DropReason) -> None:
        """Count a packet which the edge could not even hand over."""
        self._links[direction].refuse(size, reason)

    def next_deadline(self) -> float | None:
        """When `due` has something to give, or None."""
        rebind_s = None if self._rebind_t is None else self._start_s + self._rebind_t
        if not self._heap:
            return rebind_s
        arrival_s = self._heap[0][0]
        return arrival_s if rebind_s is None else min(arrival_s, rebind_s)

    def due(
        self, now_s: float, *, slack_s: float = 0.0
    ) -> list[Arrival[P] | Rebinding]:
        """Everything whose time has come, in order of time, each once.

        What is due within `slack_s` comes too: a caller whose timer is coarse can
        spread its error around zero. Of several rebindings missed by a late caller
        only the first is told.
        """
        until_s = now_s + slack_s
        out: list[Arrival[P] | Rebinding] = []
        while (
            deadline_s := self.next_deadline()
        ) is not None and deadline_s <= until_s:
            if self._rebind_t is not None and (
                self._start_s + self._rebind_t <= deadline_s
            ):
                out.append(Rebinding(deadline_s))
                # From the profile's own number: now_s - start_s rounds, and could
                # give the same rebinding for ever.
                passed = max(self._rebind_t, now_s - self._start_s)
                self._rebind_t = next_rebind_s(self.profile, passed)
            else:
                at_s, _, copy = heappop(self._heap)
                out.append(self._arrive(copy, at_s, now_s))
        return out

    def _arrive(self, copy: _Copy[P], at_s: float, now_s: float) -> Arrival[P]:
        link = self._links[copy.direction]
        counters = link.counters
        counters.late_ms.add(max(0.0, (now_s - at_s) * 1e3))
        if copy.is_duplicate:
            counters.duplicated += 1
        else:
            link.settle(copy.size)
            counters.forwarded += 1
            counters.forwarded_bytes += copy.size
            counters.delay_ms.add((at_s - copy.submitted_s) * 1e3)
            newest = self._newest[copy.direction]
            counters.reordered += copy.number < newest
            self._newest[copy.direction] = max(copy.number, newest)
        return Arrival(
            copy.direction, copy.packet, copy.number, at_s, copy.is_duplicate
        )

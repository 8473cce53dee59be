"""One direction: what happens to a packet, and when its copies arrive."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from simulator.network.bottleneck import Bottleneck
from simulator.network.conditions import Burst
from simulator.network.counters import DirectionCounters, DropReason
from simulator.network.jitter import Jitter
from simulator.network.profile import Direction, Profile
from simulator.network.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLimits:
    """How much one direction may hold; what comes on top is dropped and counted."""

    max_packets: int = 20_000
    """20 s of a data channel's audio, 20 times over: a long black-out that holds."""
    max_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Decision:
    """The fate of one packet. Either `dropped` is set, or there are arrivals."""

    number: int
    """Place of the packet in its direction, from 0."""
    dropped: DropReason | None
    arrivals_s: tuple[float, ...]
    """On the caller's clock; a second entry is the duplicate. Never before `now_s`."""
    held_back: bool = False
    """The reorder effect chose this packet."""


class Link:
    """SANS-IO. Times are float seconds of one clock that the caller chooses.

    Every packet draws the same six random numbers in the same order, so the fate of
    packet n depends on the seed and n alone (loss, jitter, reordering, duplication),
    and on the packets before it only where the effect says so (queue, order, burst).
    """

    def __init__(
        self,
        profile: Profile,
        direction: Direction,
        *,
        seed: int | str,
        start_s: float = 0.0,
        limits: LinkLimits | None = None,
    ) -> None:
        self.direction = direction
        self.counters = DirectionCounters()
        self._limits = limits or LinkLimits()
        self._under_way_bytes = 0
        # A str seed is hashed with SHA-512: the same on every machine and run.
        self._random = Random(f"{seed}/{direction}")
        self._timeline = Timeline(profile, direction)
        self._start_s = start_s
        self._bottleneck = Bottleneck()
        self._jitter = Jitter()
        self._in_burst = False
        self._now_s = start_s
        self._last_arrival_s = start_s

    def replace(self, profile: Profile, now_s: float) -> None:
        """Follow another profile, whose time 0 is `now_s`; what is under way stays."""
        self._timeline = Timeline(profile, self.direction)
        self._start_s = now_s

    def submit(self, size: int, now_s: float) -> Decision:
        """Decide about a packet of `size` bytes handed over at `now_s`.

        A clock that goes back is read as standing still.
        """
        now_s = self._now_s = max(now_s, self._now_s)
        number = self.counters.received
        self.counters.received += 1
        self.counters.received_bytes += size
        dice = [self._random.random() for _ in range(6)]
        outcome = self._decide(size, now_s, dice)
        if isinstance(outcome, DropReason):
            self.counters.dropped[outcome] += 1
            return Decision(number, outcome, ())
        arrivals_s, held_back = outcome
        self.counters.under_way += 1
        self.counters.held_back += held_back
        self._under_way_bytes += size
        return Decision(number, None, arrivals_s, held_back)

    def settle(self, size: int) -> None:
        """A packet of `size` bytes is no longer under way (its first copy arrived)."""
        self.counters.under_way -= 1
        self._under_way_bytes -= size

    def refuse(self, size: int, reason: DropReason) -> None:
        """Count a packet that never reached the path, such as one sent to a stale
        address. It draws no random numbers."""
        self.counters.received += 1
        self.counters.received_bytes += size
        self.counters.dropped[reason] += 1

    def _decide(
        self, size: int, now_s: float, dice: list[float]
    ) -> DropReason | tuple[tuple[float, ...], bool]:
        step, burst_loss, loss, jitter, reorder, duplicate = dice
        segment = self._timeline.at(now_s - self._start_s)
        conditions = segment.conditions
        # The chain and the jitter go on in a black-out: later packets keep their fate.
        in_burst = self._step_burst(conditions.burst, step, burst_loss)
        delay_s = self._jitter.delay_ms(conditions, jitter) / 1e3
        if segment.is_down:
            return DropReason.BLACKOUT
        if self._is_full(size):
            return DropReason.OVERFLOW
        enter_s = now_s
        if segment.held_until_s is not None:
            enter_s = max(now_s, self._start_s + segment.held_until_s)
        left_s = self._bottleneck.admit(conditions, size, enter_s)
        if isinstance(left_s, DropReason):
            return left_s
        if in_burst:
            return DropReason.BURST
        if loss < conditions.loss:
            return DropReason.LOSS
        arrival_s = left_s + delay_s
        held_back = reorder < conditions.reorder
        if held_back:
            arrival_s += conditions.reorder_ms / 1e3
        elif conditions.keep_order:
            arrival_s = self._last_arrival_s = max(arrival_s, self._last_arrival_s)
        if duplicate < conditions.duplicate:
            return (arrival_s, arrival_s + conditions.duplicate_ms / 1e3), held_back
        return (arrival_s,), held_back

    def _step_burst(self, burst: Burst | None, step: float, loss: float) -> bool:
        """One step of the chain; is this packet lost to it?"""
        if burst is None:
            self._in_burst = False
            return False
        if self._in_burst:
            self._in_burst = step >= burst.leave
        else:
            self._in_burst = step < burst.enter
        return loss < (burst.loss_in_bad if self._in_burst else burst.loss_in_good)

    def _is_full(self, size: int) -> bool:
        return (
            self.counters.under_way >= self._limits.max_packets
            or self._under_way_bytes + size > self._limits.max_bytes
        )

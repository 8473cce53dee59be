"""Puts numbered packets back in order within a small window. SANS-IO.

A packet that comes too early is held until the missing one arrives or `depth` packets
wait behind the gap; then the missing ones are reported as lost. Nothing ever raises the
delay for good: without loss every packet leaves the moment it comes.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

LOST = None
"""Where a packet will not come any more."""
T = TypeVar("T")

_MODULO = 1 << 16
_RESTART = 1000
"""A jump of so many packets is a new stream, not a loss."""
_MAX_REPORTED_LOSS = 10
"""More lost packets than this in a row are a pause; do not conceal them."""


@dataclass(slots=True)
class ReorderCounters:
    """How many packets came in order, were reordered, lost, late or repeated."""

    received: int = 0
    reordered: int = 0
    lost: int = 0
    late: int = 0


class ReorderWindow(Generic[T]):
    """One stream of packets with 16-bit sequence numbers (RFC 3550 section 5.1)."""

    def __init__(self, depth: int = 2) -> None:
        self.depth = depth
        """Packets that may wait behind a gap before it is given up."""
        self._expected: int | None = None
        self._held: dict[int, T] = {}
        self.counters = ReorderCounters()

    def take_next(self, sequence_number: int) -> bool:
        """Whether a packet is the one expected, and nothing waits: play it at once.

        Then it counts as taken; otherwise `push` it.
        """
        if sequence_number != self._expected or self._held:
            return False
        self._expected = (sequence_number + 1) % _MODULO
        self.counters.received += 1
        return True

    def push(self, sequence_number: int, payload: T) -> list[T | None]:
        """Take one packet; return what can be played now, in order."""
        self.counters.received += 1
        if self._expected is None:
            self._expected = sequence_number
        ahead = (sequence_number - self._expected) % _MODULO
        if ahead >= _MODULO // 2:
            if _MODULO - ahead < _RESTART:
                self.counters.late += 1
                return []
            ahead = self._restart(sequence_number)
        elif ahead >= _RESTART:
            ahead = self._restart(sequence_number)
        if ahead == 0:
            return [payload, *self._advance()]
        if sequence_number not in self._held:
            self.counters.reordered += 1
            self._held[sequence_number] = payload
        if len(self._held) <= self.depth:
            return []
        return self.give_up()

    @property
    def missing(self) -> int:
        """Packets that others wait for; 0 when everything came in order."""
        if not self._held:
            return 0
        return min((n - (self._expected or 0)) % _MODULO for n in self._held)

    def _restart(self, sequence_number: int) -> int:
        self._held.clear()
        self._expected = sequence_number
        return 0

    def _advance(self) -> list[T | None]:
        """The packet expected has been taken; release those waiting behind it."""
        assert self._expected is not None
        released: list[T | None] = []
        self._expected = (self._expected + 1) % _MODULO
        while self._expected in self._held:
            released.append(self._held.pop(self._expected))
            self._expected = (self._expected + 1) % _MODULO
        return released

    def give_up(self) -> list[T | None]:
        """Wait no longer for what is missing first; nothing when nothing is held."""
        expected = self._expected
        if expected is None or not self._held:
            return []
        nearest = min(self._held, key=lambda n: (n - expected) % _MODULO)
        missing = (nearest - expected) % _MODULO
        self.counters.lost += missing
        released: list[T | None] = [LOST] * min(missing, _MAX_REPORTED_LOSS)
        released.append(self._held.pop(nearest))
        self._expected = nearest
        return released + self._advance()

"""Every record in memory: waiting, going to the database, going to the disk. SANS-IO.

What was taken out of the buffer counts, and may come back, until it is known to be safe
elsewhere.
"""

from server.store.buffer import Buffer, BufferLimits
from server.store.records import Record


class Memory:
    """The buffer, and what is on one of the two ways out of it."""

    def __init__(self, limits: BufferLimits) -> None:
        self.buffer = Buffer(limits)
        self.in_flight: list[Record] = []
        """On their way to the database, not yet known to be anywhere else."""
        self._in_flight_since_s = 0.0
        self._moving: list[Record] = []
        """Taken from the buffer, on their way to the disk."""
        self._copied: list[Record] = []
        """What was in flight when the last move began: it goes both ways."""

    def __len__(self) -> int:
        return len(self.buffer) + len(self.in_flight) + len(self._moving)

    @property
    def is_moving(self) -> bool:
        """Some are on their way to the disk, and may come back."""
        return bool(self._moving)

    @property
    def oldest_at_s(self) -> float | None:
        """When the one that waits longest came, or set off for the database."""
        return self._in_flight_since_s if self.in_flight else self.buffer.oldest_at_s

    def send(self, n_max: int, now_s: float) -> list[Record]:
        """The oldest set off for the database."""
        self.in_flight = self.buffer.take(n_max)
        self._in_flight_since_s = now_s
        return self.in_flight

    def arrived(self, batch: list[Record]) -> None:
        """What was sent is in the database."""
        if self.in_flight is batch:  # else it is in the spill file as well
            self.buffer.done(batch)
            self.in_flight = []

    def came_back(self) -> None:
        """What is in flight is in memory again, in front of the rest."""
        self.buffer.put_back(self.in_flight, self._in_flight_since_s)
        self.in_flight = []

    def move(self) -> list[Record]:
        """All set off for the disk, those in flight too: they may get there twice, but
        not out of order and not lost.
        """
        self._copied = self.in_flight
        self._moving = self.buffer.take(self.buffer.n_waiting)
        return self._copied + self._moving

    def moved(self) -> None:
        """What set off for the disk is there."""
        self.buffer.done(self._moving)
        if self.in_flight is self._copied:  # else it is in the database as well
            self.buffer.done(self._copied)
            self.in_flight = []
        self._moving, self._copied = [], []

    def not_moved(self, now_s: float) -> None:
        """It may be there or not: it is in memory again."""
        self.buffer.put_back(self._moving, now_s)
        self._moving, self._copied = [], []

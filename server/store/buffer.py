"""What waits in memory to be written, in order and bounded. SANS-IO.

A partial record with a key waits a little by itself: a newer one of the same key takes
its place, and the last one, which is not partial, makes it needless. So a transcript
that grows word by word costs one row every few seconds, not one per word.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass

from server.store.records import EventRecord, Record, size_bytes


@dataclass(frozen=True, slots=True)
class BufferLimits:
    """Bounds of the memory, and the pace of partial records."""

    soft_records: int = 1_000
    """More than this wait: put them into the spill file."""
    hard_bytes: int = 64 * 1024 * 1024
    """Reached only when neither database nor disk take anything: then we refuse."""
    partial_s: float = 2.0
    """A partial record may wait so long to be overtaken."""
    max_partials: int = 256


@dataclass(slots=True)
class _Partial:
    record: EventRecord
    due_s: float


class Buffer:
    """Records on their way to the database, oldest first."""

    def __init__(self, limits: BufferLimits) -> None:
        self._limits = limits
        self._waiting: deque[Record] = deque()
        self._since_s: deque[float] = deque()
        self._partials: OrderedDict[tuple[str, str, str], _Partial] = OrderedDict()
        self._held_bytes = 0
        self.coalesced = 0
        """Partial records that another one made needless."""

    def __len__(self) -> int:
        return len(self._waiting) + len(self._partials)

    @property
    def n_waiting(self) -> int:
        """Records ready to be written."""
        return len(self._waiting)

    @property
    def is_crowded(self) -> bool:
        """Too many wait to keep them in memory only."""
        return len(self._waiting) > self._limits.soft_records

    @property
    def oldest_at_s(self) -> float | None:
        """When the record that waits longest came."""
        return self._since_s[0] if self._since_s else None

    @property
    def next_due_s(self) -> float | None:
        """When the next partial record stops waiting to be overtaken."""
        return next((p.due_s for p in self._partials.values()), None)

    def add(self, record: Record, now_s: float) -> bool:
        """Take a record; False when there is no room at all."""
        if self._held_bytes + size_bytes(record) > self._limits.hard_bytes:
            return False
        if isinstance(record, EventRecord) and record.coalesce_key is not None:
            key = (record.owner, record.conversation_id, record.coalesce_key)
            held = self._partials.get(key)
            if record.partial:
                self._hold(key, held, record, now_s)
                return True
            if held is not None:
                self.coalesced += 1
                del self._partials[key]
        self._append(record, now_s)
        return True

    def mature(self, now_s: float) -> None:
        """Let the partial records go that have waited long enough."""
        while self._partials:
            key, partial = next(iter(self._partials.items()))
            if partial.due_s > now_s:
                return
            del self._partials[key]
            self._append(partial.record, now_s)

    def release_partials(self, now_s: float) -> None:
        """Let all of them go: nothing more is to come."""
        self.mature(float("inf"))
        if self._since_s:
            self._since_s[-1] = min(self._since_s[-1], now_s)

    def take(self, n_max: int) -> list[Record]:
        """The oldest records. They count until they are `done` or put back."""
        taken = [self._waiting.popleft() for _ in range(min(n_max, self.n_waiting))]
        for _ in taken:
            self._since_s.popleft()
        return taken

    def done(self, records: list[Record]) -> None:
        """Taken records are safe elsewhere."""
        self._held_bytes -= sum(map(size_bytes, records))

    def put_back(self, records: list[Record], now_s: float) -> None:
        """Return taken records to the front, in their order."""
        for record in reversed(records):
            self._waiting.appendleft(record)
            self._since_s.appendleft(now_s)

    def _hold(
        self,
        key: tuple[str, str, str],
        held: _Partial | None,
        record: EventRecord,
        now_s: float,
    ) -> None:
        if held is not None:
            self.coalesced += 1
            held.record = record  # its time does not begin again
            return
        self._partials[key] = _Partial(record, now_s + self._limits.partial_s)
        if len(self._partials) > self._limits.max_partials:
            _, oldest = self._partials.popitem(last=False)
            self._append(oldest.record, now_s)

    def _append(self, record: Record, now_s: float) -> None:
        self._waiting.append(record)
        self._since_s.append(now_s)
        self._held_bytes += size_bytes(record)

"""A database in memory that fails on request: before, after or instead of a commit."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from sqlalchemy.exc import OperationalError

from server.store.database import Written
from server.store.events import StoredEvent
from server.store.records import EventRecord, Record

Mood = Literal["well", "refuses", "forgets to answer", "hangs"]


class UnreliableDatabase:
    """A Sink. Each write takes the next mood; when they run out it is well."""

    def __init__(self, moods: Iterable[Mood] = ()) -> None:
        self._moods = iter(moods)
        self.events: dict[tuple[str, str], list[StoredEvent]] = defaultdict(list)
        self.others: list[Record] = []
        self.n_batches = 0
        self.hang = asyncio.Event()
        self.on_write: Callable[[], None] = lambda: None

    async def prepare(self) -> None:
        """There are no tables."""

    async def write(self, records: Sequence[Record], *, may_repeat: bool) -> Written:
        """Write all, none, or all without saying so."""
        mood: Mood = next(self._moods, "well")
        self.n_batches += 1
        self.on_write()
        await asyncio.sleep(0)
        if mood == "refuses":
            raise OperationalError("INSERT", {}, Exception("away"))
        if mood == "hangs":
            await self.hang.wait()
            raise OperationalError("INSERT", {}, Exception("hung"))
        written = self._commit(records, may_repeat=may_repeat)
        if mood == "forgets to answer":
            raise OperationalError("COMMIT", {}, Exception("connection lost"))
        return written

    def _commit(self, records: Sequence[Record], *, may_repeat: bool) -> Written:
        written = Written()
        for record in records:
            if not isinstance(record, EventRecord):
                self.others.append(record)
                continue
            rows = self.events[record.owner, record.conversation_id]
            known = {event.event_id: event.seq for event in rows}
            if record.event_id in known:
                assert may_repeat, "a repeated event where none was announced"
                key = (record.owner, record.conversation_id, record.event_id)
                written.repeated[key] = known[record.event_id]
                continue
            stored = StoredEvent(
                record.owner,
                record.conversation_id,
                len(rows) + 1,
                record.event_id,
                record.session_id,
                record.session_ms,
                record.at_ms,
                record.source,
                record.type,
                record.payload,
            )
            rows.append(stored)
            written.events.append(stored)
        return written

    def texts(self, conversation_id: str = "c1", owner: str = "ada") -> list[str]:
        """What was said, in order."""
        return [e.data()["text"] for e in self.events[owner, conversation_id]]

"""Who waits for a record to be safe, and what they are told. Belongs to one loop."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from server.errors import BridgeError
from server.store.database import Written
from server.store.records import EventRecord, Record

_Id: TypeAlias = tuple[str, str, str]
"""(owner, conversation_id, event_id): ids of different owners may be equal."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a record is safe."""

    durable: Literal["database", "journal"]
    seq: int | None = None
    """An event's number, once it is in the database."""
    repeated: bool = False
    """True when it was there already."""


class Receipts:
    """Receipts that are still due."""

    def __init__(self) -> None:
        self._due: dict[_Id, asyncio.Future[Receipt]] = {}

    def __bool__(self) -> bool:
        return bool(self._due)

    def awaited(self, record: EventRecord) -> asyncio.Future[Receipt] | None:
        """The receipt of an event somebody waits for already."""
        return self._due.get(_id_of(record))

    def expect(self, record: EventRecord) -> asyncio.Future[Receipt]:
        """A receipt for an event that is about to be recorded."""
        due: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._due[_id_of(record)] = due
        return due

    def written(self, written: Written) -> None:
        """A batch is in the database."""
        if not self._due:
            return
        for event in written.events:
            key = event.owner, event.conversation_id, event.event_id
            self._give(key, Receipt("database", event.seq))
        for key, seq in written.repeated.items():
            self._give(key, Receipt("database", seq, repeated=True))

    def spilled(self, records: Iterable[Record]) -> None:
        """Records are in the journal."""
        for record in records:
            if isinstance(record, EventRecord):
                self._give(_id_of(record), Receipt("journal"))

    def refuse(self, record: Record, error: BridgeError) -> None:
        """A record will never be safe anywhere."""
        if isinstance(record, EventRecord):
            _fail(self._due.pop(_id_of(record), None), error)

    def close(self, error: BridgeError) -> None:
        """There will be no more receipts."""
        for due in self._due.values():
            _fail(due, error)
        self._due.clear()

    def _give(self, key: _Id, receipt: Receipt) -> None:
        due = self._due.pop(key, None)
        if due is not None and not due.done():
            due.set_result(receipt)


def _fail(due: asyncio.Future[Receipt] | None, error: BridgeError) -> None:
    if due is not None and not due.done():
        due.set_exception(error)
        due.exception()  # whoever waited may have gone


def _id_of(record: EventRecord) -> _Id:
    return record.owner, record.conversation_id, record.event_id

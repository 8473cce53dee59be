"""One batch of records into the tables, in one transaction.

Sequence numbers are given under the lock of the conversation's row, so they have no
gaps and become visible in their order, with several servers on one database too.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy import Table, case, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store.engine import Engines
from server.store.events import StoredEvent
from server.store.migrate import upgrade
from server.store.records import (
    OVER,
    ClientRecord,
    EventRecord,
    Record,
    RecordingRecord,
    SessionRecord,
    UsageRecord,
)
from server.store.tables import (
    clients,
    conversations,
    events,
    recordings,
    sessions,
    usage,
)

Key: TypeAlias = tuple[str, str]
"""(owner, conversation_id)"""


@dataclass(slots=True)
class Written:
    """What became of a batch."""

    events: list[StoredEvent] = field(default_factory=list)
    """Those that are new, each conversation's in order."""
    repeated: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """The sequence numbers of those that were there already, by owner, conversation
    and event id."""


class Database:
    """Writes batches."""

    def __init__(self, engines: Engines, *, now_ms: Callable[[], int]) -> None:
        self._engines = engines
        self._now_ms = now_ms

    async def prepare(self) -> None:
        """Create or update the tables.

        Raises:
            StartError: they are newer than this program.
            SQLAlchemyError, OSError: the database cannot be used now.
        """
        await upgrade(self._engines.write)

    async def write(self, records: Sequence[Record], *, may_repeat: bool) -> Written:
        """Write all of them or none.

        Args:
            records: in their order.
            may_repeat: some may have been written before.

        Raises:
            SQLAlchemyError, OSError: what stood in the way.
        """
        async with self._engines.write.begin() as connection:
            batch = _Batch(connection, self._now_ms())
            return await batch.write(records, may_repeat=may_repeat)


class _Batch:
    def __init__(self, connection: AsyncConnection, now_ms: int) -> None:
        self._connection = connection
        self._now_ms = now_ms
        self._insert = insert_of(connection.dialect.name)

    async def write(self, records: Sequence[Record], *, may_repeat: bool) -> Written:
        written = Written()
        by_conversation: dict[Key, list[EventRecord]] = defaultdict(list)
        begun_at_ms: dict[Key, int] = {}
        for record in records:
            key = (record.owner, record.conversation_id)
            if isinstance(record, EventRecord):
                by_conversation[key].append(record)
            else:
                begun_at_ms.setdefault(key, record.at_ms)
        # Everywhere in the same order, or two servers would wait for each other.
        await self._create_missing(sorted(begun_at_ms.items()))
        for key in sorted(by_conversation):
            await self._write_events(key, by_conversation[key], written, may_repeat)
        for record in records:
            match record:
                case SessionRecord():
                    await self._upsert_session(record)
                case ClientRecord():
                    await self._upsert_client(record)
                case UsageRecord():
                    await self._insert_usage(record)
                case RecordingRecord():
                    await self._write_recording(record)
        return written

    async def _create_missing(self, begun_at_ms: list[tuple[Key, int]]) -> None:
        if not begun_at_ms:
            return
        await self._connection.execute(
            self._insert(conversations).on_conflict_do_nothing(),
            [
                {
                    "owner": owner,
                    "id": conversation_id,
                    "metadata": "{}",
                    "created_at_ms": at_ms,
                    "updated_at_ms": at_ms,
                    "last_seq": 0,
                }
                for (owner, conversation_id), at_ms in begun_at_ms
            ],
        )

    async def _write_events(
        self, key: Key, batch: list[EventRecord], written: Written, may_repeat: bool
    ) -> None:
        owner, conversation_id = key
        if may_repeat:
            repeated = await self._find(key, batch)
            written.repeated |= {(*key, i): seq for i, seq in repeated.items()}
            unique = {r.event_id: r for r in reversed(batch)}  # the first one counts
            batch = [
                r
                for r in batch
                if r.event_id not in repeated and unique[r.event_id] is r
            ]
            if not batch:
                return
        last_seq = await self._take_numbers(key, len(batch))
        if last_seq is None:  # nearly always it is there
            await self._create_missing([(key, batch[0].at_ms)])
            last_seq = await self._take_numbers(key, len(batch))
        assert last_seq is not None
        first_seq = last_seq - len(batch) + 1
        stored = [
            StoredEvent(
                owner=owner,
                conversation_id=conversation_id,
                seq=seq,
                event_id=record.event_id,
                session_id=record.session_id,
                session_ms=record.session_ms,
                at_ms=record.at_ms,
                source=record.source,
                type=record.type,
                payload=record.payload,
            )
            for seq, record in enumerate(batch, first_seq)
        ]
        await self._connection.execute(events.insert(), [e.as_row() for e in stored])
        written.events += stored

    async def _take_numbers(self, key: Key, n_events: int) -> int | None:
        """The last of so many new numbers; None when there is no such conversation."""
        owner, conversation_id = key
        last_seq: int | None = await self._connection.scalar(
            update(conversations)
            .where(conversations.c.owner == owner)
            .where(conversations.c.id == conversation_id)
            .values(
                last_seq=conversations.c.last_seq + n_events,
                updated_at_ms=self._now_ms,
            )
            .returning(conversations.c.last_seq)
        )
        return last_seq

    async def _find(self, key: Key, batch: list[EventRecord]) -> dict[str, int]:
        owner, conversation_id = key
        rows = await self._connection.execute(
            select(events.c.event_id, events.c.seq)
            .where(events.c.owner == owner)
            .where(events.c.conversation_id == conversation_id)
            .where(events.c.event_id.in_([r.event_id for r in batch]))
        )
        return {row.event_id: row.seq for row in rows}

    async def _upsert_session(self, record: SessionRecord) -> None:
        is_over = record.state in OVER
        insert = self._insert(sessions).values(
            id=record.session_id,
            owner=record.owner,
            conversation_id=record.conversation_id,
            state=record.state,
            agent_name=record.agent_name,
            voice=record.voice,
            model=record.model,
            node=record.node,
            boot=record.boot,
            started_at_ms=record.at_ms,
            ended_at_ms=record.at_ms if is_over else None,
            end_reason=record.end_reason,
        )
        new, old = insert.excluded, sessions.c
        await self._connection.execute(
            insert.on_conflict_do_update(
                index_elements=[old.id],
                set_={
                    # Over is over: an older word that comes late changes nothing.
                    "state": case(
                        (old.ended_at_ms.is_not(None), old.state), else_=new.state
                    ),
                    **{
                        name: func.coalesce(new[name], old[name])
                        for name in ("agent_name", "voice", "model")
                    },
                    **{
                        name: func.coalesce(old[name], new[name])
                        for name in ("ended_at_ms", "end_reason")
                    },
                },
            )
        )

    async def _upsert_client(self, record: ClientRecord) -> None:
        insert = self._insert(clients).values(
            session_id=record.session_id,
            client_id=record.client_id,
            owner=record.owner,
            conversation_id=record.conversation_id,
            name=record.name,
            leg=record.leg,
            joined_at_ms=record.at_ms,
            left_at_ms=record.at_ms if record.left else None,
            leave_reason=record.reason,
        )
        new, old = insert.excluded, clients.c
        await self._connection.execute(
            insert.on_conflict_do_update(
                index_elements=[old.session_id, old.client_id],
                set_={
                    "name": func.coalesce(new.name, old.name),
                    "leg": func.coalesce(new.leg, old.leg),
                    # One that comes back is here again.
                    "left_at_ms": new.left_at_ms,
                    "leave_reason": new.leave_reason,
                },
            )
        )

    async def _insert_usage(self, record: UsageRecord) -> None:
        await self._connection.execute(
            self._insert(usage)
            .values(
                id=record.usage_id,
                owner=record.owner,
                conversation_id=record.conversation_id,
                session_id=record.session_id,
                at_ms=record.at_ms,
                model=record.model,
                input_tokens=record.input_tokens,
                output_tokens=record.output_tokens,
                details=record.details,
            )
            .on_conflict_do_nothing()
        )

    async def _write_recording(self, record: RecordingRecord) -> None:
        if record.state == "recording" and not record.size_bytes:
            await self._connection.execute(
                self._insert(recordings)
                .values(
                    id=record.recording_id,
                    owner=record.owner,
                    conversation_id=record.conversation_id,
                    session_id=record.session_id,
                    take=record.take,
                    track=record.track,
                    client_id=record.client_id,
                    name=record.name,
                    media_type=record.media_type,
                    file=record.file,
                    state=record.state,
                    started_at_ms=record.at_ms,
                    session_ms=record.session_ms,
                    duration_ms=0,
                    size_bytes=0,
                )
                .on_conflict_do_nothing()
            )
            return
        # An update only: what was erased meanwhile does not come back.
        await self._connection.execute(
            update(recordings)
            .where(recordings.c.id == record.recording_id)
            .where(recordings.c.owner == record.owner)
            .values(
                state=record.state,
                duration_ms=record.duration_ms,
                size_bytes=record.size_bytes,
            )
        )


def insert_of(dialect_name: str) -> Any:
    """The `insert` that knows ON CONFLICT; both databases spell it alike."""
    if dialect_name == "postgresql":
        return postgresql.insert
    return sqlite.insert


def upsert(dialect_name: str, table: Table, values: dict[str, Any]) -> Any:
    """A statement that writes a row, whether it is there or not."""
    statement = insert_of(dialect_name)(table).values(values)
    keys = [column.name for column in table.primary_key]
    return statement.on_conflict_do_update(
        index_elements=keys,
        set_={name: statement.excluded[name] for name in values if name not in keys},
    )

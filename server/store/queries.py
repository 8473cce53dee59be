"""Reading. Every query names the owner."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, func, select, tuple_
from sqlalchemy.exc import SQLAlchemyError

from server.errors import (
    ConversationNotFoundError,
    RecordingNotFoundError,
    StoreUnavailableError,
)
from server.store.engine import Engines
from server.store.events import (
    ConversationSummary,
    StoredEvent,
    StoredRecording,
    iso,
)
from server.store.tables import (
    clients,
    conversations,
    events,
    memories,
    recordings,
    sessions,
    usage,
)

MAX_MEMORY_CHARS = 4_000


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events of a conversation, newest last."""

    events: list[StoredEvent]
    has_older: bool
    """There are events before the first of these."""
    has_newer: bool
    """There are events after the last of these."""


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """Some conversations, newest first."""

    conversations: list[ConversationSummary]
    cursor: tuple[int, str] | None
    """(updated_at_ms, id) to ask for what follows; None at the end."""


class Queries:
    """Reads of one database."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def ping(self) -> None:
        """Ask the database for nothing.

        Raises:
            StoreUnavailableError: it does not answer.
        """
        await self._rows(select(1))

    async def conversations(
        self, owner: str, *, limit: int, cursor: tuple[int, str] | None = None
    ) -> ConversationPage:
        """The owner's conversations, the one last written to first."""
        c = conversations.c
        query = select(conversations).where(c.owner == owner)
        if cursor is not None:
            query = query.where(tuple_(c.updated_at_ms, c.id) < tuple_(*cursor))
        query = query.order_by(c.updated_at_ms.desc(), c.id.desc()).limit(limit + 1)
        found = [_summary(row) for row in await self._rows(query)]
        page = found[:limit]
        last = page[-1] if len(found) > limit else None
        return ConversationPage(
            page, None if last is None else (last.updated_at_ms, last.id)
        )

    async def conversation(
        self, owner: str, conversation_id: str
    ) -> ConversationSummary:
        """One conversation.

        Raises:
            ConversationNotFoundError: the owner has none of this id.
        """
        rows = await self._rows(
            select(conversations)
            .where(conversations.c.owner == owner)
            .where(conversations.c.id == conversation_id)
        )
        if not rows:
            raise ConversationNotFoundError
        return _summary(rows[0])

    async def n_events(self, owner: str, conversation_id: str) -> int:
        """How many events there are."""
        rows = await self._rows(
            select(func.count())
            .select_from(events)
            .where(events.c.owner == owner)
            .where(events.c.conversation_id == conversation_id)
        )
        return int(rows[0][0])

    async def events(
        self,
        owner: str,
        conversation_id: str,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
    ) -> EventPage:
        """A page, newest last: the newest before `before`, or the oldest after `after`.

        With neither these are the newest of all.
        """
        query = _events_of(owner, conversation_id)
        if before is not None:
            query = query.where(events.c.seq < before)
        if after is None:
            newest_first = query.order_by(events.c.seq.desc()).limit(limit + 1)
            found = [_event(row) for row in await self._rows(newest_first)]
            page = found[:limit][::-1]
            has_newer = before is not None and await self._has(
                owner, conversation_id, events.c.seq >= before
            )
            return EventPage(page, len(found) > limit, has_newer)
        oldest_first = (
            query.where(events.c.seq > after).order_by(events.c.seq).limit(limit + 1)
        )
        found = [_event(row) for row in await self._rows(oldest_first)]
        has_newer = len(found) > limit or (
            before is not None
            and await self._has(owner, conversation_id, events.c.seq >= before)
        )
        has_older = await self._has(owner, conversation_id, events.c.seq <= after)
        return EventPage(found[:limit], has_older, has_newer)

    async def events_after(
        self, owner: str, conversation_id: str, after: int, limit: int
    ) -> list[StoredEvent]:
        """The oldest events after a number, in order."""
        query = _events_of(owner, conversation_id).where(events.c.seq > after)
        rows = await self._rows(query.order_by(events.c.seq).limit(limit))
        return [_event(row) for row in rows]

    async def newest_events(
        self,
        owner: str,
        conversation_id: str,
        limit: int,
        *,
        types: Collection[str] | None = None,
    ) -> list[StoredEvent]:
        """The newest events, newest last: what a prompt or a replay needs.

        Args:
            owner: whose.
            conversation_id: which; one that does not exist has none.
            limit: at most so many.
            types: only events of these types.
        """
        query = _events_of(owner, conversation_id)
        if types is not None:
            query = query.where(events.c.type.in_(types))
        rows = await self._rows(query.order_by(events.c.seq.desc()).limit(limit))
        return [_event(row) for row in rows][::-1]

    async def memory_text(self, owner: str) -> str:
        """What the assistant is told about the owner; empty when there is nothing."""
        rows = await self._rows(
            select(memories.c.text).where(memories.c.owner == owner)
        )
        return str(rows[0].text) if rows else ""

    async def sessions(self, owner: str, conversation_id: str) -> list[dict[str, Any]]:
        """The sessions of a conversation, newest first, with who was there."""
        present: dict[str, list[dict[str, Any]]] = {}
        for row in await self._rows(
            select(clients)
            .where(clients.c.owner == owner)
            .where(clients.c.conversation_id == conversation_id)
            .order_by(clients.c.joined_at_ms)
        ):
            present.setdefault(row.session_id, []).append(
                {
                    "client_id": row.client_id,
                    "name": row.name,
                    "leg": row.leg,
                    "joined_at": iso(row.joined_at_ms),
                    "left_at": _iso_or_none(row.left_at_ms),
                    "leave_reason": row.leave_reason,
                }
            )
        return [
            {
                "session_id": row.id,
                "state": row.state,
                "agent_name": row.agent_name,
                "voice": row.voice,
                "model": row.model,
                "started_at": iso(row.started_at_ms),
                "ended_at": _iso_or_none(row.ended_at_ms),
                "end_reason": row.end_reason,
                "clients": present.get(row.id, []),
            }
            for row in await self._rows(
                select(sessions)
                .where(sessions.c.owner == owner)
                .where(sessions.c.conversation_id == conversation_id)
                .order_by(sessions.c.started_at_ms.desc(), sessions.c.id)
            )
        ]

    async def usage(
        self, owner: str, conversation_id: str | None = None
    ) -> dict[str, int]:
        """Tokens billed to the owner, of one conversation or of all."""
        query = select(
            func.count(),
            func.coalesce(func.sum(usage.c.input_tokens), 0),
            func.coalesce(func.sum(usage.c.output_tokens), 0),
        ).where(usage.c.owner == owner)
        if conversation_id is not None:
            query = query.where(usage.c.conversation_id == conversation_id)
        row = (await self._rows(query))[0]
        names = ("responses", "input_tokens", "output_tokens")
        return {name: int(row[i]) for i, name in enumerate(names)}

    async def recordings(
        self, owner: str, conversation_id: str
    ) -> list[StoredRecording]:
        """The recordings of a conversation, oldest first."""
        rows = await self._rows(
            select(recordings)
            .where(recordings.c.owner == owner)
            .where(recordings.c.conversation_id == conversation_id)
            .order_by(recordings.c.started_at_ms, recordings.c.track, recordings.c.id)
        )
        return [_recording(row) for row in rows]

    async def recording(self, owner: str, recording_id: str) -> StoredRecording:
        """One recording.

        Raises:
            RecordingNotFoundError: the owner has none of this id.
        """
        rows = await self._rows(
            select(recordings)
            .where(recordings.c.owner == owner)
            .where(recordings.c.id == recording_id)
        )
        if not rows:
            raise RecordingNotFoundError
        return _recording(rows[0])

    async def _has(self, owner: str, conversation_id: str, condition: Any) -> bool:
        query = (
            select(events.c.seq)
            .where(events.c.owner == owner)
            .where(events.c.conversation_id == conversation_id)
            .where(condition)
        )
        return bool(await self._rows(query.limit(1)))

    async def _rows(self, query: Select[Any]) -> list[Row[Any]]:
        try:
            async with self._engines.read.connect() as connection:
                return list(await connection.execute(query))
        except (SQLAlchemyError, OSError, TimeoutError) as exc:
            raise StoreUnavailableError(type(exc).__name__) from exc


def _events_of(owner: str, conversation_id: str) -> Select[Any]:
    return (
        select(events)
        .where(events.c.owner == owner)
        .where(events.c.conversation_id == conversation_id)
    )


def _event(row: Row[Any]) -> StoredEvent:
    return StoredEvent(**row._mapping)


def _summary(row: Row[Any]) -> ConversationSummary:
    return ConversationSummary(**row._mapping)


def _recording(row: Row[Any]) -> StoredRecording:
    return StoredRecording(**row._mapping)


def _iso_or_none(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)

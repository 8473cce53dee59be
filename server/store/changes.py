"""What people change on purpose: create, rename, delete, erase.

Unlike recording, these answer whether they were done, and may fail. Before anything is
deleted, everything recorded before is in the database: nothing can come back later.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Executable, Table, delete, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from server.errors import (
    ConversationExistsError,
    ConversationNotFoundError,
    RecordingNotFoundError,
    StoreUnavailableError,
)
from server.store.database import upsert
from server.store.engine import Engines
from server.store.events import ConversationSummary
from server.store.live import LiveHub
from server.store.records import OVER, clean, encode_payload, new_id
from server.store.tables import (
    clients,
    conversations,
    events,
    memories,
    recordings,
    sessions,
    usage,
)
from server.store.writer import Writer

FLUSH_TIMEOUT_S = 10.0


class Changes:
    """Writes that somebody asked for."""

    def __init__(
        self,
        engines: Engines,
        writer: Writer,
        hub: LiveHub,
        recordings_dir: Path,
        *,
        now_ms: Callable[[], int],
    ) -> None:
        self._engines = engines
        self._writer = writer
        self._hub = hub
        self._recordings_dir = recordings_dir
        self._now_ms = now_ms

    async def create(
        self,
        owner: str,
        *,
        conversation_id: str | None = None,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> ConversationSummary:
        """A new conversation.

        Raises:
            ConversationExistsError: the owner has one of this id.
            StoreUnavailableError: the database cannot be reached.
        """
        now_ms = self._now_ms()
        summary = ConversationSummary(
            owner,
            conversation_id or new_id(),
            None if title is None else clean(title),
            encode_payload(metadata or {}),
            now_ms,
            now_ms,
            0,
        )
        row = {
            "owner": summary.owner,
            "id": summary.id,
            "title": summary.title,
            "metadata": summary.metadata,
            "created_at_ms": now_ms,
            "updated_at_ms": now_ms,
            "last_seq": 0,
        }
        try:
            await self._execute(conversations.insert().values(row))
        except IntegrityError:
            raise ConversationExistsError from None
        return summary

    async def amend(
        self,
        owner: str,
        conversation_id: str,
        *,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Change the title or the metadata; None leaves it as it is.

        Raises:
            ConversationNotFoundError: the owner has none of this id.
            StoreUnavailableError: the database cannot be reached.
        """
        values: dict[str, Any] = {}
        if title is not None:
            values["title"] = clean(title) or None
        if metadata is not None:
            values["metadata"] = encode_payload(metadata)
        query = update(conversations).where(_is(conversations, owner, conversation_id))
        if values and not await self._execute(query.values(values)):
            raise ConversationNotFoundError

    async def delete(self, owner: str, conversation_id: str) -> None:
        """Delete a conversation and everything of it, files included.

        What it cost stays in `usage`, without the conversation's id.

        Raises:
            ConversationNotFoundError: the owner has none of this id.
            StoreUnavailableError: not now; nothing may have been deleted.
        """
        await self._writer.flush(FLUSH_TIMEOUT_S)
        await self._unlink_files(owner, conversation_id)
        try:
            async with self._engines.write.begin() as connection:
                await self._lock(connection, owner, conversation_id)
                for table in (events, clients, recordings, sessions):
                    await connection.execute(
                        delete(table).where(_is(table, owner, conversation_id))
                    )
                await connection.execute(
                    update(usage)
                    .where(_is(usage, owner, conversation_id))
                    .values(conversation_id=None, session_id=None)
                )
                await connection.execute(
                    delete(conversations).where(
                        _is(conversations, owner, conversation_id)
                    )
                )
        except (SQLAlchemyError, OSError) as exc:
            raise StoreUnavailableError(type(exc).__name__) from exc
        self._hub.tell(owner, conversation_id, "deleted")
        await self._sweep()

    async def erase(self, owner: str, conversation_id: str) -> int:
        """Delete what was said and recorded; the conversation itself stays, empty.

        Returns:
            How many events there were.

        Raises:
            ConversationNotFoundError: the owner has none of this id.
            StoreUnavailableError: not now; nothing may have been deleted.
        """
        await self._writer.flush(FLUSH_TIMEOUT_S)
        await self._unlink_files(owner, conversation_id)
        try:
            async with self._engines.write.begin() as connection:
                await self._lock(connection, owner, conversation_id)
                erased = await connection.execute(
                    delete(events).where(_is(events, owner, conversation_id))
                )
                for table in (clients, recordings):
                    await connection.execute(
                        delete(table).where(_is(table, owner, conversation_id))
                    )
        except (SQLAlchemyError, OSError) as exc:
            raise StoreUnavailableError(type(exc).__name__) from exc
        self._hub.tell(owner, conversation_id, "erased")
        await self._sweep()
        return erased.rowcount

    async def delete_recording(self, owner: str, recording_id: str) -> None:
        """Delete one file of a recording.

        Raises:
            RecordingNotFoundError: the owner has none of this id.
            StoreUnavailableError: the database cannot be reached.
        """
        await self._writer.flush(FLUSH_TIMEOUT_S)
        is_it = (recordings.c.owner == owner) & (recordings.c.id == recording_id)
        await self._unlink(await self._files(is_it))
        if not await self._execute(delete(recordings).where(is_it)):
            raise RecordingNotFoundError

    async def put_memory(self, owner: str, text: str) -> None:
        """What the assistant is to know about the owner, whole.

        Raises:
            StoreUnavailableError: the database cannot be reached.
        """
        row = {
            "owner": owner,
            "text": clean(text),
            "updated_at_ms": self._now_ms(),
        }
        await self._execute(upsert(self._engines.write.dialect.name, memories, row))

    async def mark_interrupted(
        self, nodes: Collection[str], boot: str, *, before_ms: int
    ) -> int:
        """Sessions of these nodes that another boot left live are over.

        Args:
            nodes: slots whose process was gone.
            boot: our own.
            before_ms: when they were found so. What began later is alive: somebody
                has taken such a slot since.

        Returns:
            How many there were.

        Raises:
            StoreUnavailableError: the database cannot be reached.
        """
        marked = await self._execute(
            update(sessions)
            .where(sessions.c.node.in_(nodes))
            .where(sessions.c.boot != boot)
            .where(sessions.c.started_at_ms < before_ms)
            .where(sessions.c.state.not_in(OVER))
            .values(
                state="interrupted",
                ended_at_ms=self._now_ms(),
                end_reason="server stopped",
            )
        )
        await self._execute(
            update(recordings)
            .where(recordings.c.state == "recording")
            .where(
                recordings.c.session_id.in_(
                    select(sessions.c.id).where(sessions.c.state == "interrupted")
                )
            )
            .values(state="interrupted")
        )
        return marked

    async def _lock(
        self, connection: AsyncConnection, owner: str, conversation_id: str
    ) -> None:
        """No event is written to it until this transaction is over."""
        row = await connection.execute(
            select(conversations.c.id)
            .where(_is(conversations, owner, conversation_id))
            .with_for_update()
        )
        if row.first() is None:
            raise ConversationNotFoundError

    async def _unlink_files(self, owner: str, conversation_id: str) -> None:
        # Files first: a row without its file can be seen and deleted again.
        await self._unlink(await self._files(_is(recordings, owner, conversation_id)))

    async def _files(self, condition: ColumnElement[bool]) -> list[str]:
        try:
            async with self._engines.read.connect() as connection:
                found = await connection.scalars(
                    select(recordings.c.file).where(condition)
                )
                return list(found)
        except (SQLAlchemyError, OSError) as exc:
            raise StoreUnavailableError(type(exc).__name__) from exc

    async def _unlink(self, files: list[str]) -> None:
        def unlink_all() -> None:
            for name in files:
                (self._recordings_dir / name).unlink(missing_ok=True)

        try:
            await asyncio.to_thread(unlink_all)
        except OSError as exc:
            raise StoreUnavailableError(f"a file stays: {exc.strerror}") from exc

    async def _sweep(self) -> None:
        """Leave nothing of deleted rows in SQLite's log either."""
        if not self._engines.is_sqlite:
            return
        try:
            async with self._engines.write.connect() as connection:
                raw = await connection.get_raw_connection()
                driver: Any = raw.driver_connection
                cursor = await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                await cursor.close()
        except (SQLAlchemyError, OSError) as exc:
            raise StoreUnavailableError(type(exc).__name__) from exc

    async def _execute(self, statement: Executable) -> int:
        """Run one statement; the number of rows it touched."""
        try:
            async with self._engines.write.begin() as connection:
                result: Any = await connection.execute(statement)
                return int(result.rowcount)
        except IntegrityError:
            raise
        except (SQLAlchemyError, OSError) as exc:
            raise StoreUnavailableError(type(exc).__name__) from exc


def _is(table: Table, owner: str, conversation_id: str) -> ColumnElement[bool]:
    key = table.c.id if table is conversations else table.c.conversation_id
    return (table.c.owner == owner) & (key == conversation_id)

"""Deletes what is older than the operator allows. Without a setting, nothing."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, exists, select, tuple_
from sqlalchemy.exc import SQLAlchemyError

from server.store.engine import Engines
from server.store.records import OVER
from server.store.tables import (
    clients,
    conversations,
    events,
    recordings,
    sessions,
    usage,
)

logger = logging.getLogger(__name__)

SWEEP_EVERY_S = 3600.0
BATCH_ROWS = 500
"""Deleted at one time, so that recording never waits long."""
DAY_MS = 86_400_000


@dataclass(slots=True)
class Swept:
    """What one sweep deleted."""

    events: int = 0
    recordings: int = 0
    sessions: int = 0
    conversations: int = 0
    usage: int = 0


class Retention:
    """Sweeps once an hour; `run` owns no task."""

    def __init__(
        self,
        engines: Engines,
        recordings_dir: Path,
        days: int,
        *,
        now_ms: Callable[[], int],
    ) -> None:
        self._engines = engines
        self._recordings_dir = recordings_dir
        self._days = days
        self._now_ms = now_ms

    async def run(self) -> None:
        """Sweep for ever; cancel to end it."""
        while True:
            try:
                swept = await self.sweep()
            except (SQLAlchemyError, OSError) as exc:
                logger.warning("old data stays for now: %s", type(exc).__name__)
            else:
                if any((swept.events, swept.recordings, swept.conversations)):
                    logger.info("deleted what is older than allowed: %s", swept)
            await asyncio.sleep(SWEEP_EVERY_S)

    async def sweep(self) -> Swept:
        """Delete everything older than the limit.

        An event or a recording counts by its own age. A session goes when it ended
        before the limit, a conversation when nothing was written to it since and
        nothing of it is left.

        Raises:
            SQLAlchemyError, OSError: part of it was deleted; the next sweep goes on.
        """
        before_ms = self._now_ms() - self._days * DAY_MS
        swept = Swept()
        swept.recordings = await self._delete_recordings(before_ms)
        swept.events = await self._delete(events, events.c.at_ms < before_ms)
        over = sessions.c.state.in_(OVER) & (sessions.c.ended_at_ms < before_ms)
        await self._delete(
            clients,
            clients.c.session_id.in_(select(sessions.c.id).where(over)),
        )
        swept.sessions = await self._delete(sessions, over)
        swept.usage = await self._delete(usage, usage.c.at_ms < before_ms)
        swept.conversations = await self._delete(
            conversations,
            and_(
                conversations.c.updated_at_ms < before_ms,
                *(
                    ~exists().where(
                        table.c.owner == conversations.c.owner,
                        table.c.conversation_id == conversations.c.id,
                    )
                    for table in (events, recordings, sessions, clients)
                ),
            ),
        )
        return swept

    async def _delete(self, table: Table, condition: ColumnElement[bool]) -> int:
        keys = list(table.primary_key)
        n_deleted = 0
        while True:
            some = select(*keys).where(condition).limit(BATCH_ROWS)
            async with self._engines.write.begin() as connection:
                rows = [tuple(row) for row in await connection.execute(some)]
                if not rows:
                    return n_deleted
                result = await connection.execute(
                    # The condition again: another server may have written meanwhile.
                    delete(table).where(tuple_(*keys).in_(rows), condition)
                )
            if not result.rowcount:
                return n_deleted
            n_deleted += result.rowcount

    async def _delete_recordings(self, before_ms: int) -> int:
        old: Any = and_(
            recordings.c.started_at_ms < before_ms, recordings.c.state != "recording"
        )
        async with self._engines.read.connect() as connection:
            files = list(await connection.scalars(select(recordings.c.file).where(old)))
        await asyncio.to_thread(self._unlink, files)
        return await self._delete(recordings, old)

    def _unlink(self, files: list[str]) -> None:
        for name in files:
            (self._recordings_dir / name).unlink(missing_ok=True)

"""Batches on their way into the database: what it refuses does not hold up the rest."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from server.store.database import Written
from server.store.records import Record

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """The database, as the writer sees it."""

    async def prepare(self) -> None:
        """Create or update the tables."""

    async def write(self, records: Sequence[Record], *, may_repeat: bool) -> Written:
        """Write all or none."""


class Delivery:
    """Writes batches. One at a time."""

    def __init__(
        self,
        sink: Sink,
        *,
        delivered: Callable[[Sequence[Record], Written], None],
        put_aside: Callable[[Record], Awaitable[None]],
        timeout_s: float,
    ) -> None:
        """
        Args:
            sink: the database.
            delivered: told of every batch that is committed.
            put_aside: takes a record the database will never take.
            timeout_s: of one batch.
        """
        self._sink = sink
        self._delivered = delivered
        self._put_aside = put_aside
        self._timeout_s = timeout_s

    async def write(self, records: Sequence[Record], *, may_repeat: bool) -> None:
        """Write them, or put aside what cannot be written.

        Raises:
            TimeoutError, SQLAlchemyError, OSError: the database cannot be used now.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                written = await self._sink.write(records, may_repeat=may_repeat)
        except (SQLAlchemyError, OverflowError, UnicodeError) as exc:
            if not _is_about_the_data(exc):
                raise
            if may_repeat:
                await self._write_apart(records, exc)
            else:
                await self.write(records, may_repeat=True)
            return
        self._delivered(records, written)

    async def _write_apart(self, records: Sequence[Record], exc: Exception) -> None:
        """One record spoils the batch: find it, and put it out of the others' way."""
        if len(records) > 1:
            middle = len(records) // 2
            await self.write(records[:middle], may_repeat=True)
            await self.write(records[middle:], may_repeat=True)
            return
        logger.error(
            "the database refuses a record (%s); it is kept in a file of its own",
            type(exc).__name__,
        )
        await self._put_aside(records[0])


def _is_about_the_data(exc: Exception) -> bool:
    """Whether trying the same again is no use, however well the database is."""
    if isinstance(exc, DataError | IntegrityError | OverflowError | UnicodeError):
        return True
    # asyncpg has one class for nearly everything; the state tells: bad data, a
    # constraint, or more than a row or an index holds.
    state = getattr(getattr(exc, "orig", None), "sqlstate", None) or ""
    return state[:2] in ("22", "23", "54")

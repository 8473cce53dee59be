"""What the store knows before a session begins: memory, and the newest history."""

import asyncio
import json
import logging
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from server.errors import StoreUnavailableError
from server.sessions.prompt import MAX_HISTORY_ITEMS, Remembered, remembered
from server.store.events import StoredEvent

logger = logging.getLogger(__name__)

READ_TIMEOUT_S = 2.0
SETTLE_TIMEOUT_S = 0.5
"""For what was said a moment ago to be written; the database may be behind."""
TYPES = ("transcript", "tool")
READ_FACTOR = 4
"""A tool call is several events, of which one is remembered."""


class Past(Protocol):
    """The part of the store's queries that is needed."""

    async def newest_events(
        self,
        owner: str,
        conversation_id: str,
        limit: int,
        *,
        types: Collection[str] | None = None,
    ) -> list[StoredEvent]:
        """The newest events, newest last."""

    async def memory_text(self, owner: str) -> str:
        """What the assistant is told about the owner."""


class Pending(Protocol):
    """The part of the store's writer that is needed."""

    async def flush(self, timeout_s: float) -> None:
        """Wait until everything recorded so far can be read.

        Raises:
            StoreUnavailableError: it did not get there in time.
        """


@dataclass(frozen=True, slots=True)
class Background:
    """Empty where nothing is known, or nothing could be read."""

    memory: str = ""
    history: tuple[Remembered, ...] = ()


async def read_background(
    past: Past, pending: Pending, owner: str, conversation_id: str
) -> Background:
    """Read it, in bounded time. A store that fails costs the past, not the call.

    Who comes back right after a break has said something that is not written yet.
    """
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            with suppress(StoreUnavailableError):  # then without the last words
                await pending.flush(SETTLE_TIMEOUT_S)
            memory = await past.memory_text(owner)
            events = await past.newest_events(
                owner, conversation_id, READ_FACTOR * MAX_HISTORY_ITEMS, types=TYPES
            )
    except Exception:
        # Whatever the database says: people can talk without their history.
        logger.exception("the past of a conversation could not be read")
        return Background()
    lines = remembered((e.type, json.loads(e.payload)) for e in events)
    return Background(memory, tuple(lines))

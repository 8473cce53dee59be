"""What the store knows before a session begins: memory, and the newest history."""

import asyncio
import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from server.sessions.prompt import MAX_HISTORY_ITEMS, Remembered, remembered
from server.store.events import StoredEvent

logger = logging.getLogger(__name__)

READ_TIMEOUT_S = 2.0
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


@dataclass(frozen=True, slots=True)
class Background:
    """Empty where nothing is known, or nothing could be read."""

    memory: str = ""
    history: tuple[Remembered, ...] = ()


async def read_background(past: Past, owner: str, conversation_id: str) -> Background:
    """Read it, in bounded time. A store that fails costs the past, not the call."""
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
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

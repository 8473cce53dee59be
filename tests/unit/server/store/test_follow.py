"""A live reader finds what its queue has lost, at once and in order."""

from __future__ import annotations

import asyncio

from server.store.events import StoredEvent
from server.store.follow import CaughtUp, follow
from server.store.live import QUEUE_EVENTS, LiveHub
from tests.support.virtual_time import virtual_time

RECHECK_S = 60.0


def stored(seq: int) -> StoredEvent:
    return StoredEvent("ada", "c", seq, f"e{seq}", None, None, 0, "user", "note", "{}")


class Shelf:
    """A database that has everything."""

    def __init__(self) -> None:
        self.events: list[StoredEvent] = []

    async def events_after(
        self, owner: str, conversation_id: str, after: int, limit: int
    ) -> list[StoredEvent]:
        return [e for e in self.events if e.seq > after][:limit]


@virtual_time
async def test_a_gap_is_read_from_the_database_without_waiting_for_a_recheck() -> None:
    """The queue was overrun, or another server wrote what is missing."""
    hub, shelf = LiveHub(), Shelf()
    shelf.events = [stored(1)]
    seen: list[int] = []
    caught_up = asyncio.Event()
    n_last = QUEUE_EVENTS + 100

    async def read() -> None:
        async for step in follow(hub, shelf, "ada", "c", 0, recheck_s=RECHECK_S):
            if isinstance(step, CaughtUp):
                caught_up.set()
            elif isinstance(step, list):
                seen.extend(event.seq for event in step)
            if seen[-1:] == [n_last]:
                return

    reader = asyncio.create_task(read())
    await caught_up.wait()
    shelf.events = [stored(seq) for seq in range(1, n_last + 1)]
    hub.publish(shelf.events[1:])
    async with asyncio.timeout(RECHECK_S / 2):
        await reader

    assert seen == [*range(1, n_last + 1)]


@virtual_time
async def test_what_another_server_wrote_is_found_by_the_recheck() -> None:
    hub, shelf = LiveHub(), Shelf()
    loop = asyncio.get_running_loop()
    steps = follow(hub, shelf, "ada", "c", 0, recheck_s=RECHECK_S)
    assert await anext(steps) == CaughtUp(0)
    began_s = loop.time()
    shelf.events = [stored(1)]

    assert await anext(steps) == [stored(1)]
    assert loop.time() - began_s == RECHECK_S
    await steps.aclose()

"""Who follows a conversation as it is written: subscribe first, then read. SANS-IO
but for the event it wakes its reader with.

A subscription is only a bounded queue of what was just stored. Its reader knows from
the sequence numbers whether anything is missing, and reads that from the database: so
an overrun queue, or another server writing to the same database, costs a query and
never an event.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, TypeAlias

from server.store.events import StoredEvent

QUEUE_EVENTS = 256
Notice: TypeAlias = Literal["erased", "deleted"]


class Subscription:
    """What was stored since the reader last looked, as far as there was room."""

    def __init__(self) -> None:
        self._queue: deque[StoredEvent] = deque(maxlen=QUEUE_EVENTS)
        self._notices: deque[Notice] = deque(maxlen=4)
        self._wake = asyncio.Event()

    def put(self, events: Sequence[StoredEvent]) -> None:
        """From the writer; the oldest give way, the reader will find the gap."""
        self._queue.extend(events)
        self._wake.set()

    def tell(self, notice: Notice) -> None:
        """From whoever erased or deleted the conversation."""
        self._queue.clear()
        self._notices.append(notice)
        self._wake.set()

    def take(self) -> list[StoredEvent]:
        """Everything that waits, oldest first."""
        taken = list(self._queue)
        self._queue.clear()
        return taken

    def notices(self) -> list[Notice]:
        """What happened to the conversation itself."""
        taken = list(self._notices)
        self._notices.clear()
        return taken

    async def wait(self, timeout_s: float) -> bool:
        """Until there is something; False when there was nothing in that time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return False
        self._wake.clear()
        return True


class LiveHub:
    """All subscriptions of this process, by owner and conversation."""

    def __init__(self) -> None:
        self._subscriptions: dict[tuple[str, str], set[Subscription]] = defaultdict(set)

    @property
    def n_subscriptions(self) -> int:
        """Readers following live."""
        return sum(map(len, self._subscriptions.values()))

    @contextmanager
    def subscribe(self, owner: str, conversation_id: str) -> Iterator[Subscription]:
        """A subscription for as long as the block lasts."""
        key = (owner, conversation_id)
        subscription = Subscription()
        self._subscriptions[key].add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions[key].discard(subscription)
            if not self._subscriptions[key]:
                del self._subscriptions[key]

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Events that were committed, each conversation's in order."""
        if not self._subscriptions:
            return
        by_key: dict[tuple[str, str], list[StoredEvent]] = {}
        for event in events:
            by_key.setdefault((event.owner, event.conversation_id), []).append(event)
        for key, stored in by_key.items():
            for subscription in self._subscriptions.get(key, ()):
                subscription.put(stored)

    def tell(self, owner: str, conversation_id: str, notice: Notice) -> None:
        """Something happened to the conversation itself."""
        for subscription in self._subscriptions.get((owner, conversation_id), ()):
            subscription.tell(notice)

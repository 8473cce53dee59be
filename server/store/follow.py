"""Every event of a conversation after a number, once and in order, for ever."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from server.store.events import StoredEvent
from server.store.live import LiveHub, Notice, Subscription

PAGE_EVENTS = 200


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Everything stored so far has been delivered; what follows is live."""

    seq: int


@dataclass(frozen=True, slots=True)
class Noticed:
    """The conversation was erased or deleted."""

    notice: Notice


Step: TypeAlias = list[StoredEvent] | CaughtUp | Noticed


class EventSource(Protocol):
    """The database, as a reader sees it."""

    async def events_after(
        self, owner: str, conversation_id: str, after: int, limit: int
    ) -> list[StoredEvent]:
        """The oldest events after a number, in order."""


async def follow(
    hub: LiveHub,
    source: EventSource,
    owner: str,
    conversation_id: str,
    after: int,
    *,
    recheck_s: float,
) -> AsyncGenerator[Step, None]:
    """Pages of events, `CaughtUp` once, then live ones.

    Args:
        hub: where the writer of this process publishes.
        source: where everything can be read.
        owner: whose conversation.
        conversation_id: which.
        after: the last number the reader has; 0 for everything.
        recheck_s: how often to look for what other processes wrote.
    """
    with hub.subscribe(owner, conversation_id) as subscription:
        reader = _Reader(subscription, source, owner, conversation_id, after)
        async for page in reader.read_stored():
            yield page
        yield CaughtUp(reader.seq)
        while True:
            is_woken = await subscription.wait(recheck_s)
            for notice in subscription.notices():
                yield Noticed(notice)
            if live := reader.take_live():
                yield live
            if reader.has_gap or not is_woken:
                async for page in reader.read_stored():
                    yield page


class _Reader:
    """Knows how far its reader is, and what is missing."""

    def __init__(
        self,
        subscription: Subscription,
        source: EventSource,
        owner: str,
        conversation_id: str,
        seq: int,
    ) -> None:
        self._subscription = subscription
        self._source = source
        self._owner = owner
        self._conversation_id = conversation_id
        self.seq = seq
        self.has_gap = False

    def take_live(self) -> list[StoredEvent]:
        """What was just stored and follows without a gap."""
        live: list[StoredEvent] = []
        for event in self._subscription.take():
            if event.seq == self.seq + 1:
                self.seq = event.seq
                live.append(event)
            elif event.seq > self.seq:
                self.has_gap = True
                break
        return live

    async def read_stored(self) -> AsyncIterator[list[StoredEvent]]:
        """Pages from the database until there is nothing more."""
        self.has_gap = False
        while True:
            page = await self._source.events_after(
                self._owner, self._conversation_id, self.seq, PAGE_EVENTS
            )
            if page:
                self.seq = page[-1].seq
                yield page
            if len(page) < PAGE_EVENTS:
                return

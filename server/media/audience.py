"""Who is in a conversation: admission, settings, roll call, and seeing them out."""

import asyncio
import logging
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from server.errors import CapacityError, ClientNotFoundError
from server.media import control
from server.media.client import Client, ClientOwner
from server.media.participants import Profiles, participants
from server.media.protocol import ClientAnswer, ClientChange, MediaLimits, Participant
from server.media.ticker import Ticker
from server.media.totals import ClientTotals
from server.rtc.ice import IcePolicy
from server.rtc.offer import parse_offer

logger = logging.getLogger(__name__)


class AudienceOwner(ClientOwner, Protocol):
    """The conversation, as its audience sees it."""

    def on_roll_changed(self, roll: tuple[Participant, ...]) -> None:
        """Somebody came, went or changed; `roll` is who is here now."""


class Audience:
    """The browsers of one conversation. `see_out` closes those who left."""

    def __init__(
        self,
        owner: AudienceOwner,
        *,
        limits: MediaLimits,
        policy: IcePolicy,
        ticker: Ticker,
    ) -> None:
        self._owner = owner
        self._limits = limits
        self._policy = policy
        self._ticker = ticker
        self._clients: dict[str, Client] = {}
        self._profiles = Profiles()
        self._roll: tuple[Participant, ...] = ()
        self._leaving: asyncio.Queue[Client | None] = asyncio.Queue()
        """Clients to be closed; None when that is all. Bounded by admission."""
        self._left = ClientTotals()
        self.n_seen = 0
        """Connections whose audio has ever flowed."""

    def __len__(self) -> int:
        """Browsers connected or connecting."""
        return len(self._clients)

    def __iter__(self) -> Iterator[Client]:
        """A snapshot of them, so that the loop may show one out."""
        return iter(list(self._clients.values()))

    @property
    def ready(self) -> list[Client]:
        """Those whose audio flows."""
        return [c for c in self._clients.values() if c.is_ready]

    @property
    def roll(self) -> tuple[Participant, ...]:
        """Who was here at the last roll call."""
        return self._roll

    def totals(self) -> ClientTotals:
        """Counts over all browsers, gone ones included."""
        totals = ClientTotals()
        totals.include(self._left)
        for client in self._clients.values():
            totals.add(client)
        return totals

    async def admit(
        self, offer_sdp: str, *, name: str, resume_client_id: str | None
    ) -> ClientAnswer:
        """Answer a browser's offer.

        Args:
            offer_sdp: the offer.
            name: display name; empty keeps the one from before.
            resume_client_id: the browser was here under this id: it gets the id and
                its settings back, and its old connection is dropped.

        Raises:
            BridgeError: the offer is bad, or the conversation is full.
        """
        offer = parse_offer(offer_sdp)
        resumed = resume_client_id is not None and resume_client_id in self._profiles
        client_id = resume_client_id if resumed else None
        client_id = client_id or secrets.token_urlsafe(12)
        old = self._clients.get(client_id)
        if old is None and len(self._clients) >= self._limits.max_clients:
            raise CapacityError(user_message="This conversation is full.")
        client = Client(
            client_id,
            self._owner,
            limits=self._limits,
            policy=self._policy,
            ticker=self._ticker,
            profile=self._profiles.of(client_id, control.tidy_name(name, self._limits)),
            is_resumed=resumed,
        )
        if old is not None:
            self.remove(old)
        self._clients[client_id] = client
        try:
            sdp = await client.answer(offer)
            return ClientAnswer(client_id, sdp, len(self._clients))
        except BaseException:
            if old is not None:
                # Its old connection has made way: it was here, and is no more.
                self._owner.on_client_gone(client, "not reconnected")
            self.remove(client)
            raise

    def has(self, client: Client) -> bool:
        """Whether this very connection is still one of ours."""
        return self._clients.get(client.client_id) is client

    def name_of(self, client_id: str) -> str:
        """The display name of a browser; empty when it is not here."""
        client = self._clients.get(client_id)
        return client.profile.name if client is not None else ""

    def find(self, client_id: str) -> Client:
        """The browser of that id.

        Raises:
            ClientNotFoundError: it is not here.
        """
        client = self._clients.get(client_id)
        if client is None:
            raise ClientNotFoundError
        return client

    def update(self, client_id: str, change: ClientChange) -> None:
        """Change settings of one browser.

        Raises:
            ClientNotFoundError: it is not here.
        """
        client = self.find(client_id)
        if change.name is not None:
            change = replace(change, name=control.tidy_name(change.name, self._limits))
        if client.profile.apply(change):
            client.profile_changed()
            self.call_the_roll()

    def remove(self, client: Client) -> bool:
        """Let one go; False when it had gone already."""
        if not self.has(client):
            return False
        del self._clients[client.client_id]
        self._left.add(client)
        self._leaving.put_nowait(client)
        return True

    def call_the_roll(self) -> None:
        """Find out who is here, and tell the owner when that is news."""
        roll = participants(self._clients.values())
        if roll != self._roll:
            self._roll = roll
            self._owner.on_roll_changed(roll)

    def check(self, now_s: float) -> None:
        """Twice a second: whoever is silent or never came is reported gone."""
        limits = self._limits
        for client in self:
            client.check()
            if client.is_ready:
                if client.silent_s() > limits.client_silence_timeout_s:
                    self._owner.on_client_gone(client, "silent")
            elif now_s - client.created_at_s > limits.client_connect_timeout_s:
                self._owner.on_client_gone(client, "never connected")

    def broadcast(self, message: str) -> None:
        """Send one encoded control message to everybody."""
        for client in self:
            client.send(message)

    async def see_out(self) -> None:
        """Close those who leave, until `finish`."""
        async with asyncio.TaskGroup() as closing:
            while (client := await self._leaving.get()) is not None:
                closing.create_task(_close_quietly(client))

    def finish(self) -> None:
        """Nobody is seen out any more; `close` takes those who are left."""
        self._leaving.put_nowait(None)

    async def close(self) -> None:
        """Close everybody who is left, in bounded time."""
        clients = list(self._clients.values())
        for client in clients:
            self._left.add(client)
        self._clients.clear()
        while not self._leaving.empty():
            if (leaving := self._leaving.get_nowait()) is not None:
                clients.append(leaving)
        async with asyncio.TaskGroup() as closing:
            for client in clients:
                client.has_last_word = True
                closing.create_task(_close_quietly(client))


async def _close_quietly(client: Client) -> None:
    try:
        # What it was told last, if anything, shall reach it.
        await client.close(linger=client.has_last_word)
    except Exception:
        # One connection that cannot be closed must not end the conversation.
        logger.exception("a client did not close cleanly")

"""Who is in a conversation, when a connection cannot be made."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from server.errors import MediaError
from server.media import audience as module
from server.media.audience import Audience
from server.media.protocol import MediaLimits


class Peer:
    """A browser whose second offer cannot be answered."""

    n_made = 0

    def __init__(self, client_id: str, owner: Any, *, profile: Any, **_: Any) -> None:
        self.client_id, self.profile = client_id, profile
        self.is_ready = self.has_audio = False
        Peer.n_made += 1
        self._number = Peer.n_made

    async def answer(self, offer: Any) -> str:
        if self._number > 1:
            raise MediaError("no port is free")
        return "v=0"


class Owner:
    """A conversation that counts whom it lost."""

    def __init__(self) -> None:
        self.audience: Audience
        self.gone: list[tuple[str, str]] = []

    def on_client_gone(self, client: Any, reason: str) -> None:
        if self.audience.remove(client):
            self.gone.append((client.client_id, reason))


def an_audience(
    monkeypatch: pytest.MonkeyPatch, *, n_made: int
) -> tuple[Owner, Audience]:
    """An empty one whose second browser ever cannot be answered."""
    monkeypatch.setattr(module, "Client", Peer)
    monkeypatch.setattr(module, "parse_offer", lambda text: text)
    monkeypatch.setattr(Peer, "n_made", n_made)
    owner = Owner()
    owner.audience = audience = Audience(
        cast(Any, owner),
        limits=MediaLimits(),
        policy=cast(Any, None),
        ticker=cast(Any, SimpleNamespace()),
    )
    return owner, audience


async def test_one_who_cannot_come_back_has_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody else says so: its old connection made way for the new one, and a session
    that is not told of its last client's going waits for it for ever."""
    owner, audience = an_audience(monkeypatch, n_made=0)
    first = await audience.admit("offer", name="Ada", resume_client_id=None)

    with pytest.raises(MediaError):
        await audience.admit("offer", name="", resume_client_id=first.client_id)

    assert len(audience) == 0
    assert owner.gone == [(first.client_id, "not reconnected")]


async def test_one_who_never_came_has_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    owner, audience = an_audience(monkeypatch, n_made=1)

    with pytest.raises(MediaError):
        await audience.admit("offer", name="Ada", resume_client_id=None)

    assert len(audience) == 0
    assert owner.gone == []

"""What is said to a browser with a track before it has a channel to hear it on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from server.rtc.browser import MAX_UNSENT, BrowserPeer
from server.rtc.ice import IcePolicy


class Channel:
    """An open RTCDataChannel."""

    label = "control"
    readyState = "open"
    bufferedAmount = 0

    def on(self, event: str) -> Callable[[Any], Any]:
        return lambda handler: handler


class Path:
    """The media path: notes what is sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def listen(self, channel: Channel, on_message: Any) -> None:
        pass

    def send(self, channel: Channel, text: str) -> bool:
        self.sent.append(text)
        return True

    def stop(self) -> None:
        pass

    free = stop


class Events:
    """The owner; nothing here is for it."""

    def on_ready(self) -> None:
        pass

    def on_lost(self, reason: str) -> None:
        pass


@pytest.fixture
async def peer() -> AsyncIterator[BrowserPeer]:
    made = BrowserPeer(cast(Any, Events()), IcePolicy())
    made._path = cast(Any, Path())
    yield made
    await made.close()


async def test_the_first_words_wait_for_a_channel_that_comes_late(
    peer: BrowserPeer,
) -> None:
    """On a link of 80 ms the channel opens after the sound: hello must not be lost."""
    sent = cast(Path, peer._path).sent
    for n in range(MAX_UNSENT + 5):
        peer.send_control(f"message {n}")
    assert sent == []

    peer._on_channel(cast(Any, Channel()))
    peer.send_control("and now")

    assert sent == [*(f"message {n}" for n in range(MAX_UNSENT)), "and now"]

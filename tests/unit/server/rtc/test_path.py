"""A channel that a slow network has filled takes no more audio, on both paths."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from server.rtc.lean.path import LeanPath
from server.rtc.path import MediaPath
from server.rtc.plain import PlainPath

LIMIT = 1_600


class Channel(SimpleNamespace):
    """An RTCDataChannel with so many bytes waiting in it."""

    def __init__(self, waiting: int, state: str = "open") -> None:
        super().__init__(bufferedAmount=waiting, readyState=state, sent=[])

    def send(self, data: bytes) -> None:
        self.sent.append(data)


@pytest.fixture(params=[LeanPath, PlainPath])
def path(request: pytest.FixtureRequest) -> MediaPath:
    return cast(MediaPath, request.param(cast(Any, None)))


@pytest.mark.parametrize("waiting", [0, LIMIT])
def test_audio_waits_in_the_channel_up_to_the_limit(
    path: MediaPath, waiting: int
) -> None:
    channel = Channel(waiting)

    assert path.send_audio(cast(Any, channel), LIMIT, b"frame")

    assert channel.sent == [b"frame"]


@pytest.mark.parametrize(
    "channel", [Channel(LIMIT + 1), Channel(0, "closing")], ids=["full", "closing"]
)
def test_audio_that_would_be_late_is_not_sent(
    path: MediaPath, channel: Channel
) -> None:
    assert not path.send_audio(cast(Any, channel), LIMIT, b"frame")

    assert channel.sent == []

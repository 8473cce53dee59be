"""What the media host tells, on its way to everybody who has to know."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, cast

import pytest

from server.app import _Bridge
from server.media.protocol import HostEvent, SessionEnded, UsageReported
from server.realtime.wire import Usage, decode
from server.sessions.prices import Prices
from server.settings import Settings
from server.tools.further import FurtherTools


class Listener:
    """One who has to know that a session ended."""

    def __init__(self) -> None:
        self.heard: list[HostEvent] = []

    def on_host_event(self, event: HostEvent) -> None:
        self.heard.append(event)


class Broken(Listener):
    """One with a bug."""

    def on_host_event(self, event: HostEvent) -> None:
        raise AssertionError("a bug")


async def test_a_bug_in_one_listener_keeps_nothing_from_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It would end the media process that told it, with every call in it."""
    settings = Settings(data_dir=tmp_path, _env_file=None)  # type: ignore[call-arg]
    bridge = _Bridge(settings, None, FurtherTools(), Prices())
    registry = Listener()
    bridge.measurements = cast(Any, Broken())
    bridge._chronicle = cast(Any, Broken())
    bridge.registry = cast(Any, registry)

    with caplog.at_level(logging.ERROR):
        bridge._emit(SessionEnded("s", "closed"))

    assert registry.heard == [SessionEnded("s", "closed")]
    assert "SessionEnded" in caplog.text


def test_a_service_that_bills_less_than_nothing_bills_nothing() -> None:
    """Counters only grow, and what the service says must not end anything."""
    done = decode(
        '{"type": "response.done", "response": {"id": "r", "usage": {'
        '"input_token_details": {"text_tokens": -5, "audio_tokens": 7}}}}'
    )

    usage = cast(Any, done).usage
    assert usage == Usage(text_in=0, audio_in=7)
    assert UsageReported("s", "c", "r", "m", usage).usage.input_tokens == 7

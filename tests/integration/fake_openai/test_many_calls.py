"""Calls that are over cost the fake no more than their record, which is bounded."""

import os
from typing import Any

import numpy as np
import pytest

from fake_openai import server
from fake_openai.app import RunningFake, running_fake
from tests.support.living import living
from tests.support.realtime_caller import calling, tone
from tests.support.waiting import eventually

N_CALLS = int(os.environ.get("SESSIONS_IN_A_ROW", "6"))
N_KEPT = 3
LIBRARIES = ("aiortc", "aioice", "pylibsrtp", "OpenSSL", "av")


async def one_call(fake: RunningFake) -> str:
    """Both sides say something, so that every codec is used; then the caller leaves."""
    # No secret is minted: those are kept until they expire.
    async with calling(fake.base_url, mint=False) as client:
        call = fake.server.calls[client.call_id]
        pieces = np.split(tone(440, 0.1), 5)
        session: Any = call.session
        session.pull_audio = lambda *_: pieces.pop() if pieces else None
        client.microphone.say(tone(440, 0.1))
        await client.until(lambda: not pieces)
        await client.until(lambda: bool(call.recorder.input.pcm().any()))
    await eventually(lambda: call.state == "ended")
    await fake.server.tasks.settle()
    fake.server.ticker.meter.reset()  # a late machine is remembered, in objects
    return call.call_id


async def test_ended_calls_leave_only_their_record_and_only_so_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After N_KEPT calls, N_CALLS more change nothing, to the object.

    SESSIONS_IN_A_ROW=100 for the long form.
    """
    monkeypatch.setattr(server, "KEPT_ENDED_CALLS", N_KEPT)
    async with running_fake() as fake:
        await one_call(fake)
        idle = living(*LIBRARIES)
        for _ in range(N_KEPT):
            await one_call(fake)
        base = living("fake_openai")
        calls = [await one_call(fake) for _ in range(N_CALLS)]

        assert list(fake.server.calls) == calls[-N_KEPT:]
        assert living("fake_openai") == base
        assert living(*LIBRARIES) == idle
        kept = [name for name in base if name.endswith((".RealtimeSession", ".Peer"))]
        assert not kept

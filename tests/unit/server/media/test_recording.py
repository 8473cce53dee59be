"""Whether a conversation is recorded, when people change their minds."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from server.media import recording as module
from server.media.protocol import RecordingPlan
from server.media.recording import Recording

PLAN = RecordingPlan("/nowhere")


class SlowRecorder:
    """One whose folder takes its time."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.closed = asyncio.Event()
        self.may_begin = asyncio.Event()
        self.has_stopped = False
        SlowRecorder.newest = self

    newest: SlowRecorder

    async def begin(self) -> None:
        await self.may_begin.wait()

    def stop(self) -> None:
        self.has_stopped = True
        self.closed.set()


async def test_who_stops_a_recording_that_is_about_to_begin_is_heeded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "Recorder", SlowRecorder)
    source = SimpleNamespace(tap=None)
    said: list[str] = []
    nothing = cast(Any, lambda *_, **__: None)
    recording = Recording(
        cast(Any, SimpleNamespace(session_id="s")),
        cast(Any, source),
        began_s=0.0,
        emit=nothing,
        broadcast=said.append,
        note=nothing,
        name_of=nothing,
    )
    starting = asyncio.create_task(recording.start(PLAN, "Ada"))
    await asyncio.sleep(0)

    recording.stop("Ben")
    SlowRecorder.newest.may_begin.set()
    await starting

    assert not recording.is_on
    assert source.tap is None
    assert SlowRecorder.newest.has_stopped
    assert said == []

    again = asyncio.create_task(recording.start(PLAN, "Ada"))
    await asyncio.sleep(0)
    SlowRecorder.newest.may_begin.set()
    await again
    assert recording.is_on

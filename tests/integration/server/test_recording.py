"""A call that is recorded: who is told, what is in the files, where they belong."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.audio.format import RATE_HZ
from tests.integration.server.conftest import (
    PATIENCE_S,
    Bridge,
    FakeModel,
    eventually,
    running_bridge,
    settings_for,
)
from tests.support.browser import browser
from tests.support.tones import Heard, assert_all_came, silence, tone
from tests.unit.server.media.test_take import read

TALK_S = 1.5
FLUSH_S = 10.0
HEAD_PAGES = 2
"""Of an Ogg file; then comes one for every second."""


def voice(hz: float) -> np.ndarray:
    """A tone, and time for the last of it to get through every buffer."""
    return np.concatenate((tone(hz, TALK_S), silence(0.3)))


class EndOfCall:
    """The counts in the bridge's line about a call, whichever process wrote it."""

    def __init__(
        self, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        self._capfd = capfd
        self._caplog = caplog
        self._written = ""
        caplog.set_level(logging.INFO, logger="server.media.host")

    async def counts(self, session_id: str) -> dict[str, float]:
        """Wait for the line."""
        pattern = re.compile(rf"session ended: session_id={session_id} .*")
        await eventually(lambda: pattern.search(self._text()) is not None)
        found = pattern.search(self._text())
        assert found is not None
        fields = re.findall(r"(\w+)=([\d.]+)(?= |$)", found[0])
        return {name: float(value) for name, value in fields}

    def _text(self) -> str:
        self._written += self._capfd.readouterr().err
        return self._caplog.text + self._written


@pytest.fixture
def end_of_call(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> EndOfCall:
    """What a late machine cost is in it."""
    return EndOfCall(capfd, caplog)


async def _is_up(bridge: Bridge) -> bool:
    return all(worker["is_up"] for worker in (await bridge.health())["workers"])


async def _switch(bridge: Bridge, session_id: str, on: bool) -> None:
    path = f"/api/realtime/session/{session_id}/recording"
    answer = await bridge.http.post(path, json={"on": on})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"recording": on}


async def _recordings(bridge: Bridge, conversation_id: str) -> dict[str, Any]:
    store = bridge.app.state.store
    await store.writer.flush(FLUSH_S)
    path = f"/api/conversations/{conversation_id}/recordings"
    listed = (await bridge.http.get(path)).json()["recordings"]
    return {f"{r['track']} {r['name'] or ''}".strip(): r for r in listed}


@pytest.mark.parametrize(("kind", "workers"), [("opus", 0), ("wav", 0), ("opus", 1)])
async def test_each_voice_and_the_mix_are_kept_at_their_pitch_and_length(
    fake: FakeModel, tmp_path: Path, end_of_call: EndOfCall, kind: str, workers: int
) -> None:
    settings = settings_for(
        fake.url,
        recording_format=kind,
        data_dir=tmp_path / "data",
        workers=workers,
        session_grace_s=0.5,
    )
    async with running_bridge(settings) as bridge:
        if workers:
            await eventually(lambda: _is_up(bridge))
        session_id = await bridge.open(conversation_id="kept", system_prompt="tag-rec")
        async with (
            browser(bridge.http, session_id, name="Ann", audio_lifetime_ms=None) as ann,
            browser(bridge.http, session_id, name="Bob", audio_lifetime_ms=None) as bob,
        ):
            assert (await ann.message("hello"))["recording"] is False
            await _switch(bridge, session_id, True)
            notice = await bob.message("recording")
            await asyncio.gather(ann.speak(voice(440)), bob.speak(voice(700)))
            async with browser(bridge.http, session_id, name="Cy") as late:
                assert (await late.message("hello"))["recording"] is True
            await _switch(bridge, session_id, False)
            await ann.message("recording", lambda m: not m["on"])
            state = await bridge.http.get(f"/api/realtime/session/{session_id}")
            assert state.json()["recording"] is False
        await bridge.http.delete(f"/api/realtime/session/{session_id}")
        counts = await end_of_call.counts(session_id)

        found = await _recordings(bridge, "kept")
        events = (await bridge.http.get("/api/conversations/kept/events")).json()
        heard: dict[str, np.ndarray] = {}
        for name, recording in found.items():
            audio = await bridge.http.get(f"/api/recordings/{recording['id']}")
            path = tmp_path / f"{name}.{'ogg' if kind == 'opus' else 'wav'}"
            path.write_bytes(audio.content)
            heard[name] = read(path)
            assert recording["state"] == "finished"
            assert recording["size_bytes"] == len(audio.content)
            assert recording["duration_ms"] == heard[name].size * 1000 / RATE_HZ

    assert notice["on"] is True
    assert notice["by"]
    assert set(found) >= {"mix", "assistant", "client Ann", "client Bob"}
    assert len({r["take"] for r in found.values()}) == 1
    mix = Heard(heard["mix"], [440, 700])
    for name, hz in (("client Ann", 440), ("client Bob", 700)):
        own = Heard(heard[name], [hz])
        for track in (own, mix):
            assert track.pitch_hz(hz) == pytest.approx(hz, abs=1)
            assert track.level_db(hz, 8000) == pytest.approx(0, abs=1)
            assert_all_came(track, hz, TALK_S, counts)
        # One timeline: what somebody said is at the same place in the mix.
        shift_s = (found[name]["session_ms"] - found["mix"]["session_ms"]) / 1000
        assert own.onset_s(hz) + shift_s == pytest.approx(mix.onset_s(hz), abs=0.02)
    kinds = [(e["type"], e["payload"].get("on")) for e in events["events"]]
    assert ("recording", True) in kinds
    assert ("recording", False) in kinds
    began = next(e for e in events["events"] if e["payload"].get("on") is True)
    waited_ms = found["mix"]["session_ms"] - began["session_ms"]
    assert abs(waited_ms) <= 20 + counts["tick_worst_ms"]


async def test_a_session_that_ends_while_it_is_recorded_has_complete_files(
    fake: FakeModel, tmp_path: Path
) -> None:
    settings = settings_for(fake.url, data_dir=tmp_path / "data", session_grace_s=0.5)
    async with running_bridge(settings) as bridge:
        session_id = await bridge.open(conversation_id="cut", system_prompt="tag-cut")
        async with browser(bridge.http, session_id, name="Ann") as ann:
            await _switch(bridge, session_id, True)
            await ann.speak(tone(440, 1))
            await ann.speak(silence(0.3))
            await bridge.http.delete(f"/api/realtime/session/{session_id}")
        found = await _recordings(bridge, "cut")
        shelf = bridge.app.state.store.recordings_dir
        files = {path.name for path in shelf.iterdir()}
        assert {r["state"] for r in found.values()} == {"finished"}
        assert len(files) == len(found) >= 2
        assert found["client Ann"]["duration_ms"] >= 900
        await bridge.http.delete("/api/conversations/cut")
        assert not list(shelf.iterdir()), "erasing leaves nothing"


async def test_where_recording_is_switched_off_it_cannot_be_switched_on(
    fake: FakeModel,
) -> None:
    async with running_bridge(settings_for(fake.url, enable_recording=False)) as bridge:
        session_id = await bridge.open(system_prompt="tag-off")
        answer = await bridge.http.post(
            f"/api/realtime/session/{session_id}/recording", json={"on": True}
        )
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "not_supported"


async def test_a_recording_whose_media_process_dies_can_be_played_and_says_so(
    fake: FakeModel, tmp_path: Path
) -> None:
    settings = settings_for(fake.url, data_dir=tmp_path / "data", workers=1)
    async with running_bridge(settings) as bridge:
        await eventually(lambda: _is_up(bridge))
        session_id = await bridge.open(conversation_id="died", system_prompt="tag-die")
        async with browser(bridge.http, session_id, name="Ann") as ann:
            await _switch(bridge, session_id, True)
            speaking = asyncio.create_task(ann.speak(tone(440, PATIENCE_S)))
            shelf = bridge.app.state.store.recordings_dir

            def has_two_seconds() -> bool:
                pages = [f.read_bytes().count(b"OggS") for f in shelf.iterdir()]
                return len(pages) == 3 and min(pages) >= HEAD_PAGES + 2

            await eventually(has_two_seconds)
            [worker] = (await bridge.health())["workers"]
            os.kill(worker["pid"], signal.SIGKILL)

            async def is_marked() -> bool:
                found = await _recordings(bridge, "died")
                return {r["state"] for r in found.values()} == {"interrupted"}

            await eventually(is_marked)
            speaking.cancel()
            await asyncio.wait([speaking])
        found = await _recordings(bridge, "died")
        answer = await bridge.http.get(f"/api/recordings/{found['client Ann']['id']}")
        path = tmp_path / "ann.ogg"
        path.write_bytes(answer.content)
    pcm = read(path)
    assert pcm.size / RATE_HZ >= 1.9, "all but the page that was not full"
    assert Heard(pcm, [440]).pitch_hz(440) == pytest.approx(440, abs=1)

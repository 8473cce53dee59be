"""A call that is recorded: who is told, what is in the files, where they belong."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.audio.format import RATE_HZ
from tests.integration.server.conftest import (
    Bridge,
    FakeModel,
    eventually,
    running_bridge,
    settings_for,
)
from tests.integration.server.test_call import tone
from tests.support.browser import browser
from tests.unit.server.media.test_take import pitch_hz, read

TALK_S = 2.0
FLUSH_S = 10.0


def talking(pcm: np.ndarray) -> np.ndarray:
    """The part of a recording in which somebody speaks."""
    blocks = pcm[: pcm.size // 240 * 240].reshape(-1, 240).astype(float)
    loud = np.flatnonzero(np.sqrt((blocks**2).mean(axis=1)) > 800)
    return pcm[loud[0] * 240 : (loud[-1] + 1) * 240]


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
    fake: FakeModel, tmp_path: Path, kind: str, workers: int
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
            await eventually(lambda: _is_up(bridge), timeout_s=20)
        session_id = await bridge.open(conversation_id="kept", system_prompt="tag-rec")
        async with (
            browser(bridge.http, session_id, name="Ann") as ann,
            browser(bridge.http, session_id, name="Bob") as bob,
        ):
            assert (await ann.message("hello"))["recording"] is False
            await _switch(bridge, session_id, True)
            notice = await bob.message("recording")
            await asyncio.gather(
                ann.speak(tone(440, TALK_S)), bob.speak(tone(700, TALK_S))
            )
            async with browser(bridge.http, session_id, name="Cy") as late:
                assert (await late.message("hello"))["recording"] is True
            await _switch(bridge, session_id, False)
            await ann.message("recording", lambda m: not m["on"])
            state = await bridge.http.get(f"/api/realtime/session/{session_id}")
            assert state.json()["recording"] is False
        await bridge.http.delete(f"/api/realtime/session/{session_id}")

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
    for name, hz in (("client Ann", 440), ("client Bob", 700)):
        talk = talking(heard[name])
        assert talk.size / RATE_HZ == pytest.approx(TALK_S, rel=0.05)
        assert pitch_hz(talk) == pytest.approx(hz, rel=0.01)
        level = np.median(np.abs(talk[RATE_HZ // 2 :][:RATE_HZ].astype(float)))
        assert 20 * np.log10(level / (8000 * np.sqrt(0.5))) == pytest.approx(0, abs=1.5)
    # One timeline: what Ann said is at the same place in the mix.
    shift_ms = found["client Ann"]["session_ms"] - found["mix"]["session_ms"]
    offset = round(shift_ms * RATE_HZ / 1000)
    both = talking(heard["mix"])
    assert both.size / RATE_HZ == pytest.approx(TALK_S, rel=0.06)
    start_ann = _start(heard["client Ann"]) + offset
    assert abs(start_ann - _start(heard["mix"])) <= RATE_HZ // 10
    kinds = [(e["type"], e["payload"].get("on")) for e in events["events"]]
    assert ("recording", True) in kinds
    assert ("recording", False) in kinds
    began = next(e for e in events["events"] if e["payload"].get("on") is True)
    assert abs(began["session_ms"] - found["mix"]["session_ms"]) < 1_000


def _start(pcm: np.ndarray) -> int:
    return int(np.flatnonzero(np.abs(pcm.astype(int)) > 2_000)[0])


async def test_a_session_that_ends_while_it_is_recorded_has_complete_files(
    fake: FakeModel, tmp_path: Path
) -> None:
    settings = settings_for(fake.url, data_dir=tmp_path / "data", session_grace_s=0.5)
    async with running_bridge(settings) as bridge:
        session_id = await bridge.open(conversation_id="cut", system_prompt="tag-cut")
        async with browser(bridge.http, session_id, name="Ann") as ann:
            await _switch(bridge, session_id, True)
            await ann.speak(tone(440, 1))
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
        await eventually(lambda: _is_up(bridge), timeout_s=20)
        session_id = await bridge.open(conversation_id="died", system_prompt="tag-die")
        async with browser(bridge.http, session_id, name="Ann") as ann:
            await _switch(bridge, session_id, True)
            await ann.speak(tone(440, 3))
            [worker] = (await bridge.health())["workers"]
            os.kill(worker["pid"], signal.SIGKILL)

            async def is_marked() -> bool:
                found = await _recordings(bridge, "died")
                return {r["state"] for r in found.values()} == {"interrupted"}

            await eventually(is_marked, timeout_s=10)
        found = await _recordings(bridge, "died")
        answer = await bridge.http.get(f"/api/recordings/{found['client Ann']['id']}")
        path = tmp_path / "ann.ogg"
        path.write_bytes(answer.content)
    heard = read(path)
    assert 1.0 <= heard.size / RATE_HZ <= 3.5, "all but the last second or so"
    assert pitch_hz(talking(heard)) == pytest.approx(440, rel=0.01)

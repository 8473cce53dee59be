"""The fake's own API: look into a call, steer it, force faults."""

import base64
import io
import json
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from fake_openai import utterances
from fake_openai.app import RunningFake, running_fake
from tests.support.realtime_caller import BEARER, BRIEF, WAIT_S, calling

SESSION = {"type": "realtime", "instructions": "Be a test. <tag:4711>"}


@pytest.fixture
async def fake() -> AsyncIterator[RunningFake]:
    async with running_fake(scenario=BRIEF) as running:
        yield running


async def get(fake: RunningFake, path: str) -> Any:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{fake.url}/fake/v1{path}") as response,
    ):
        assert response.status == 200, await response.text()
        if response.content_type == "application/json":
            return await response.json()
        return await response.read()


async def post(fake: RunningFake, path: str, body: Any) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{fake.url}/fake/v1{path}", json=body) as response,
    ):
        return response.status, await response.json()


async def test_health_says_whether_the_fake_kept_time(fake: RunningFake) -> None:
    health = await get(fake, "/health")

    assert health["status"] == "ok"
    assert set(health["lateness_ms"]) == {"p50", "p95", "p99", "max"}
    assert health["late"] is False
    assert health["calls"] == 0
    assert health["cpu_s"] > 0


async def test_a_call_is_found_by_a_tag_in_its_instructions(fake: RunningFake) -> None:
    async with calling(fake.base_url, session=SESSION) as call, calling(fake.base_url):
        (found,) = await get(fake, "/calls?tag=%3Ctag%3A4711%3E")
        both = await get(fake, "/calls")

    assert found["call_id"] == call.call_id
    assert found["transport"] == "webrtc"
    assert found["session_id"].startswith("sess_")
    assert both[0]["call_id"] == call.call_id


async def test_the_record_has_events_and_audio_on_one_clock(fake: RunningFake) -> None:
    async with calling(fake.base_url, session=SESSION) as call:
        call.microphone.say(utterances.load("hello").pcm)
        await call.until("output_audio_buffer.stopped")
        base = f"/calls/{call.call_id}"
        events = await get(fake, f"{base}/events")
        timeline = await get(fake, f"{base}/timeline")
        wav = await get(fake, f"{base}/audio/output.wav")
        heard = await get(fake, f"{base}/audio/input.wav")

    assert [e["event"]["type"] for e in events] == call.types
    assert timeline["clock"] == "CLOCK_MONOTONIC"
    for side, data in (("input", heard), ("output", wav)):
        anchors = np.array(timeline[side]["anchors"])
        steps = np.diff(anchors[:, 0])
        assert (steps == 480).all()
        assert np.diff(anchors[:, 1]).min() >= 0
        with wave.open(io.BytesIO(data)) as file:
            assert file.getframerate() == 24_000
            assert file.getnframes() >= anchors[-1][0]
    for spell in timeline["late"]:
        assert spell["began_s"] <= spell["ended_s"]
        assert spell["worst_ms"] > 10
    user, response = timeline["turns"]
    assert user["speech_started_s"] < user["speech_stopped_s"]
    assert user["committed_s"] <= response["response_created_s"]
    assert response["response_created_s"] < response["output_started_s"]
    assert response["status"] == "completed"
    assert response["said"] == "Yes."


async def test_a_timeline_tells_when_the_fake_was_late(fake: RunningFake) -> None:
    meter = fake.server.ticker.meter
    meter.add(0.3, left_s=time.monotonic() - 600)  # long before the call
    async with calling(fake.base_url) as call:
        now_s = time.monotonic()
        meter.add(0.3, left_s=now_s)  # a frame of some call, that long after its time
        timeline = await get(fake, f"/calls/{call.call_id}/timeline")

    told = timeline["late"]
    assert any(s["worst_ms"] >= 299 and s["ended_s"] >= now_s - 0.1 for s in told)
    assert all(s["ended_s"] > now_s - 300 for s in told)


async def test_an_injected_event_reaches_the_client(fake: RunningFake) -> None:
    async with calling(fake.base_url) as call:
        path = f"/calls/{call.call_id}/inject"
        status, _ = await post(fake, path, {"event": {"type": "made.up", "n": 1}})
        event = await call.until("made.up")

        assert status == 200
        assert event["n"] == 1
        assert event["event_id"].startswith("event_")
        assert (await post(fake, path, {"event": "no"}))[0] == 400


async def test_a_fault_forced_in_a_running_call_strikes(fake: RunningFake) -> None:
    async with calling(fake.base_url) as call:
        path = f"/calls/{call.call_id}/fault"
        await post(fake, path, {"at": "response", "do": "fail"})
        call.send({"type": "response.create"})
        done = await call.until("response.done")

    assert done["response"]["status"] == "failed"


async def test_a_fault_in_a_call_that_is_over_is_refused(fake: RunningFake) -> None:
    async with calling(fake.base_url) as call:
        path = f"/calls/{call.call_id}"
        async with (
            aiohttp.ClientSession() as http,
            http.delete(f"{fake.url}/fake/v1{path}") as response,
        ):
            assert response.status == 200
        fault = {"at": "session", "do": "expire"}
        status, body = await post(fake, f"{path}/fault", fault)

    assert (status, body["error"]["code"]) == (409, "call_not_live")


async def test_a_fault_that_cannot_be_is_refused_with_the_reason(
    fake: RunningFake,
) -> None:
    status, body = await post(fake, "/faults", {"at": "ice", "do": "explode"})

    assert status == 400
    assert "cannot 'explode'" in body["error"]["message"]


async def test_global_faults_strike_in_calls_to_come_until_a_reset(
    fake: RunningFake,
) -> None:
    await post(fake, "/faults", {"at": "response", "do": "fail"})
    async with calling(fake.base_url) as call:
        call.send({"type": "response.create"})
        failed = await call.until("response.done")
    await post(fake, "/reset", {})
    async with calling(fake.base_url) as call:
        call.send({"type": "response.create"})
        fine = await call.until("response.done")

    assert failed["response"]["status"] == "failed"
    assert fine["response"]["status"] == "completed"


async def test_deleting_a_call_hangs_up_on_the_client(fake: RunningFake) -> None:
    async with calling(fake.base_url) as call:
        async with (
            aiohttp.ClientSession() as http,
            http.delete(f"{fake.url}/fake/v1/calls/{call.call_id}") as response,
        ):
            assert response.status == 200
        await call.until(lambda: call.channel.readyState == "closed")
        detail = await get(fake, f"/calls/{call.call_id}")

    assert detail["state"] == "ended"
    assert detail["end_reason"] == "control_api"


async def test_a_reset_forgets_every_call(fake: RunningFake) -> None:
    async with calling(fake.base_url) as call:
        await post(fake, "/reset", {})
        await call.until(lambda: call.channel.readyState == "closed")

        assert await get(fake, "/calls") == []


async def test_an_unknown_call_is_404(fake: RunningFake) -> None:
    status, body = await post(fake, "/calls/rtc_x/inject", {})

    assert status == 404
    assert body["error"]["code"] == "call_id_not_found"


async def test_a_websocket_call_is_recorded_as_well(fake: RunningFake) -> None:
    pcm = utterances.load("hello").pcm
    audio = base64.b64encode(pcm.tobytes()).decode()
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(
            f"{fake.ws_url}?model=gpt-realtime",
            headers=BEARER,
        ) as socket,
    ):
        await socket.send_json({"type": "input_audio_buffer.append", "audio": audio})
        await socket.send_json({"type": "response.create"})
        while (await socket.receive_json(timeout=WAIT_S))["type"] != "response.done":
            pass

    (call,) = fake.server.calls.values()
    assert np.array_equal(call.recorder.input.pcm(), pcm)
    assert np.abs(call.recorder.output.pcm()).max() > 2_000


async def test_finished_calls_are_written_to_a_directory(tmp_path: Path) -> None:
    async with (
        running_fake(record_dir=tmp_path, scenario=BRIEF) as fake,
        calling(fake.base_url, session=SESSION) as call,
    ):
        call.send({"type": "response.create"})
        await call.until("output_audio_buffer.stopped")

    place = tmp_path / call.call_id
    events = [
        json.loads(line) for line in (place / "events.jsonl").read_text().splitlines()
    ]
    assert [e["event"]["type"] for e in events if e["direction"] == "out"] == call.types
    assert json.loads((place / "call.json").read_text())["transport"] == "webrtc"
    assert json.loads((place / "timeline.json").read_text())["turns"]
    with wave.open(str(place / "output.wav")) as file:
        assert file.getnframes() > 4_800
    assert (place / "input.wav").exists()

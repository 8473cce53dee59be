"""The WebSocket transport: upgrade, authorisation, refusals, sideband, faults."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from fake_openai import utterances
from fake_openai.app import RunningFake, running_fake
from fake_openai.faults import Fault
from tests.support.realtime_caller import WAIT_S, calling
from tests.support.waiting import eventually

KEY = {"Authorization": "Bearer sk-test"}
MODEL = "gpt-realtime-2.1"
Socket = aiohttp.ClientWebSocketResponse


@pytest.fixture
async def fake() -> AsyncIterator[RunningFake]:
    async with running_fake() as running:
        yield running


@asynccontextmanager
async def connected(
    fake: RunningFake, query: str, **options: Any
) -> AsyncIterator[Socket]:
    options.setdefault("headers", KEY)
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{fake.ws_url}{query}", max_msg_size=0, **options) as socket,
    ):
        yield socket


async def until(socket: Socket, wanted: str) -> list[dict[str, Any]]:
    """Events up to and with the first of a type."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] != wanted:
        events.append(await socket.receive_json(timeout=WAIT_S))
    return events


def spoken(utterance_id: str) -> list[dict[str, Any]]:
    """A recording and a second of silence, as 100 ms appends."""
    pcm = utterances.load(utterance_id).pcm.tobytes() + bytes(48_000)
    return [
        {
            "type": "input_audio_buffer.append",
            "audio": base64.b64encode(pcm[i : i + 4_800]).decode(),
        }
        for i in range(0, len(pcm), 4_800)
    ]


async def test_a_spoken_turn_is_answered_with_audio_deltas(fake: RunningFake) -> None:
    async with connected(fake, f"?model={MODEL}") as socket:
        created = await socket.receive_json(timeout=WAIT_S)
        for event in spoken("hello"):
            await socket.send_json(event)
        events = await until(socket, "response.done")

    assert created["type"] == "session.created"
    assert created["session"]["model"] == MODEL
    types = [event["type"] for event in events]
    assert types[:3] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
    ]
    deltas = [e for e in events if e["type"] == "response.output_audio.delta"]
    audio = b"".join(base64.b64decode(e["delta"]) for e in deltas)
    assert len(audio) > 48_000
    assert not any(name.startswith("output_audio_buffer") for name in types)
    assert events[-1]["response"]["status"] == "completed"


@pytest.mark.parametrize(
    ("query", "headers", "code", "close", "reason"),
    [
        (
            f"?model={MODEL}",
            {"Authorization": "Bearer sk-invalid"},
            "invalid_api_key",
            3000,
            "invalid_request_error.invalid_api_key",
        ),
        ("", KEY, "missing_model", 4000, "invalid_request_error.missing_model"),
        (
            "?model=gpt-4o",
            KEY,
            "invalid_model",
            4000,
            "invalid_request_error.invalid_model",
        ),
        (
            "?model=gpt-4o-realtime-preview",
            KEY,
            "model_not_found",
            4004,
            "invalid_request_error.model_not_found",
        ),
        (
            f"?model={MODEL}",
            {**KEY, "OpenAI-Beta": "realtime=v1"},
            "beta_api_shape_disabled",
            4000,
            "invalid_request_error.beta_api_shape_disabled",
        ),
    ],
)
async def test_a_refusal_is_one_error_event_and_a_close_code(
    fake: RunningFake,
    query: str,
    headers: dict[str, str],
    code: str,
    close: int,
    reason: str,
) -> None:
    async with connected(fake, query, headers=headers) as socket:
        error = await socket.receive_json(timeout=WAIT_S)
        end = await socket.receive(timeout=WAIT_S)

    assert error["type"] == "error"
    assert error["error"]["code"] == code
    assert error["error"]["param"] is None
    assert error["error"]["event_id"] is None
    assert (end.type, end.data, end.extra) == (aiohttp.WSMsgType.CLOSE, close, reason)


async def test_a_browser_authorises_by_subprotocol(fake: RunningFake) -> None:
    protocols = ("realtime", "openai-insecure-api-key.sk-test", "openai-agents-sdk.x")
    async with connected(
        fake, f"?model={MODEL}", headers={}, protocols=protocols
    ) as socket:
        created = await socket.receive_json(timeout=WAIT_S)

        assert socket.protocol == "realtime"
    assert created["type"] == "session.created"


async def test_a_transcription_session_needs_no_model(fake: RunningFake) -> None:
    async with connected(fake, "?intent=transcription") as socket:
        created = await socket.receive_json(timeout=WAIT_S)

    assert created["session"]["type"] == "transcription"


async def test_a_binary_frame_is_a_harmless_error(fake: RunningFake) -> None:
    async with connected(fake, f"?model={MODEL}") as socket:
        await until(socket, "session.created")
        await socket.send_bytes(b"\x00\x01")
        error = await socket.receive_json(timeout=WAIT_S)
        await socket.send_json({"type": "input_audio_buffer.clear"})
        cleared = await socket.receive_json(timeout=WAIT_S)

    assert error["error"]["message"].startswith("Expected a text WebSocket message")
    assert cleared["type"] == "input_audio_buffer.cleared"


async def test_the_server_pings(
    fake: RunningFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fake_openai.websocket.PING_S", 0.1)
    async with connected(fake, f"?model={MODEL}", autoping=False) as socket:
        await until(socket, "session.created")
        ping = await socket.receive(timeout=WAIT_S)

    assert ping.type is aiohttp.WSMsgType.PING


async def test_an_unknown_call_id_fails_the_upgrade_with_404(fake: RunningFake) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with connected(fake, "?call_id=rtc_nobody"):
            pass

    assert refused.value.status == 404


async def test_a_sideband_sees_and_steers_a_webrtc_call(fake: RunningFake) -> None:
    """The sideband updates the session and asks for a response; the caller hears it."""
    async with (
        calling(fake.base_url) as call,
        connected(fake, f"?call_id={call.call_id}") as sideband,
    ):
        greeting = await sideband.receive_json(timeout=WAIT_S)
        update = {"type": "realtime", "instructions": "Steered."}
        await sideband.send_json({"type": "session.update", "session": update})
        await sideband.send_json({"type": "response.create"})
        seen = await until(sideband, "output_audio_buffer.started")
        await call.until("output_audio_buffer.started")
        await call.until("session.updated")

        assert greeting["type"] == "session.created"
        assert greeting["session"]["id"] == call.events[0]["session"]["id"]
        assert fake.server.calls[call.call_id].config["instructions"] == "Steered."
    assert "response.output_audio.delta" not in [event["type"] for event in seen]


async def test_a_client_event_of_the_call_is_answered_on_the_sideband_too(
    fake: RunningFake,
) -> None:
    async with (
        calling(fake.base_url) as call,
        connected(fake, f"?call_id={call.call_id}") as sideband,
    ):
        await until(sideband, "session.created")
        call.send({"type": "input_audio_buffer.clear"})

        assert (await sideband.receive_json(timeout=WAIT_S))["type"] == (
            "input_audio_buffer.cleared"
        )


async def test_an_error_goes_only_to_the_connection_that_caused_it(
    fake: RunningFake,
) -> None:
    async with (
        calling(fake.base_url) as call,
        connected(fake, f"?call_id={call.call_id}") as sideband,
    ):
        await until(sideband, "session.created")
        await sideband.send_json({"type": "response.cancel", "event_id": "mine"})
        error = await sideband.receive_json(timeout=WAIT_S)
        call.send({"type": "input_audio_buffer.clear"})
        await call.until("input_audio_buffer.cleared")

        assert error["error"]["event_id"] == "mine"
        assert "error" not in call.types


async def test_hanging_up_closes_the_sideband(fake: RunningFake) -> None:
    async with (
        calling(fake.base_url) as call,
        connected(fake, f"?call_id={call.call_id}") as sideband,
    ):
        await until(sideband, "session.created")
        fake.server.calls[call.call_id].end("hangup")
        end = await sideband.receive(timeout=WAIT_S)

    assert end.type is aiohttp.WSMsgType.CLOSE


async def test_the_clients_close_ends_the_call(fake: RunningFake) -> None:
    async with connected(fake, f"?model={MODEL}") as socket:
        await until(socket, "session.created")
    (call,) = fake.server.calls.values()
    await eventually(lambda: call.state == "ended", timeout_s=WAIT_S)

    assert call.end_reason == "client_closed_1000"


async def test_expiry_is_an_error_then_close_1001() -> None:
    fault = Fault(at="session", do="expire", after_s=0.25)
    async with (
        running_fake(faults=(fault,)) as fake,
        connected(fake, f"?model={MODEL}") as socket,
    ):
        events = await until(socket, "error")
        end = await socket.receive(timeout=WAIT_S)

    assert events[-1]["error"]["code"] == "session_expired"
    assert end.data == 1001
    assert end.extra == "Your session hit the maximum duration of 60 minutes."


async def test_a_disconnect_in_mid_response_has_no_close_frame() -> None:
    fault = Fault(at="response", do="disconnect")
    async with (
        running_fake(faults=(fault,)) as fake,
        connected(fake, f"?model={MODEL}") as socket,
    ):
        await socket.send_json({"type": "response.create"})
        while (message := await socket.receive(timeout=WAIT_S)).type in {
            aiohttp.WSMsgType.TEXT
        }:
            pass

        assert socket.close_code == 1006
    assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}


@pytest.mark.parametrize(
    ("do", "sees"),
    [
        ("malformed", "text that is not JSON"),
        ("duplicate", "the same event twice"),
        ("unknown", "a type it has never heard of"),
        ("oversized", "a message of megabytes"),
        ("drop", "no answer"),
    ],
)
async def test_events_go_wrong_on_the_wire(do: str, sees: str) -> None:
    fault = Fault.model_validate(
        {
            "at": "events.output",
            "do": do,
            "event": "input_audio_buffer.cleared",
            "n_bytes": 2_000_000,
        }
    )
    async with (
        running_fake(faults=(fault,)) as fake,
        connected(fake, f"?model={MODEL}") as socket,
    ):
        await until(socket, "session.created")
        await socket.send_json({"type": "input_audio_buffer.clear"})
        await socket.send_json({"type": "response.cancel"})
        texts = []
        while not texts or '"response_cancel_not_active"' not in texts[-1]:
            texts.append(await socket.receive_str(timeout=WAIT_S))

    assert _what(texts[:-1]) == sees


def _what(texts: list[str]) -> str:
    if not texts:
        return "no answer"
    if len(texts[0]) > 1_990_000:
        return "a message of megabytes"
    try:
        events = [json.loads(text) for text in texts]
    except ValueError:
        return "text that is not JSON"
    if len(events) == 2 and events[0] == events[1]:
        return "the same event twice"
    known = {event["type"] for event in events} == {"input_audio_buffer.cleared"}
    return "nothing wrong" if known else "a type it has never heard of"


async def test_a_refused_upgrade_is_an_http_status() -> None:
    fault = Fault(at="ws.connect", do="status", status=503)
    async with running_fake(faults=(fault,)) as fake:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with connected(fake, f"?model={MODEL}"):
                pass

    assert refused.value.status == 503


async def test_a_forced_in_band_error_closes_1011() -> None:
    fault = Fault(at="ws.connect", do="error", code="insufficient_quota")
    async with (
        running_fake(faults=(fault,)) as fake,
        connected(fake, f"?model={MODEL}") as socket,
    ):
        error = await socket.receive_json(timeout=WAIT_S)
        end = await socket.receive(timeout=WAIT_S)

    assert error["error"]["code"] == "insufficient_quota"
    assert end.data == 1011


async def test_a_client_that_never_reads_is_dropped(
    fake: RunningFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fake_openai.socket_connection.MAX_QUEUED_BYTES", 2_000_000)
    async with connected(fake, f"?model={MODEL}") as socket:
        await until(socket, "session.created")
        (call,) = fake.server.live_calls
        for _ in range(400):
            call.inject({"type": "filler", "text": "x" * 10_000})
        async with asyncio.timeout(WAIT_S):
            while not socket.closed:
                await socket.receive()

    assert call.state == "ended"


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"do": "delay", "ms": 300}, "late"),
        ({"do": "hang"}, "nothing"),
        ({"do": "disconnect"}, "reset"),
    ],
)
async def test_an_upgrade_is_late_or_never_comes(
    fault: dict[str, Any], outcome: str
) -> None:
    armed = Fault.model_validate({"at": "ws.connect", **fault})
    async with running_fake(faults=(armed,)) as fake:
        started = time.monotonic()
        limit_s = 0.5 if outcome == "nothing" else WAIT_S
        try:
            async with (
                asyncio.timeout(limit_s),
                connected(fake, f"?model={MODEL}") as socket,
            ):
                await until(socket, "session.created")
            seen = "late" if time.monotonic() - started > 0.29 else "at once"
        except TimeoutError:
            seen = "nothing"
        except aiohttp.ClientError:
            seen = "reset"

    assert seen == outcome


async def test_two_events_swapped_on_the_wire() -> None:
    fault = Fault(at="events.output", do="reorder", event="session.updated", times=1)
    async with (
        running_fake(faults=(fault,)) as fake,
        connected(fake, f"?model={MODEL}") as socket,
    ):
        await until(socket, "session.created")
        update = {"type": "session.update", "session": {"type": "realtime"}}
        await socket.send_json(update)
        await socket.send_json({"type": "input_audio_buffer.clear"})
        types = [(await socket.receive_json(timeout=WAIT_S))["type"] for _ in range(2)]

    assert types == ["input_audio_buffer.cleared", "session.updated"]


async def test_an_event_that_is_late_on_the_wire() -> None:
    name = "input_audio_buffer.cleared"
    fault = Fault(at="events.output", do="delay", event=name, ms=300, times=1)
    async with (
        running_fake(faults=(fault,)) as fake,
        connected(fake, f"?model={MODEL}") as socket,
    ):
        await until(socket, "session.created")
        started = time.monotonic()
        await socket.send_json({"type": "input_audio_buffer.clear"})
        await until(socket, name)

    assert time.monotonic() - started > 0.29

"""The WebSocket transport: upgrade, authorisation, refusals, pings, the end."""

import asyncio
import base64
from typing import Any

import aiohttp
import pytest

from fake_openai import utterances
from fake_openai.app import RunningFake
from tests.support.realtime_caller import BEARER, WAIT_S
from tests.support.realtime_socket import MODEL, connected, until
from tests.support.waiting import eventually


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
        ("", BEARER, "missing_model", 4000, "invalid_request_error.missing_model"),
        (
            "?model=gpt-4o",
            BEARER,
            "invalid_model",
            4000,
            "invalid_request_error.invalid_model",
        ),
        (
            "?model=gpt-4o-realtime-preview",
            BEARER,
            "model_not_found",
            4004,
            "invalid_request_error.model_not_found",
        ),
        (
            f"?model={MODEL}",
            {**BEARER, "OpenAI-Beta": "realtime=v1"},
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


async def test_the_clients_close_ends_the_call(fake: RunningFake) -> None:
    async with connected(fake, f"?model={MODEL}") as socket:
        await until(socket, "session.created")
    (call,) = fake.server.calls.values()
    await eventually(lambda: call.state == "ended", timeout_s=WAIT_S)

    assert call.end_reason == "client_closed_1000"


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

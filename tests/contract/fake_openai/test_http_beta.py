"""With `beta=True` the retired API answers as it used to."""

from typing import Any

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from openai.types.beta.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from fake_openai.app import running_fake
from fake_openai.beta_shape import event_to_beta, event_to_today, session_to_today
from fake_openai.ice import LOOPBACK, address_policy
from tests.support.realtime_caller import BEARER, WAIT_S, Caller, Microphone

BETA_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
HELLO = {
    "type": "conversation.item.create",
    "item": {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "hello"}],
    },
}


async def test_a_beta_websocket_speaks_the_beta_shape() -> None:
    """Every event is one of the SDK's beta types, and none of today's names appears."""
    async with (
        running_fake(beta=True) as fake,
        aiohttp.ClientSession() as http,
        http.ws_connect(
            f"{fake.ws_url}?model=gpt-realtime",
            headers={**BEARER, "OpenAI-Beta": "realtime=v1"},
            max_msg_size=0,
        ) as socket,
    ):
        created = await socket.receive_json(timeout=WAIT_S)
        session = {"voice": "verse", "modalities": ["text", "audio"], "temperature": 1}
        await socket.send_json({"type": "session.update", "session": session})
        updated = await socket.receive_json(timeout=WAIT_S)
        await socket.send_json(HELLO)
        response = {"modalities": ["audio", "text"], "voice": "verse"}
        await socket.send_json({"type": "response.create", "response": response})
        events = [created, updated]
        while events[-1]["type"] != "response.done":
            events.append(await socket.receive_json(timeout=WAIT_S))

    types = {event["type"] for event in events}
    assert {"conversation.item.created", "response.audio.delta"} <= types
    assert {"response.audio_transcript.done", "response.audio.done"} <= types
    assert not any("output_" in name and "output_item" not in name for name in types)
    assert "conversation.item.added" not in types
    assert updated["session"]["voice"] == "verse"
    assert updated["session"]["modalities"] == ["audio", "text"]
    assert updated["session"]["input_audio_format"] == "pcm16"
    for event in events:
        BETA_EVENT.validate_python(event)


async def test_a_beta_browser_mints_a_session_and_calls() -> None:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    microphone = Microphone()
    pc.addTrack(microphone)
    caller = Caller(pc, microphone)
    with address_policy(LOOPBACK):
        await pc.setLocalDescription(await pc.createOffer())
    async with running_fake(beta=True) as fake, aiohttp.ClientSession() as http:
        async with http.post(
            f"{fake.base_url}/realtime/sessions",
            json={"model": "gpt-realtime", "voice": "ash"},
            headers=BEARER,
        ) as response:
            minted = await response.json()
        async with http.post(
            f"{fake.base_url}/realtime?model=gpt-realtime",
            data=pc.localDescription.sdp,
            headers={
                "Authorization": f"Bearer {minted['client_secret']['value']}",
                "Content-Type": "application/sdp",
            },
        ) as response:
            answer = RTCSessionDescription(await response.text(), "answer")
        await pc.setRemoteDescription(answer)
        created = await caller.until("session.created")
        caller.send(HELLO)
        await caller.until("conversation.item.created")
        await caller.hang_up()

    assert minted["voice"] == "ash"
    assert response.status == 201
    assert created["session"]["voice"] == "ash"
    assert created["session"]["id"] == minted["id"]


def test_a_flat_session_becomes_a_nested_one() -> None:
    flat = {
        "modalities": ["text"],
        "input_audio_format": "g711_ulaw",
        "turn_detection": None,
        "max_response_output_tokens": 50,
        "temperature": 0.7,
        "instructions": "Hi",
    }

    assert session_to_today(flat) == {
        "type": "realtime",
        "output_modalities": ["text"],
        "max_output_tokens": 50,
        "instructions": "Hi",
        "audio": {
            "input": {"turn_detection": None, "format": {"type": "audio/pcmu"}},
        },
    }


@pytest.mark.parametrize("event", [{}, {"type": 7}, {"type": "session.update"}])
def test_odd_events_are_left_to_the_session(event: dict[str, Any]) -> None:
    assert event_to_today(dict(event)).get("type") == event.get("type")


def test_events_the_beta_did_not_have_are_not_sent() -> None:
    assert event_to_beta({"type": "conversation.item.done", "item": {}}) is None

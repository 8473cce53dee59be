"""openai-python against the fake: barge-in, and a WebRTC call steered by a sideband.

The rest of it (turn, errors, secrets, hang-up, cascade) is in
tests/integration/fake_openai/test_openai_sdk.py.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from fake_openai import utterances
from fake_openai.ice import LOOPBACK, address_policy
from fake_openai.threaded import ThreadedFake
from tests.clients.utterance_audio import chunks, duration_ms, spoken
from tests.support.realtime_caller import Caller, Microphone

MODEL = "gpt-realtime-2.1"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@asynccontextmanager
async def sdk(fake: ThreadedFake) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=fake.base_url, api_key=fake.api_key, max_retries=0
    ) as client:
        yield client
    fake.call.assert_no_errors()


async def say(connection: AsyncRealtimeConnection, utterance_id: str) -> None:
    for chunk in chunks(spoken(utterance_id)):
        await connection.input_audio_buffer.append(
            audio=base64.b64encode(chunk).decode()
        )


async def answer_tools(connection: AsyncRealtimeConnection) -> str:
    """Run every call with one result until something is said; returns what."""
    called = False
    async for event in connection:
        if event.type == "response.function_call_arguments.done":
            called = True
            city = json.loads(event.arguments)["city"]
            await connection.conversation.item.create(
                item={
                    "type": "function_call_output",
                    "call_id": event.call_id,
                    "output": json.dumps({"temperature": -7, "sky": f"{city} snow"}),
                }
            )
        elif event.type == "response.output_audio_transcript.done":
            return event.transcript
        elif event.type == "response.done" and called:
            await connection.response.create()
    raise AssertionError("closed before anything was said")


async def until(connection: AsyncRealtimeConnection, kind: str) -> Any:
    """Read up to the next event of a type."""
    while (event := await connection.recv()).type != kind:
        pass
    return event


async def listen(connection: AsyncRealtimeConnection, for_ms: int) -> str:
    """Hear so much of the answer; returns its item's id."""
    audio = b""
    while duration_ms(audio) < for_ms:
        delta = await until(connection, "response.output_audio.delta")
        audio += base64.b64decode(delta.delta)
    return str(delta.item_id)


@pytest.mark.fake_openai(scenario="tools")
async def test_a_tools_result_is_in_the_answer(fake_openai: ThreadedFake) -> None:
    async with (
        sdk(fake_openai) as client,
        client.realtime.connect(model=MODEL) as connection,
    ):
        await connection.session.update(
            session={"type": "realtime", "tools": [WEATHER]}
        )
        await say(connection, "weather_oslo")
        said = await answer_tools(connection)

    assert said == "It is -7 degrees and Oslo snow."


@pytest.mark.fake_openai(scenario="story")
async def test_a_barge_in_over_the_websocket_is_truncated_by_the_client(
    fake_openai: ThreadedFake,
) -> None:
    async with (
        sdk(fake_openai) as client,
        client.realtime.connect(model=MODEL) as connection,
    ):
        await say(connection, "tell_story")
        story_id = await listen(connection, for_ms=1_000)
        await say(connection, "stop")
        await until(connection, "input_audio_buffer.speech_started")
        await connection.conversation.item.truncate(
            item_id=story_id, content_index=0, audio_end_ms=700
        )
        truncated = await until(connection, "conversation.item.truncated")
        answer = await until(connection, "response.done")

    assert (truncated.item_id, truncated.audio_end_ms) == (story_id, 700)
    assert answer.response.status == "completed"
    assert (
        answer.response.output[0].content[0].transcript == "Go ahead, I am listening."
    )
    fake_openai.call.assert_sent(
        "response.done",
        response={"status": "cancelled", "status_details": {"reason": "turn_detected"}},
    )


@asynccontextmanager
async def calling(client: AsyncOpenAI) -> AsyncIterator[Caller]:
    """A WebRTC call made with `realtime.calls.create`."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    microphone = Microphone()
    pc.addTrack(microphone)
    caller = Caller(pc, microphone)
    try:
        with address_policy(LOOPBACK):
            await pc.setLocalDescription(await pc.createOffer())
        answer = await client.realtime.calls.create(
            sdp=pc.localDescription.sdp, session={"type": "realtime"}
        )
        caller.call_id = answer.response.headers["Location"].rpartition("/")[2]
        await pc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        await caller.until("session.created")
        yield caller
    finally:
        await caller.hang_up()


def loudest(caller: Caller) -> int:
    return int(np.abs(caller.heard.astype(int)).max(initial=0))


@pytest.mark.fake_openai(scenario="tools")
async def test_a_sideband_answers_the_tool_calls_of_a_spoken_webrtc_call(
    fake_openai: ThreadedFake,
) -> None:
    async with sdk(fake_openai) as client, calling(client) as caller:
        async with client.realtime.connect(
            extra_query={"call_id": caller.call_id}
        ) as sideband:
            await sideband.session.update(
                session={"type": "realtime", "tools": [WEATHER]}
            )
            await caller.until("session.updated")
            caller.microphone.say(utterances.load("weather_oslo").pcm)
            said = await answer_tools(sideband)
        await caller.until(lambda: loudest(caller) > 2_000)

    assert said == "It is -7 degrees and Oslo snow."


@pytest.mark.fake_openai(scenario="story")
async def test_a_barge_in_on_a_webrtc_call_is_truncated_by_the_service(
    fake_openai: ThreadedFake,
) -> None:
    async with sdk(fake_openai) as client, calling(client) as caller:
        caller.microphone.say(utterances.load("tell_story").pcm)
        await caller.until("output_audio_buffer.started")
        caller.microphone.say(utterances.load("stop").pcm)
        await caller.until("conversation.item.truncated")
        await caller.until("output_audio_buffer.started", count=2)

    types = caller.types
    assert types.index("output_audio_buffer.cleared") < types.index(
        "conversation.item.truncated"
    )
    assert "conversation.item.truncate" not in {
        event["type"] for event in fake_openai.call.received
    }

"""OpenAI's own Python SDK against the fake: only the URL is changed."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import numpy as np
import openai
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from openai import AsyncOpenAI
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from fake_openai import utterances
from fake_openai.app import RunningFake, running_fake
from fake_openai.ice import LOOPBACK, address_policy
from tests.support.realtime_caller import Caller, Microphone

MODEL = "gpt-realtime-2.1"
WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"text": {"type": "string"}}},
}
EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


@pytest.fixture
async def fake() -> AsyncIterator[RunningFake]:
    async with running_fake() as running:
        yield running


@pytest.fixture
async def client(fake: RunningFake) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=fake.base_url, api_key="sk-test", max_retries=0
    ) as made:
        yield made


async def append(connection: Any, utterance_id: str) -> None:
    """Speak a recording into the input buffer, then 0.6 s of silence."""
    pcm = utterances.load(utterance_id).pcm.tobytes() + bytes(28_800)
    for start in range(0, len(pcm), 9_600):
        chunk = base64.b64encode(pcm[start : start + 9_600]).decode()
        await connection.input_audio_buffer.append(audio=chunk)


async def test_a_spoken_turn_over_the_sdks_websocket(client: AsyncOpenAI) -> None:
    audio, transcript, types = b"", "", []
    async with client.realtime.connect(model=MODEL) as connection:
        await connection.session.update(
            session={
                "type": "realtime",
                "audio": {"input": {"transcription": {"model": "whisper-1"}}},
            }
        )
        await append(connection, "tell_joke")
        async for event in connection:
            EVENT.validate_python(event.model_dump(exclude_unset=True))
            types.append(event.type)
            if event.type == "response.output_audio.delta":
                audio += base64.b64decode(event.delta)
            if event.type == "response.output_audio_transcript.done":
                transcript = event.transcript
            if event.type == "response.done":
                break

    assert types[:2] == ["session.created", "session.updated"]
    assert "joke about packets" in transcript
    assert np.abs(np.frombuffer(audio, dtype="<i2")).max() > 2_000


async def test_a_function_call_and_its_answer(client: AsyncOpenAI) -> None:
    said = ""
    async with client.realtime.connect(model=MODEL) as connection:
        await connection.session.update(
            session=cast(Any, {"type": "realtime", "tools": [WEATHER]})
        )
        await append(connection, "weather_oslo")
        async for event in connection:
            if event.type == "response.function_call_arguments.done":
                assert json.loads(event.arguments)["text"].startswith("What is")
                await connection.conversation.item.create(
                    item={
                        "type": "function_call_output",
                        "call_id": event.call_id,
                        "output": json.dumps({"temperature": 4}),
                    }
                )
            if event.type == "response.done" and not said:
                kinds = [item.type for item in event.response.output or []]
                if "function_call" in kinds:
                    await connection.response.create()
                    continue
                said = str(event.response.output)
                break

    assert said


async def test_a_wrong_key_is_an_error_event_and_close_3000(fake: RunningFake) -> None:
    from websockets.exceptions import ConnectionClosedError

    async with (
        AsyncOpenAI(base_url=fake.base_url, api_key="sk-invalid") as client,
        client.realtime.connect(model=MODEL) as connection,
    ):
        error = await connection.recv()
        with pytest.raises(ConnectionClosedError) as closed:
            await connection.recv()

    assert error.type == "error"
    assert error.error.code == "invalid_api_key"
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 3000


async def test_calls_create_answers_an_offer_and_hangup_ends_the_call(
    client: AsyncOpenAI, fake: RunningFake
) -> None:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    microphone = Microphone()
    pc.addTrack(microphone)
    caller = Caller(pc, microphone)
    with address_policy(LOOPBACK):
        await pc.setLocalDescription(await pc.createOffer())
    try:
        answer = await client.realtime.calls.create(
            sdp=pc.localDescription.sdp,
            session={"type": "realtime", "instructions": "By the SDK."},
        )
        call_id = answer.response.headers["Location"].rpartition("/")[2]
        await pc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        created = await caller.until("session.created")
        async with client.realtime.connect(
            extra_query={"call_id": call_id}
        ) as sideband:
            greeting = await sideband.recv()
        await client.realtime.calls.hangup(call_id)
        await caller.until(lambda: caller.channel.readyState == "closed")
    finally:
        await caller.hang_up()

    assert created["session"]["instructions"] == "By the SDK."
    assert greeting.type == "session.created"
    assert fake.server.calls[call_id].end_reason == "hangup"


async def test_client_secrets_are_the_sdks_type(client: AsyncOpenAI) -> None:
    secret = await client.realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 30},
        session={"type": "realtime", "model": MODEL},
    )

    assert secret.value.startswith("ek_")
    assert secret.session.type == "realtime"
    assert secret.session.model == MODEL


async def test_http_errors_are_the_sdks_exceptions(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.realtime.calls.create(sdp="nonsense")
    with pytest.raises(openai.NotFoundError) as missing:
        await client.realtime.calls.hangup("rtc_nobody")

    assert refused.value.code == "invalid_offer"
    assert missing.value.code == "call_id_not_found"


async def test_chat_streams_the_scenarios_answer(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "ask the team to list the files"}],
        stream=True,
        stream_options={"include_usage": True},
    )

    text, usage = "", None
    async for chunk in stream:
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
        usage = chunk.usage or usage
    assert text
    assert usage is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


async def test_chat_calls_an_offered_tool_and_talks_about_its_result(
    client: AsyncOpenAI,
) -> None:
    function = {k: v for k, v in WEATHER.items() if k != "type"}
    function["name"] = "send_to_nested"
    tools: Any = [{"type": "function", "function": function}]
    messages: list[Any] = [{"role": "user", "content": "ask the team to count"}]

    first = await client.chat.completions.create(
        model="gpt-4o-mini", messages=messages, tools=tools
    )
    (call,) = first.choices[0].message.tool_calls or []
    messages += [
        first.choices[0].message.model_dump(exclude_none=True),
        {
            "role": "tool",
            "tool_call_id": call.id,
            "content": json.dumps({"answer": "Seven files."}),
        },
    ]
    second = await client.chat.completions.create(
        model="gpt-4o-mini", messages=messages, tools=tools
    )

    assert first.choices[0].finish_reason == "tool_calls"
    assert second.choices[0].message.content == "Seven files."


@pytest.mark.parametrize("response_format", ["mp3", "opus", "wav", "flac", "aac"])
async def test_what_speech_says_transcription_hears(
    client: AsyncOpenAI, response_format: Any
) -> None:
    question = utterances.load("weather_oslo")
    spoken = await client.audio.speech.create(
        model="gpt-4o-mini-tts",
        voice="alloy",
        input=question.text,
        response_format=response_format,
    )
    heard = await client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=(f"q.{response_format}", spoken.content)
    )

    assert heard.text == question.text


async def test_a_file_that_is_not_audio_is_a_bad_request(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Invalid file format"):
        await client.audio.transcriptions.create(
            model="whisper-1", file=("x.wav", b"nothing like audio" * 50)
        )

"""OpenAI's agents SDK against the fake: a tool, then an interruption."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from fake_openai import utterances
from fake_openai.app import running_fake

agents = pytest.importorskip("agents")
realtime = pytest.importorskip("agents.realtime")


def pcm(utterance_id: str) -> bytes:
    """A recording and a second of silence."""
    silence = np.zeros(24_000, dtype=np.int16)
    spoken = np.concatenate((utterances.load(utterance_id).pcm, silence))
    return spoken.astype("<i2").tobytes()


@pytest.mark.timeout(60)
async def test_a_realtime_session_runs_a_tool_and_is_interrupted() -> None:
    """The SDK validates every event it gets; an invalid one would show as an error."""
    agents.set_tracing_disabled(True)
    asked: list[str] = []

    @agents.function_tool  # type: ignore[untyped-decorator, unused-ignore]
    def get_weather(text: str) -> str:
        """The weather somewhere."""
        asked.append(text)
        return json.dumps({"temperature": 4})

    seen: list[str] = []
    problems: list[Any] = []
    detection = {"type": "server_vad", "silence_duration_ms": 300}
    settings = {"model_name": "gpt-realtime", "turn_detection": detection}
    agent = realtime.RealtimeAgent(
        name="A", instructions="Be kind", tools=[get_weather]
    )
    runner = realtime.RealtimeRunner(agent, config={"model_settings": settings})
    async with running_fake() as fake:
        config = {"api_key": "sk-test", "url": f"{fake.ws_url}?model=gpt-realtime"}
        session = await runner.run(model_config=config)
        async with session, asyncio.timeout(40):

            async def say(utterance_id: str) -> None:
                data = pcm(utterance_id)
                for start in range(0, len(data), 9_600):
                    await session.send_audio(data[start : start + 9_600])

            await say("weather_oslo")
            n_audio = 0
            async for event in session:
                seen.append(event.type)
                if event.type == "error":
                    problems.append(event)
                if event.type == "audio_end" and "audio_interrupted" not in seen:
                    await say("tell_story")
                    n_audio = 0
                if event.type == "audio" and "audio_end" in seen:
                    n_audio += 1
                    if n_audio == 3:
                        await say("stop")
                if event.type == "audio_interrupted":
                    break

    assert asked == ["What is the weather in Oslo?"]
    assert "tool_end" in seen
    assert seen[-1] == "audio_interrupted"
    assert not problems

"""OpenAI's Agents SDK for Python against the fake: only the URL is changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import agents
import numpy as np
import pytest
from agents.realtime import (
    RealtimeAgent,
    RealtimePlaybackTracker,
    RealtimeRunner,
    RealtimeSession,
    RealtimeSessionEvent,
    RealtimeSessionModelSettings,
)

from fake_openai.scenario import Scenario
from fake_openai.threaded import ThreadedFake
from tests.clients.utterance_audio import chunks, duration_ms, spoken

TIMEOUT_S = 10.0
STORY = "Once upon a time a small packet left home"
ALL_AT_ONCE = Scenario.model_validate(
    {
        "timing": {"speed": 1_000, "think": 0},
        "rules": [
            {"on": {"utterance": "stop"}, "say": "Okay, I have stopped."},
            {"on": "any", "say": {"text": STORY, "duration_ms": 9_000}},
        ],
    }
)

agents.set_tracing_disabled(True)  # its spans would go to OpenAI, not to the fake


class Talk:
    """One session with everything it has told its application."""

    def __init__(
        self, session: RealtimeSession, playback: RealtimePlaybackTracker
    ) -> None:
        self.session = session
        self.playback = playback
        self.events: list[RealtimeSessionEvent] = []
        self._news = asyncio.Condition()

    async def listen(self) -> None:
        async for event in self.session:
            self.events.append(event)
            async with self._news:
                self._news.notify_all()

    async def say(self, utterance_id: str) -> None:
        for chunk in chunks(spoken(utterance_id)):
            await self.session.send_audio(chunk)

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(TIMEOUT_S), self._news:
            await self._news.wait_for(happened)

    async def answers(self, count: int) -> None:
        """Wait until the agent has ended its `count`-th response."""
        await self.until(lambda: len(self.of("agent_end")) >= count)

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.type == kind]

    @property
    def heard(self) -> bytes:
        """All audio handed to the application."""
        return b"".join(event.audio.data for event in self.of("audio"))

    @property
    def transcript(self) -> list[tuple[str, str | None]]:
        """(role, words) of every message in the SDK's own history."""
        return [
            (item.role, getattr(part, "transcript", None) or getattr(part, "text", ""))
            for item in self.session._history
            if item.type == "message"
            for part in item.content
        ]


@asynccontextmanager
async def talking(
    fake: ThreadedFake, agent: RealtimeAgent[None] | None = None, **settings: Any
) -> AsyncIterator[Talk]:
    """A session that is up; by its end nothing may have gone wrong on either side."""
    playback = RealtimePlaybackTracker()
    runner = RealtimeRunner(agent or RealtimeAgent(name="helper", instructions="Help."))
    session = await runner.run(
        model_config={
            "url": f"{fake.ws_url}?model=gpt-realtime-2.1",
            "api_key": fake.api_key,
            "playback_tracker": playback,
            "initial_model_settings": cast(RealtimeSessionModelSettings, settings),
        }
    )
    async with session:
        talk = Talk(session, playback)
        listener = asyncio.create_task(talk.listen())
        try:
            yield talk
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
    assert talk.of("error") == []
    fake.call.assert_no_errors()


@pytest.fixture(autouse=True)
def sdk_says_nothing(caplog: pytest.LogCaptureFixture) -> Any:
    """The SDK logs what it cannot validate; there must be no such thing."""
    yield
    complaints = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert [r.getMessage() for r in complaints] == []


async def test_a_spoken_turn_is_heard_answered_and_written_down(
    fake_openai: ThreadedFake,
) -> None:
    async with talking(fake_openai) as talk:
        await talk.say("tell_joke")
        await talk.answers(1)
        await talk.until(lambda: ("user", "Tell me a joke.") in talk.transcript)

    joke = "I would tell you a joke about packets, but you might not get it."
    assert talk.transcript == [("user", "Tell me a joke."), ("assistant", joke)]
    assert np.abs(np.frombuffer(talk.heard, "<i2")).max() > 2_000
    assert fake_openai.call.assistant_said == [joke]


async def test_what_the_session_asks_for_is_what_the_fake_does(
    fake_openai: ThreadedFake,
) -> None:
    agent = RealtimeAgent[None](name="poet", instructions="Speak in rhymes.")
    async with talking(fake_openai, agent) as talk:
        call = fake_openai.call
        call.wait_sent("session.updated", session={"instructions": "Speak in rhymes."})
        await talk.session.send_message("hello")
        await talk.answers(1)

    session = call.session
    assert session["audio"]["output"]["voice"] == "ash"
    assert session["audio"]["input"]["turn_detection"]["type"] == "semantic_vad"
    assert session["tracing"] == "auto"
    assert talk.transcript[0] == ("user", "hello")


@pytest.mark.fake_openai(scenario="tools")
async def test_a_function_tool_runs_and_its_result_is_spoken(
    fake_openai: ThreadedFake,
) -> None:
    asked: list[str] = []

    @agents.function_tool
    async def get_weather(city: str) -> dict[str, Any]:
        """The weather in a city."""
        asked.append(city)
        return {"temperature": -7, "sky": "snowing"}

    agent = RealtimeAgent[None](name="weather", tools=[get_weather])
    async with talking(fake_openai, agent) as talk:
        await talk.say("weather_oslo")
        await talk.answers(2)

    assert asked == ["Oslo"]
    assert [event.tool.name for event in talk.of("tool_end")] == ["get_weather"]
    assert talk.transcript[-1] == ("assistant", "It is -7 degrees and snowing.")
    fake_openai.call.assert_received_in_order(
        "conversation.item.create", "response.create"
    )


@pytest.mark.fake_openai(
    scenario=Scenario.model_validate(
        {
            "rules": [
                {
                    "on": {"utterance": "weather_oslo"},
                    "call": [
                        {"name": "get_weather", "arguments": {"city": "Oslo"}},
                        {"name": "get_weather", "arguments": {"city": "Lima"}},
                    ],
                },
                {"on": {"tool_result": "get_weather"}, "say": "I have both."},
            ]
        }
    )
)
async def test_two_calls_of_one_response_get_one_common_answer(
    fake_openai: ThreadedFake,
) -> None:
    asked: list[str] = []

    @agents.function_tool
    async def get_weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return "fine"

    agent = RealtimeAgent[None](name="weather", tools=[get_weather])
    async with talking(fake_openai, agent) as talk:
        await talk.say("weather_oslo")
        await talk.until(lambda: ("assistant", "I have both.") in talk.transcript)

    assert sorted(asked) == ["Lima", "Oslo"]


@pytest.mark.fake_openai(scenario="story")
async def test_a_barge_in_cuts_the_answer_where_it_was_played(
    fake_openai: ThreadedFake,
) -> None:
    """While the model still generates: the fake cancels, the SDK truncates."""
    async with talking(fake_openai) as talk:
        await talk.say("tell_story")
        await talk.until(lambda: duration_ms(talk.heard) >= 2_000)
        story = talk.of("audio")[0].audio
        talk.playback.on_play_ms(story.item_id, story.content_index, 1_234)
        await talk.say("stop")
        await talk.answers(2)
        await talk.until(lambda: ("user", "Stop!") in talk.transcript)

    call = fake_openai.call
    (interrupted,) = talk.of("audio_interrupted")
    assert interrupted.item_id == story.item_id
    cut = {"item_id": story.item_id, "audio_end_ms": 1_234}
    call.assert_received("conversation.item.truncate", **cut)
    call.assert_sent("conversation.item.truncated", **cut)
    cancelled = {"status": "cancelled", "status_details": {"reason": "turn_detected"}}
    call.assert_sent("response.done", response=cancelled)
    assert talk.transcript[-1] == ("assistant", "Go ahead, I am listening.")
    after = [e for e in call.sent if e["type"] == "conversation.item.retrieved"]
    forgotten = [e["item"] for e in after if e["item"]["id"] == story.item_id][-1]
    assert [part["type"] for part in forgotten["content"]] == ["output_audio"]
    assert "transcript" not in forgotten["content"][0]  # nobody knows what was heard


@pytest.mark.fake_openai(scenario=ALL_AT_ONCE)
async def test_a_barge_in_after_generation_still_cuts_what_plays(
    fake_openai: ThreadedFake,
) -> None:
    """All audio is with the client already: nothing to cancel, much to truncate."""
    async with talking(fake_openai) as talk:
        await talk.say("tell_story")
        await talk.answers(1)
        story = talk.of("audio")[0].audio
        assert duration_ms(talk.heard) == 9_000
        talk.playback.on_play_ms(story.item_id, story.content_index, 4_000)
        await talk.say("stop")
        await talk.answers(2)

    assert len(talk.of("audio_interrupted")) == 1
    statuses = [
        event["response"]["status"]
        for event in fake_openai.call.sent
        if event["type"] == "response.done"
    ]
    assert statuses == ["completed", "completed"]
    fake_openai.call.assert_sent(
        "conversation.item.truncated", item_id=story.item_id, audio_end_ms=4_000
    )


@pytest.mark.fake_openai(scenario="story")
async def test_the_application_can_interrupt_by_itself(
    fake_openai: ThreadedFake,
) -> None:
    async with talking(fake_openai) as talk:
        await talk.say("tell_story")
        await talk.until(lambda: duration_ms(talk.heard) >= 1_000)
        story = talk.of("audio")[0].audio
        talk.playback.on_play_ms(story.item_id, story.content_index, 500)
        await talk.session.interrupt()
        await talk.until(lambda: bool(talk.of("audio_interrupted")))
        fake_openai.call.wait_sent(
            "conversation.item.truncated", item_id=story.item_id, audio_end_ms=500
        )


PARLOUR = Scenario.model_validate(
    {
        "rules": [
            {"on": {"text": "expert"}, "call": {"name": "transfer_to_expert"}},
            {"on": {"instructions": "expert"}, "say": "I am the expert."},
            {"on": "any", "say": "Hello."},
        ]
    }
)


@pytest.mark.fake_openai(scenario=PARLOUR)
async def test_a_handoff_gives_the_floor_to_the_other_agent(
    fake_openai: ThreadedFake,
) -> None:
    expert = RealtimeAgent[None](name="expert", instructions="You are the expert.")
    front = RealtimeAgent[None](name="front", handoffs=[expert])
    async with talking(fake_openai, front) as talk:
        await talk.session.send_message("Get me an expert, please.")
        await talk.until(lambda: ("assistant", "I am the expert.") in talk.transcript)

    (handoff,) = talk.of("handoff")
    assert (handoff.from_agent.name, handoff.to_agent.name) == ("front", "expert")
    assert fake_openai.call.session["instructions"] == "You are the expert."


@pytest.mark.fake_openai(scenario="story")
async def test_an_application_that_cancels_by_itself_is_not_told_off(
    fake_openai: ThreadedFake,
) -> None:
    """With interrupt_response off the SDK sends response.cancel on a barge-in."""
    detection = {"type": "server_vad", "interrupt_response": False}
    async with talking(fake_openai, turn_detection=detection) as talk:
        await talk.say("tell_story")
        await talk.until(lambda: duration_ms(talk.heard) >= 1_000)
        await talk.say("stop")
        await talk.until(lambda: ("user", "Stop!") in talk.transcript)
        await talk.answers(2)

    fake_openai.call.assert_received("response.cancel")
    cancelled = {
        "status": "cancelled",
        "status_details": {"reason": "client_cancelled"},
    }
    fake_openai.call.assert_sent("response.done", response=cancelled)

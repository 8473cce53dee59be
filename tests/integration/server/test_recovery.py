"""A model session breaks off, or grows old: the conversation goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest

from fake_openai.utterances import load
from tests.integration.server.conftest import (
    Bridge,
    FakeModel,
    eventually,
    running_bridge,
    settings_for,
)
from tests.support.browser import Browser, browser
from tests.support.runner import Connection, a_whole_run, scripted_runner
from tests.support.tones import silence

both_transports = pytest.mark.parametrize("transport", ["webrtc", "websocket"])


@asynccontextmanager
async def bridge_on(fake: FakeModel, **overrides: Any) -> AsyncIterator[Bridge]:
    async with running_bridge(settings_for(fake.url, **overrides)) as bridge:
        yield bridge
    async with httpx.AsyncClient(base_url=fake.url) as http:
        await http.post("/fake/v1/reset")


async def calls(fake: FakeModel, tag: str) -> list[dict[str, Any]]:
    """Every session that was opened for a conversation, oldest first."""
    found: list[dict[str, Any]] = (await fake.get(f"/fake/v1/calls?tag={tag}")).json()
    return found


async def received(fake: FakeModel, call: dict[str, Any]) -> list[dict[str, Any]]:
    """What the bridge sent in one session."""
    records = (await fake.get(f"/fake/v1/calls/{call['call_id']}/events")).json()
    return [r["event"] for r in records if r["direction"] == "in"]


async def items(fake: FakeModel, call: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        event["item"]
        for event in await received(fake, call)
        if event["type"] == "conversation.item.create"
    ]


async def break_off(fake: FakeModel, tag: str, do: str = "disconnect") -> None:
    call = (await calls(fake, tag))[-1]
    async with httpx.AsyncClient(base_url=fake.url) as http:
        path = f"/fake/v1/calls/{call['call_id']}/fault"
        assert (await http.post(path, json={"at": "session", "do": do})).is_success


async def arm(fake: FakeModel, **fault: Any) -> None:
    async with httpx.AsyncClient(base_url=fake.url) as http:
        assert (await http.post("/fake/v1/faults", json=fault)).is_success


async def answer_to(client: Browser, text: str) -> str:
    """Type something; the assistant's words in answer."""
    known = {m.get("item_id") for m in client.messages}
    client.send(type="text", text=text)
    answer = await client.message(
        "transcript",
        lambda m: m["role"] == "assistant" and m["final"] and m["item_id"] not in known,
    )
    return str(answer["text"])


def last_state(client: Browser) -> str:
    return str([m["state"] for m in client.messages if m["type"] == "state"][-1])


def told_states(client: Browser) -> list[str]:
    return [m["state"] for m in client.messages if m["type"] == "session"]


@both_transports
@pytest.mark.parametrize("do", ["disconnect", "expire"])
async def test_a_session_that_breaks_off_is_replaced_and_knows_what_was_said(
    fake: FakeModel, transport: str, do: str
) -> None:
    tag = f"tag-break-{transport}-{do}"
    async with bridge_on(fake, model_transport=transport) as bridge:
        session_id = await bridge.open(system_prompt=tag)
        async with browser(bridge.http, session_id) as client:
            first = await answer_to(client, "What is the weather in Oslo?")
            await client.message("state", lambda m: m["state"] == "speaking")
            await eventually(lambda: last_state(client) == "listening")
            await break_off(fake, tag, do)
            await client.message("session", lambda m: m["state"] == "recovering")
            await client.message("session", lambda m: m["state"] == "live")
            assert await answer_to(client, "Tell me a joke.")
            kinds = {m["type"] for m in client.messages}

        old, new = await calls(fake, tag)
        told = await items(fake, new)

    assert told_states(client) == ["recovering", "live"]
    assert "ended" not in kinds
    texts = [(i["role"], i["content"][0]["text"]) for i in told]
    assert texts == [
        ("user", "What is the weather in Oslo?"),
        ("assistant", first),
        ("user", "Tell me a joke."),
    ]
    assert [p["type"] for i in told for p in i["content"]] == [
        "input_text",
        "output_text",
        "input_text",
    ]
    assert old["call_id"] != new["call_id"]


@both_transports
async def test_what_is_said_while_there_is_no_session_is_answered_by_the_next(
    fake: FakeModel, transport: str
) -> None:
    """Two attempts fail: the question is spoken in the gap, and nowhere else."""
    tag = f"tag-gap-{transport}"
    point = "http.calls" if transport == "webrtc" else "ws.connect"
    async with bridge_on(fake, model_transport=transport) as bridge:
        session_id = await bridge.open(system_prompt=tag)
        async with browser(bridge.http, session_id) as client:
            await arm(fake, at=point, do="status", status=503, times=3)
            await break_off(fake, tag)
            await client.message("session", lambda m: m["state"] == "recovering")
            question = np.concatenate((load("weather_oslo").pcm, silence(5.0)))
            await client.speak(question)
            await client.message("session", lambda m: m["state"] == "live")
            heard = await client.message(
                "transcript", lambda m: m["role"] == "user" and m["final"]
            )
            answer = await client.message(
                "transcript", lambda m: m["role"] == "assistant" and m["final"]
            )

    assert heard["text"] == "What is the weather in Oslo?"
    assert "Oslo" in answer["text"]
    users = [m for m in client.messages if m["type"] == "transcript" and m["final"]]
    assert [m["role"] for m in users].count("user") == 1


@both_transports
async def test_a_tool_that_outlives_its_session_answers_the_next_one_once(
    fake: FakeModel, transport: str
) -> None:
    tag = f"tag-tool-{transport}"
    go = asyncio.Event()

    async def late(connection: Connection, command: dict[str, Any]) -> None:
        await go.wait()
        await a_whole_run(connection, command)

    async with scripted_runner(late) as runner:
        settings = {"model_transport": transport, "nested_runner_url": runner.url}
        async with bridge_on(fake, run_background_after_s=600, **settings) as bridge:
            session_id = await bridge.open(system_prompt=tag)
            async with browser(bridge.http, session_id) as client:
                client.send(type="text", text="Ask the team to list the files.")
                started = await client.message(
                    "tool", lambda m: m["status"] == "started"
                )
                await break_off(fake, tag)
                await client.message("session", lambda m: m["state"] == "recovering")
                await client.message("session", lambda m: m["state"] == "live")
                go.set()
                await client.message("tool", lambda m: m["status"] == "finished")
                # The next question comes after it: by then all of it was told.
                assert await answer_to(client, "Tell me a joke.")
            old, new = await calls(fake, tag)
            before, after = await items(fake, old), await items(fake, new)

    def outputs(told: list[dict[str, Any]]) -> list[str]:
        return [i["call_id"] for i in told if i["type"] == "function_call_output"]

    assert outputs(before) == []
    assert outputs(after) == [started["call_id"]]
    kinds = [i["type"] for i in after]
    assert kinds.index("function_call") < kinds.index("function_call_output")
    call = after[kinds.index("function_call")]
    assert call["call_id"] == started["call_id"]
    assert json.loads(call["arguments"])


async def test_a_service_that_does_not_come_back_ends_the_call_in_words(
    doomed_fake: FakeModel,
) -> None:
    settings = settings_for(doomed_fake.url, model_recovery_timeout_s=1.5)
    async with running_bridge(settings) as bridge:
        async with browser(bridge.http, await bridge.open()) as client:
            doomed_fake.kill()
            state = await client.message("session")
            error = await client.message("error")
            await client.message("ended")

        await eventually(lambda: bridge.has(sessions=0))
    assert state["state"] == "recovering"
    assert state["message"]
    assert error["fatal"] is True
    assert error["error"]["code"] == "model_lost"


@both_transports
async def test_another_voice_takes_over_between_two_turns(
    fake: FakeModel, transport: str
) -> None:
    tag = f"tag-voice-{transport}"
    async with bridge_on(fake, model_transport=transport) as bridge:
        session_id = await bridge.open(system_prompt=tag, voice="marin")
        async with browser(bridge.http, session_id) as client:
            assert await answer_to(client, "Tell me a joke.")
            response = await bridge.http.patch(
                f"/api/realtime/session/{session_id}", json={"voice": "cedar"}
            )
            assert response.status_code == 200, response.text
            await client.message(
                "session", lambda m: m["state"] == "live", timeout_s=25
            )
            assert await answer_to(client, "What is the weather in Oslo?")
            shown = await bridge.http.get(f"/api/realtime/session/{session_id}")
        old, new = await calls(fake, tag)
        updates = [
            e["session"]["audio"]["output"]["voice"]
            for call in (old, new)
            for e in await received(fake, call)
            if e["type"] == "session.update"
        ]

    assert updates == ["marin", "cedar"]
    assert shown.json()["voice"] == "cedar"
    assert told_states(client) == ["handing_over", "live"]


@both_transports
async def test_push_to_talk_ends_the_turn_when_it_is_let_go(
    fake: FakeModel, transport: str
) -> None:
    async with bridge_on(fake, model_transport=transport) as bridge:
        session_id = await bridge.open(turn_detection={"type": "none"})
        async with browser(bridge.http, session_id) as client:
            client.send(type="talk", pressed=True)
            await client.message("state", lambda m: m["state"] == "hearing")
            await client.speak(load("weather_oslo").pcm)
            await client.speak(silence(0.2))
            client.send(type="talk", pressed=False)
            answer = await client.message(
                "transcript", lambda m: m["role"] == "assistant" and m["final"]
            )

    assert "Oslo" in answer["text"]


async def test_where_webrtc_does_not_get_through_a_websocket_is_used(
    fake: FakeModel,
) -> None:
    async with bridge_on(fake, model_webrtc_timeout_s=1.0) as bridge:
        await arm(fake, at="ice", do="never_completes", times=1)
        session_id = await bridge.open(system_prompt="tag-auto.")
        async with browser(bridge.http, session_id) as client:
            assert await answer_to(client, "Tell me a joke.")
        await bridge.open(system_prompt="tag-auto-again", conversation_id="other")
        first = (await calls(fake, "tag-auto."))[-1]
        again = (await calls(fake, "tag-auto-again"))[-1]

    assert first["transport"] == "websocket"
    assert again["transport"] == "websocket"  # it is kept in mind

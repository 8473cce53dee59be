"""A spoken wish becomes a function call, a run, and the assistant's words."""

import asyncio
import json
from typing import Any

import numpy as np

from fake_openai.utterances import load
from tests.integration.server.conftest import (
    FakeModel,
    eventually,
    running_bridge,
    settings_for,
)
from tests.support.browser import browser
from tests.support.runner import Connection, a_whole_run, scripted_runner
from tests.support.tones import silence


async def test_a_spoken_wish_reaches_the_runner_and_its_result_the_model(
    fake: FakeModel,
) -> None:
    async with scripted_runner(a_whole_run) as runner:
        settings = settings_for(fake.url, nested_runner_url=runner.url)
        async with running_bridge(settings) as bridge:
            session_id = await bridge.open(system_prompt="tag-tool-call")
            async with browser(bridge.http, session_id) as client:
                wish = load("list_files").pcm
                await client.speak(np.concatenate((wish, silence(4.0))))
                started = await client.message(
                    "tool", lambda m: m["status"] == "started"
                )
                await client.message("tool", lambda m: m["status"] == "finished")
            sent = await fake.events("tag-tool-call", "in")
            received = await fake.events("tag-tool-call", "out")

    assert started["name"] == "send_to_nested"
    assert runner.commands[0]["data"] == load("list_files").text
    outputs = [e["item"] for e in sent if e["type"] == "conversation.item.create"]
    assert [o["type"] for o in outputs] == ["function_call_output"]
    assert outputs[0]["call_id"] == started["call_id"]
    assert json.loads(outputs[0]["output"]) == {
        "success": True,
        "result": "Four folders.",
    }
    assert [e["type"] for e in sent].count("response.create") == 1
    assert not [e for e in received if e["type"] == "error"]


async def test_the_end_of_the_session_cancels_a_run_and_closes_its_socket(
    fake: FakeModel,
) -> None:
    async def never(connection: Connection, command: dict[str, Any]) -> None:
        pass

    async with scripted_runner(never) as runner:
        settings = settings_for(fake.url, nested_runner_url=runner.url)
        async with running_bridge(settings) as bridge:
            session_id = await bridge.open()
            async with browser(bridge.http, session_id) as client:
                client.send(type="text", text="Ask the team to list the files.")
                await client.message("tool", lambda m: m["status"] == "started")
                await eventually(lambda: bool(runner.commands))
                await bridge.http.delete(f"/api/realtime/session/{session_id}")

            await asyncio.wait_for(runner.cancelled.wait(), 30)
            await eventually(lambda: runner.n_open == 0)


async def test_a_runner_that_is_not_there_becomes_words_of_the_model(
    fake: FakeModel,
) -> None:
    async with running_bridge(settings_for(fake.url)) as bridge:
        session_id = await bridge.open(system_prompt="tag-no-runner")
        async with browser(bridge.http, session_id) as client:
            client.send(type="text", text="Ask the team to list the files.")
            await client.message("tool", lambda m: m["status"] == "failed")
        sent = await fake.events("tag-no-runner", "in")

    items = [e["item"] for e in sent if e["type"] == "conversation.item.create"]
    output = json.loads(items[-1]["output"])
    assert output["success"] is False
    assert "not configured" in output["error"]


async def test_a_slow_tool_does_not_disturb_the_audio(fake: FakeModel) -> None:
    """2 s of a tool that never ends: every frame of 2 s still reaches the ear."""

    async def never(connection: Connection, command: dict[str, Any]) -> None:
        pass

    async with scripted_runner(never) as runner:
        settings = settings_for(fake.url, nested_runner_url=runner.url)
        async with running_bridge(settings) as bridge:
            session_id = await bridge.open()
            async with browser(bridge.http, session_id) as client:
                client.send(type="text", text="Ask the team to list the files.")
                await client.message("tool", lambda m: m["status"] == "started")
                before = len(client.heard)
                await client.speak(silence(2.0))
                frames = len(client.heard) - before

    assert 95 <= frames <= 105

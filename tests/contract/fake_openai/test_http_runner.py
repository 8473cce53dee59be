"""The scripted agent runner speaks both dialects of agent runners."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from fake_openai.app import running_fake
from tests.support.realtime_caller import WAIT_S


@asynccontextmanager
async def runner(agent: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        running_fake() as fake,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{fake.url}/api/runs/{agent}") as socket,
    ):
        yield socket


async def until_system(
    socket: aiohttp.ClientWebSocketResponse, text: str
) -> list[dict[str, Any]]:
    events = []
    while True:
        event = await socket.receive_json(timeout=WAIT_S)
        events.append(event)
        if text in str(event["data"].get("message", "")):
            return events


async def test_a_team_run_ends_with_its_answer_a_result_and_a_notice() -> None:
    async with runner("MainConversation") as socket:
        await socket.send_json({"type": "run", "data": "list the files"})
        events = await until_system(socket, "Agent run finished.")

    assert [e["type"] for e in events] == [
        "system",
        "textmessage",
        "textmessage",
        "toolcallrequestevent",
        "toolcallexecutionevent",
        "textmessage",
        "textmessage",
        "taskresult",
        "system",
    ]
    assert events[1]["data"]["source"] == "user"
    assert events[3]["data"]["content"][0]["arguments"] == '{"path": "."}'
    assert events[4]["data"]["content"][0]["is_error"] is False
    assert "four folders" in events[5]["data"]["content"]


async def test_a_cancelled_team_run_says_so_and_sends_no_result() -> None:
    async with runner("team") as socket:
        await socket.send_json({"type": "run", "data": "count"})
        await socket.send_json({"type": "cancel"})
        events = await until_system(socket, "Agent run interrupted.")

    assert "taskresult" not in [e["type"] for e in events]


async def test_a_failing_tool_ends_in_an_error_event() -> None:
    async with runner("team") as socket:
        await socket.send_json({"type": "run", "data": "crash please"})
        events = await until_system(socket, "interrupted")

    assert events[-2]["type"] == "error"
    assert events[-3]["data"]["content"][0]["is_error"] is True


async def test_claude_code_greets_and_speaks_camel_case() -> None:
    async with runner("ClaudeCode") as socket:
        hello = await socket.receive_json(timeout=WAIT_S)
        await socket.send_json({"type": "user_message", "data": "run the tests"})
        events = await until_system(socket, "All of them passed")

    assert hello["data"]["message"] == "Claude Code session initialized"
    assert [e["type"] for e in events][2:5] == [
        "TextMessage",
        "ToolCallRequestEvent",
        "ToolCallExecutionEvent",
    ]
    assert events[-1]["type"] == "TaskResult"
    assert events[-1]["data"]["outcome"] == "success"


async def test_an_unknown_agent_is_an_error_and_close_1003() -> None:
    async with runner("unknown") as socket:
        error = await socket.receive_json(timeout=WAIT_S)
        closed = await socket.receive(timeout=WAIT_S)

    assert error["type"] == "error"
    assert closed.type is aiohttp.WSMsgType.CLOSE
    assert closed.data == 1003


async def test_commands_a_runner_does_not_know_are_errors_when_idle() -> None:
    async with runner("team") as socket:
        await socket.send_json({"type": "pause"})
        pause = await socket.receive_json(timeout=WAIT_S)
        await socket.send_str("{")
        malformed = await socket.receive_json(timeout=WAIT_S)
        await socket.send_json({"type": "cancel"})
        nothing = await socket.receive_json(timeout=WAIT_S)

    assert pause["type"] == malformed["type"] == "error"
    assert nothing["data"]["message"] == "No active run to cancel."

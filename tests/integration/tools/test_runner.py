"""Runners over real sockets, in both dialects."""

import asyncio
from typing import Any

import aiohttp
import pytest

from server.errors import ToolError
from server.tools import runner_link
from server.tools.runner import Runner
from tests.support.runner import Connection, a_whole_run, connected, scripted_runner


async def test_the_last_thing_said_is_the_answer() -> None:
    async with connected(a_whole_run) as (runner, scripted):
        assert await runner.ask("list the folders") == "Four folders."

    assert scripted.commands == [{"type": "user_message", "data": "list the folders"}]


async def test_the_socket_opens_late_and_stays_for_the_next_message() -> None:
    async with connected(a_whole_run) as (runner, scripted):
        assert scripted.n_connections == 0
        await runner.ask("one")
        await runner.ask("two")

        assert scripted.n_connections == 1


async def test_a_socket_that_was_lost_is_opened_again() -> None:
    async def answer_and_hang_up(c: Connection, command: dict[str, Any]) -> None:
        await a_whole_run(c, command)
        await c.close()

    async with connected(answer_and_hang_up) as (runner, scripted):
        await runner.ask("one")
        await asyncio.sleep(0.05)
        assert await runner.ask("two") == "Four folders."

        assert scripted.n_connections == 2


async def test_claude_codes_dialect_ends_with_its_result() -> None:
    async def reply(c: Connection, command: dict[str, Any]) -> None:
        await c.claude_event("system", message="Claude Code session initialized")
        await c.claude_event("Error", message="warning", source="claude_stderr")
        await c.claude_event("TextMessage", source="ClaudeCode", content="Running.")
        await c.claude_event("TaskResult", outcome="success", message="Tests pass.")

    async with connected(reply) as (runner, _):
        assert await runner.ask("run the tests") == "Tests pass."


async def test_a_result_without_a_last_line_does_not_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner_link, "RESULT_GRACE_S", 0.05)

    async def reply(c: Connection, command: dict[str, Any]) -> None:
        await c.event("textmessage", source="A", content="Done.")
        await c.event("taskresult", messages=[], stop_reason="x")

    async with connected(reply) as (runner, _):
        assert await runner.ask("x") == "Done."


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([("error", {"message": "Quota exceeded"})], "Quota exceeded"),
        ([("system", {"message": "Agent run interrupted."})], "cancelled"),
    ],
)
async def test_a_failed_run_says_why(events: list[Any], words: str) -> None:
    async def reply(c: Connection, command: dict[str, Any]) -> None:
        for kind, data in events:
            await c.event(kind, **data)

    async with connected(reply) as (runner, _):
        with pytest.raises(ToolError) as failed:
            await runner.ask("x")

    assert words in failed.value.user_message


async def test_a_failed_claude_run_says_why() -> None:
    async def reply(c: Connection, command: dict[str, Any]) -> None:
        await c.claude_event("TaskResult", outcome="error", message="No network.")

    async with connected(reply) as (runner, _):
        with pytest.raises(ToolError) as failed:
            await runner.ask("x")

    assert failed.value.user_message == "No network."


async def test_an_unknown_agent_is_an_error_then_a_closed_socket() -> None:
    async def reply(c: Connection, command: dict[str, Any]) -> None:
        await c.event("error", message="Unknown agent")
        await c.close(1003)

    async with connected(reply) as (runner, _):
        with pytest.raises(ToolError) as failed:
            await runner.ask("x")

    assert failed.value.user_message == "Unknown agent"


async def test_a_socket_lost_during_a_run_is_said() -> None:
    async def reply(c: Connection, command: dict[str, Any]) -> None:
        await c.close(1011)

    async with connected(reply) as (runner, _):
        with pytest.raises(ToolError) as failed:
            await runner.ask("x")

    assert "broke off" in failed.value.user_message


async def test_two_messages_at_once_run_one_after_the_other() -> None:
    async with connected(a_whole_run) as (runner, scripted):
        answers = await asyncio.gather(runner.ask("one"), runner.ask("two"))

        assert answers == ["Four folders."] * 2
        assert scripted.n_connections == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [(None, "not configured"), ("ws://127.0.0.1:9/api/runs/x", "cannot be reached")],
)
async def test_a_runner_that_is_not_there_is_said(url: str | None, words: str) -> None:
    async with aiohttp.ClientSession() as client:
        runner = Runner(client, url, title="agent team", connect_timeout_s=1)
        with pytest.raises(ToolError) as failed:
            await runner.ask("x")

    assert words in failed.value.user_message
    assert "127.0.0.1" not in failed.value.user_message


async def test_a_very_long_answer_is_shortened() -> None:
    async def reply(c: Connection, command: dict[str, Any]) -> None:
        await c.event("textmessage", source="A", content="x" * 100_000)
        await c.event("system", message="Agent run finished.")

    async with connected(reply) as (runner, _):
        answer = await runner.ask("x")

    assert len(answer) < 9_000
    assert answer.endswith("(shortened)")


async def test_a_task_that_may_have_arrived_is_never_sent_again() -> None:
    """The socket is old, breaks after the message, and nothing ever came back."""

    async def dies_at_the_second(c: Connection, command: dict[str, Any]) -> None:
        if command.get("data") == "first":
            await a_whole_run(c, command)
        else:
            await c.close(1011)

    async with connected(dies_at_the_second) as (runner, scripted):
        await runner.ask("first")
        with pytest.raises(ToolError) as failed:
            await runner.ask("delete everything")

        assert "how far it came is not known" in failed.value.user_message
        sent = [c.get("data") for c in scripted.commands]
        assert sent.count("delete everything") == 1


async def test_a_runner_that_is_just_starting_is_waited_for() -> None:
    async with scripted_runner(a_whole_run) as scripted:
        port = int(scripted.url.split(":")[2].split("/")[0])
    async with aiohttp.ClientSession() as client:
        url = f"ws://127.0.0.1:{port}/api/runs/Team"
        runner = Runner(client, url, title="agent team", connect_timeout_s=8)
        asking = asyncio.create_task(runner.ask("x"))
        await asyncio.sleep(0.4)
        async with scripted_runner(a_whole_run, port=port):
            assert await asking == "Four folders."
            await runner.close()


async def test_steps_of_a_run_are_reported_as_they_come() -> None:
    events: list[Any] = []
    async with connected(a_whole_run) as (runner, _):
        await runner.ask("x", events.append)

    assert [type(e).__name__ for e in events] == [
        "RunStarted",
        "RunStarted",
        "ToolStarted",
        "Other",
        "Said",
        "RunResult",
        "RunEnded",
    ]

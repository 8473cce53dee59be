"""Runs that are ended before their end: by time-outs, pauses and resets."""

import asyncio
from typing import Any

import pytest

from server.errors import ToolStoppedError
from server.tools import runner as runner_module
from server.tools import runner_link
from tests.support.runner import Connection, a_whole_run, connected, never
from tests.support.waiting import eventually


async def test_a_timeout_cancels_the_run_at_the_runner() -> None:
    async with connected(never) as (runner, scripted):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await runner.ask("x")
        await asyncio.wait_for(scripted.cancelled.wait(), 2)


async def test_pausing_ends_the_run_that_waits() -> None:
    async with connected(never) as (runner, scripted):
        asking = asyncio.create_task(runner.ask("x"))
        await eventually(lambda: bool(scripted.commands))

        assert await runner.cancel() is True
        with pytest.raises(ToolStoppedError):
            await asking


async def test_the_end_of_a_cancelled_run_is_not_taken_for_the_next_one() -> None:
    """The runner's "interrupted" arrives after we have stopped listening."""

    async def reply(c: Connection, command: dict[str, Any]) -> None:
        if command["type"] == "cancel":
            await c.event("system", message="Cancellation requested.")
            await c.event("system", message="Agent run interrupted.")
        elif command["data"] == "quick":
            await a_whole_run(c, command)

    async with connected(reply) as (runner, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await runner.ask("slow")
        await asyncio.sleep(0.1)

        assert await runner.ask("quick") == "Four folders."


async def test_words_of_a_cancelled_run_are_not_taken_for_the_next_ones() -> None:
    """It goes on talking for a moment before it says that it was interrupted."""

    async def reply(c: Connection, command: dict[str, Any]) -> None:
        if command["type"] == "cancel":
            await asyncio.sleep(0.2)
            await c.event("textmessage", source="A", content="Old words.")
            await c.event("system", message="Agent run interrupted.")
        elif command["data"] == "quick":
            await c.event("textmessage", source="A", content="New words.")
            await c.event("system", message="Agent run finished.")

    async with connected(reply) as (runner, scripted):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await runner.ask("slow")

        assert await runner.ask("quick") == "New words."
        assert scripted.n_connections == 1
        sent = [c.get("data", "cancel") for c in scripted.commands]
        assert sent == ["slow", "cancel", "quick"]


async def test_a_cancelled_run_that_never_ends_costs_its_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner_link, "STALE_RUN_TIMEOUT_S", 0.05)

    async def reply(c: Connection, command: dict[str, Any]) -> None:
        if command.get("data") == "quick":
            await a_whole_run(c, command)

    async with connected(reply) as (runner, scripted):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await runner.ask("slow")

        assert await runner.ask("quick") == "Four folders."
        assert scripted.n_connections == 2


async def test_resetting_starts_on_a_fresh_socket() -> None:
    async with connected(a_whole_run) as (runner, scripted):
        await runner.ask("one")
        assert await runner.reset() is True
        await runner.ask("two")

        assert scripted.n_connections == 2
        assert {"type": "cancel"} in scripted.commands


async def test_claude_code_gets_a_fresh_socket_after_a_cancel() -> None:
    """Its process ends with the cancel; the old socket would only fail."""
    async with connected(a_whole_run, survives_cancel=False) as (runner, scripted):
        await runner.ask("one")
        await runner.cancel()
        await runner.ask("two")

        assert scripted.n_connections == 2


async def test_cancelling_claude_code_at_once_does_not_send_the_task_again() -> None:
    async def late(c: Connection, command: dict[str, Any]) -> None:
        if command.get("data") == "first":
            await a_whole_run(c, command)

    async with connected(late, survives_cancel=False) as (runner, scripted):
        await runner.ask("first")
        asking = asyncio.create_task(runner.ask("second"))
        await eventually(lambda: len(scripted.commands) == 2)
        await runner.cancel()
        with pytest.raises(ToolStoppedError):
            await asking

        assert [c.get("data") for c in scripted.commands].count("second") == 1


async def test_pausing_when_nothing_was_ever_asked_opens_no_socket() -> None:
    async with connected(a_whole_run) as (runner, scripted):
        assert await runner.cancel() is False
        assert await runner.reset() is False

        assert scripted.n_connections == 0


async def test_pausing_drops_what_waits_for_its_turn() -> None:
    async with connected(never) as (runner, scripted):
        asking = [asyncio.create_task(runner.ask(text)) for text in ("one", "two")]
        await eventually(lambda: bool(scripted.commands))

        await runner.cancel()
        results = await asyncio.gather(*asking, return_exceptions=True)

        assert [type(result) for result in results] == [ToolStoppedError] * 2
        assert [c.get("data") for c in scripted.commands] == ["one", None]


async def test_pausing_while_the_socket_opens_keeps_the_task_from_the_runner() -> None:
    async with connected(a_whole_run) as (runner, scripted):
        scripted.admits.clear()
        asking = asyncio.create_task(runner.ask("x"))
        await asyncio.wait_for(scripted.knocked.wait(), 2)

        assert await runner.cancel() is True
        scripted.admits.set()
        with pytest.raises(ToolStoppedError):
            await asking
        assert scripted.commands == []


async def test_a_timeout_of_one_that_waits_leaves_the_run_before_it_alone() -> None:
    goes_on = asyncio.Event()

    async def slow(c: Connection, command: dict[str, Any]) -> None:
        await goes_on.wait()
        await a_whole_run(c, command)

    async with connected(slow) as (runner, scripted):
        running = asyncio.create_task(runner.ask("one"))
        await eventually(lambda: bool(scripted.commands))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await runner.ask("two")
        goes_on.set()

        assert await running == "Four folders."
        assert [c["type"] for c in scripted.commands] == ["user_message"]


async def test_pausing_an_idle_runner_says_that_nothing_was_running() -> None:
    async with connected(a_whole_run) as (runner, _):
        await runner.ask("one")

        assert await runner.cancel() is False


async def test_a_run_that_does_not_stop_costs_its_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner_module, "CANCEL_GRACE_S", 0.05)

    async def deaf(c: Connection, command: dict[str, Any]) -> None:
        if command.get("data") == "quick":
            await a_whole_run(c, command)

    async with connected(deaf) as (runner, scripted):
        asking = asyncio.create_task(runner.ask("slow"))
        await eventually(lambda: bool(scripted.commands))

        assert await runner.cancel() is True
        with pytest.raises(ToolStoppedError):
            await asking
        assert await runner.ask("quick") == "Four folders."
        assert scripted.n_connections == 2

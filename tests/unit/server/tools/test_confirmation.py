"""Dangerous tools wait for somebody's yes."""

import asyncio

import pytest

from tests.support.odd_tools import running
from tests.support.virtual_time import virtual_time


@virtual_time
async def test_a_dangerous_tool_waits_for_a_yes() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "delete", '{"text": "everything"}')
        await asyncio.sleep(30)
        assert door.outputs == {}
        asked = door.statuses[-1]
        assert asked.state == "awaiting_confirmation"
        assert asked.arguments == '{"text": "everything"}'
        assert asked.expires_s == 60
        assert [n.speak for n in door.notes] == [True]
        assert door.notes[0].text.startswith("[CONFIRMATION_NEEDED] delete")

        assert executor.confirm("c0", True, "Ann") is True
        await door.until(lambda: door.outputs)

        assert door.outputs["c0"]["success"] is True
        assert door.states("c0") == ["awaiting_confirmation", "progress", "finished"]
        assert door.records[0].waited_s == pytest.approx(30)


@virtual_time
async def test_a_no_is_told_the_model_in_words() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "delete", '{"text": "x"}')
        await asyncio.sleep(0)
        executor.confirm("c0", False, "Ann")
        await door.until(lambda: door.outputs)

        assert door.outputs["c0"]["denied"] is True
        assert "must not be done" in door.outputs["c0"]["error"]
        assert door.states("c0")[-1] == "denied"
        assert door.records[0].end == "denied"


@virtual_time
async def test_no_answer_is_a_no() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "delete", '{"text": "x"}')
        await asyncio.sleep(59.9)
        assert door.outputs == {}
        await asyncio.sleep(0.2)

        assert "Nobody approved" in door.outputs["c0"]["error"]
        assert executor.confirm("c0", True, "late") is False


@virtual_time
async def test_the_first_answer_counts_and_strangers_do_not() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "delete", '{"text": "x"}')
        executor.submit("c1", "single", "{}")
        await asyncio.sleep(0)

        assert executor.awaiting_confirmation == ("c0",)
        assert executor.confirm("nobody", True, "x") is False
        assert executor.confirm("c1", True, "x") is False
        assert executor.confirm("c0", False, "x") is True
        assert executor.confirm("c0", True, "x") is False
        await door.until(lambda: door.outputs)
        assert door.outputs["c0"]["denied"] is True


@virtual_time
async def test_bad_arguments_are_refused_before_anybody_is_asked() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "delete", "{}")
        await door.until(lambda: door.outputs)

        assert door.states("c0") == ["failed"]
        assert door.notes == []

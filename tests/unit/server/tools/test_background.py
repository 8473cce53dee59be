"""Runs that take long, and runs that somebody typed: told as they go and end."""

import asyncio

from server.tools import runner_events as ev
from server.tools.executor import ToolExecutor
from server.tools.registry import Arguments, Report, ToolRegistry
from tests.support.odd_tools import running, tool
from tests.support.tool_door import MemoryDoor
from tests.support.virtual_time import virtual_time


@virtual_time
async def test_a_quick_run_is_its_output_and_nothing_else() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "work", '{"text": "3"}')
        await asyncio.sleep(3_600)

        assert door.outputs["c0"] == {"success": True, "result": "All done."}
        assert door.notes == []
        assert door.states("c0") == ["progress", "finished"]


@virtual_time
async def test_a_long_run_frees_the_model_and_tells_its_end_once() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "work", '{"text": "60"}')
        await asyncio.sleep(9.9)
        assert door.outputs == {}
        await asyncio.sleep(0.2)
        assert door.outputs["c0"]["status"] == "running"
        await asyncio.sleep(3_600)

        end = door.notes[-1]
        assert end.text == "[RUN_FINISHED] work, run 1: All done."
        assert [n.text.split()[0] for n in door.notes[:-1]] == (
            ["[RUN_PROGRESS]"] * (len(door.notes) - 1)
        )
        spoken = [n for n in door.notes if n.speak]
        assert len(spoken) == 2, "one update and the end"
        assert spoken[-1] is end
        assert door.states("c0")[-1] == "finished"
        assert door.records[0].in_background


@virtual_time
async def test_progress_on_the_screen_is_at_most_once_a_second() -> None:
    async def chatty(_: Arguments, report: Report) -> str:
        for n in range(100):
            await asyncio.sleep(0.1)
            report(ev.Said("A", str(n)))
        return "ok"

    door, ended = MemoryDoor(), asyncio.Event()
    executor = ToolExecutor(ToolRegistry([tool("chatty", chatty)]), door)
    task = asyncio.create_task(executor.run(ended))
    executor.submit("c0", "chatty", "{}")
    await door.until(lambda: door.outputs, timeout_s=60)
    ended.set()
    await task

    progress = [s.detail for s in door.statuses if s.state == "progress"]
    assert 9 <= len(progress) <= 12
    assert all(len(detail) <= 200 for detail in progress)


@virtual_time
async def test_what_the_user_stopped_needs_no_words_of_its_own() -> None:
    """`pause` has an output that is spoken; the run it stops has none."""
    async with running() as (executor, door):
        executor.submit("c0", "stopped", "{}")
        await door.until(lambda: door.outputs)

        assert door.spoken == {"c0": False}
        assert door.records[0].end == "stopped"


@virtual_time
async def test_typed_text_runs_the_tool_and_its_end_is_narrated() -> None:
    async with running() as (executor, door):
        executor.submit_typed("work", "3")
        await door.until(lambda: any(n.speak for n in door.notes))

        assert [n.text for n in door.notes] == [
            "[TYPED] work, run 1: 3",
            "[RUN_FINISHED] work, run 1: All done.",
        ]
        assert door.outputs == {}
        assert door.states("typed_1") == ["started", "progress", "finished"]


@virtual_time
async def test_typed_text_needs_no_second_yes_but_a_denied_tool_stays_denied() -> None:
    async with running() as (executor, door):
        executor.submit_typed("delete", "x")
        executor.submit_typed("forbidden", "x")
        await door.until(lambda: len(door.records) == 2)

        assert [r.end for r in door.records] == ["finished", "denied"]
        assert door.notes[-1].text.startswith("[RUN_FAILED] forbidden")

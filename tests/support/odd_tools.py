"""Tools that end in every way there is, and an executor that runs them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from server.errors import ToolError, ToolStoppedError
from server.tools import runner_events as ev
from server.tools.executor import ExecutorLimits, ToolExecutor
from server.tools.narration import Pace
from server.tools.registry import Arguments, Report, Tool, ToolRegistry
from tests.support.tool_door import MemoryDoor

TEXT = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1}},
    "required": ["text"],
}


async def echo(arguments: Arguments, _: Report) -> str:
    return str(arguments["text"])


async def half_a_character(_: Arguments, report: Report) -> str:
    report(ev.Said("Worker\ud800", "\udc00"))
    await asyncio.sleep(5)
    return "a\ud800b"


async def refuse(*_: Any) -> str:
    raise ToolError("internal detail", user_message="It is closed today.")


async def break_down(*_: Any) -> str:
    raise RuntimeError("secret path /etc")


async def for_ever(*_: Any) -> str:
    await asyncio.Event().wait()
    raise AssertionError


async def not_a_number(*_: Any) -> Any:
    return {"mean": float("nan"), "worst": [float("inf"), 2]}


async def cancel_itself(*_: Any) -> str:
    helper = asyncio.get_running_loop().create_future()
    helper.cancel()
    await helper
    raise AssertionError


async def stop(*_: Any) -> str:
    raise ToolStoppedError


async def work(arguments: Arguments, report: Report) -> str:
    """Says what it does every 3 s for as long as `text` says."""
    for n in range(int(arguments["text"]) // 3):
        await asyncio.sleep(3)
        report(ev.Said("Worker", f"step {n + 1}"))
    return "All done."


def tool(name: str, run: Any, **options: Any) -> Tool:
    return Tool(name, "", run, **{"policy": "allow", **options})


TOOLS = ToolRegistry(
    [
        tool("echo", echo, parameters=TEXT),
        tool("refuse", refuse),
        tool("half_a_character", half_a_character),
        tool("break_down", break_down),
        tool("not_a_number", not_a_number),
        tool("cancel_itself", cancel_itself),
        tool("for_ever", for_ever, timeout_s=10),
        tool("single", for_ever, max_running=1),
        tool("stopped", stop),
        tool("delete", echo, parameters=TEXT, policy="confirm"),
        tool("forbidden", echo, parameters=TEXT, policy="deny"),
        tool("short", echo, parameters=TEXT, max_result_chars=10),
        tool("work", work, parameters=TEXT, timeout_s=3_600.0, background_after_s=10.0),
    ]
)
LIMITS = ExecutorLimits(
    confirm_timeout_s=60.0,
    pace=Pace(first_after_s=4, interval_s=5, update_after_s=30),
)


@asynccontextmanager
async def running() -> AsyncIterator[tuple[ToolExecutor, MemoryDoor]]:
    door, ended = MemoryDoor(), asyncio.Event()
    executor = ToolExecutor(TOOLS, door, LIMITS)
    task = asyncio.create_task(executor.run(ended))
    await asyncio.sleep(0)
    try:
        yield executor, door
    finally:
        ended.set()
        await task

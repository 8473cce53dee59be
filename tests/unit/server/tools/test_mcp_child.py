"""The calls of the process that talks to an MCP server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any

from server.tools.mcp_child import MAX_CALLS, _Calls


class Client:
    """A server that has an answer to everything."""

    async def call_tool(self, *_: Any, **__: Any) -> Any:
        block = SimpleNamespace(type="text", text="done")
        return SimpleNamespace(content=[block], structured_content=None, is_error=False)


async def test_calls_that_are_taken_back_at_once_leave_room_for_others() -> None:
    """Both lines in one reading: the task is cancelled before it has begun."""
    said: list[Mapping[str, object]] = []
    answered = asyncio.Event()

    def emit(message: Mapping[str, object]) -> None:
        said.append(message)
        answered.set()

    async def lines() -> AsyncIterator[str]:
        for number in range(2 * MAX_CALLS):
            yield json.dumps({"call": number, "tool": "t", "arguments": {}})
            yield json.dumps({"cancel": number})
            await asyncio.sleep(0)
        yield json.dumps({"call": 99, "tool": "t", "arguments": {}})
        await answered.wait()

    await _Calls(Client(), emit).run(lines())

    assert said == [{"result": 99, "text": "done", "is_error": False}]

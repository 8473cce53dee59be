"""Runs the tool calls of one session beside its audio."""

import asyncio
import json
import logging
from collections.abc import Callable

from server.errors import ToolError
from server.tools.registry import ToolRegistry, parse_arguments

logger = logging.getLogger(__name__)

MAX_RUNNING = 8
"""More calls at once than this are refused in words."""

Deliver = Callable[[str, str, bool], None]
"""(call_id, output, success)"""


class _Stopped(Exception):
    """Makes the task group cancel what is left. Never leaves ToolExecutor.run."""


class ToolExecutor:
    """Turns calls into outputs. `run` owns the tasks; leaving it cancels them."""

    def __init__(self, registry: ToolRegistry, deliver: Deliver) -> None:
        self._registry = registry
        self._deliver = deliver
        self._running = 0
        self._early: list[tuple[str, str, str]] = []
        """Calls that came before `run`; bounded by MAX_RUNNING."""
        self._has_stopped = False
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Accept calls until `stop`, then cancel those still running."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                while self._early:
                    self.submit(*self._early.pop(0))
                await stop.wait()
                self._tasks = None
                self._has_stopped = True
                raise _Stopped
        except* _Stopped:
            pass

    def submit(self, call_id: str, name: str, arguments: str) -> None:
        """Start one call; its output is delivered exactly once."""
        if self._has_stopped:
            return
        if self._running + len(self._early) >= MAX_RUNNING:
            self._deliver(
                call_id, _failure("Too many tools are running already."), False
            )
            return
        if self._tasks is None:
            self._early.append((call_id, name, arguments))
            return
        self._running += 1
        self._tasks.create_task(
            self._run_one(call_id, name, arguments), name=f"tool {name}"
        )

    async def _run_one(self, call_id: str, name: str, arguments: str) -> None:
        try:
            output, success = await self._output_of(name, arguments)
        finally:
            self._running -= 1
        self._deliver(call_id, output, success)

    async def _output_of(self, name: str, arguments: str) -> tuple[str, bool]:
        try:
            tool = self._registry.find(name)
            parsed = parse_arguments(tool, arguments)
            async with asyncio.timeout(tool.timeout_s):
                result = await tool.run(parsed)
        except ToolError as exc:
            return _failure(exc.user_message), False
        except TimeoutError:
            return _failure(f"{name} took too long and was stopped."), False
        except Exception:
            # A bug in a tool ends its call, not the conversation.
            logger.exception("tool %s broke", name)
            return _failure(ToolError.user_message), False
        return json.dumps({"success": True, "result": result}, ensure_ascii=False), True


def _failure(message: str) -> str:
    return json.dumps({"success": False, "error": message}, ensure_ascii=False)

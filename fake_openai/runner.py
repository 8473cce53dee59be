"""`WS /api/runs/{agent}`: a scripted agent runner, so that a demo has tools to call."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from aiohttp import WSMsgType, web

from fake_openai import runner_script as script

logger = logging.getLogger(__name__)

MAX_QUEUED_TASKS: Final = 20
MAX_MESSAGE_BYTES: Final = 1024 * 1024
UNKNOWN_AGENTS: Final = frozenset({"unknown", "nobody", "no_such_agent"})
"""Names this runner pretends not to know."""


def add_routes(app: web.Application) -> None:
    """Register the runner."""
    app.router.add_get("/api/runs/{agent}", serve)


async def serve(request: web.Request) -> web.StreamResponse:
    """One runner connection: one run at a time, until the socket closes."""
    socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE_BYTES)
    await socket.prepare(request)
    agent = request.match_info["agent"]
    if agent.lower() in UNKNOWN_AGENTS:
        missing = f"Agent '{agent}' not found."
        await socket.send_json(script.notice("team", missing, "error"))
        await socket.close(code=1003)
        return socket
    runner = _Runner(socket, script.dialect_of(agent))
    try:
        await runner.send(script.greeting(runner.dialect))
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await runner.handle(message.data)
    finally:
        await runner.stop()
    return socket


class _Runner:
    """The state of one connection: the run that is going on, and what waits."""

    def __init__(self, socket: web.WebSocketResponse, dialect: script.Dialect) -> None:
        self.dialect = dialect
        self._socket = socket
        self._waiting: deque[str] = deque(maxlen=MAX_QUEUED_TASKS)
        self._run: asyncio.Task[None] | None = None

    @property
    def _active(self) -> bool:
        return self._run is not None and not self._run.done()

    async def handle(self, text: str) -> None:
        """One message of the client."""
        try:
            message: Any = json.loads(text)
        except ValueError:
            await self._say("Malformed JSON.", "error")
            return
        kind = message.get("type") if isinstance(message, dict) else None
        data = str(message.get("data") or "") if isinstance(message, dict) else ""
        if kind == "run" and self.dialect == "team":
            await self._restart(data or script.DEFAULT_TASK)
        elif kind == "user_message":
            await self._add(data)
        elif kind == "cancel":
            await self._cancel()
        elif self.dialect == "claude" or not self._active:
            await self._say(f"Unknown command: {kind}", "error")

    async def send(self, steps: Iterable[script.Step]) -> None:
        """Send steps with their pauses."""
        for step in steps:
            if step.pause_s:
                await asyncio.sleep(step.pause_s)
            await self._socket.send_json(step.event)

    async def stop(self) -> None:
        """Cancel the run and wait for its end."""
        if self._run is not None:
            self._run.cancel()
            await asyncio.gather(self._run, return_exceptions=True)

    async def _restart(self, task: str) -> None:
        if self._active:
            await self.stop()
            await self._say("Run restarted with a new task.")
        self._start(task)

    async def _add(self, text: str) -> None:
        if not text:
            await self._say("Ignored empty message.")
        elif self._active:
            self._waiting.append(text)
            await self._say("Message queued for the next turn.")
        else:
            self._start(text)

    async def _cancel(self) -> None:
        if not self._active:
            await self._say("No active run to cancel.")
            return
        await self._say("Cancellation requested.")
        self._waiting.clear()
        await self.stop()
        await self._say("Agent run interrupted.")

    def _start(self, task: str) -> None:
        self._run = asyncio.create_task(self._work(task), name="scripted run")

    async def _work(self, task: str) -> None:
        try:
            await self.send(script.run(self.dialect, task))
            while self._waiting:
                task = self._waiting.popleft()
                await self.send(script.run(self.dialect, task))
        except ConnectionError:
            logger.debug("the runner's client went away")

    async def _say(self, message: str, kind: str = "system") -> None:
        await self._socket.send_json(script.notice(self.dialect, message, kind))

"""An agent runner over a real WebSocket that does what the test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from server.tools.runner import Runner

Reply = Callable[["Connection", dict[str, Any]], Awaitable[None]]


class Connection:
    """One socket of the runner."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def event(self, kind: str, **data: Any) -> None:
        """An event of the nested dialect."""
        await self._socket.send_json({"type": kind, "timestamp": "t", "data": data})

    async def claude_event(self, kind: str, **data: Any) -> None:
        """An event of the Claude Code dialect."""
        await self._socket.send_json(
            {"type": kind, "source": "claude_code", "data": data}
        )

    async def text(self, text: str) -> None:
        """Anything at all."""
        await self._socket.send_str(text)

    async def close(self, code: int = 1000) -> None:
        """End the socket."""
        await self._socket.close(code=code)


class ScriptedRunner:
    """Counts sockets, records commands, answers with `reply`."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.url = ""
        self.commands: list[dict[str, Any]] = []
        self.n_connections = 0
        self.n_open = 0
        self.cancelled = asyncio.Event()
        self.knocked = asyncio.Event()
        """Somebody wants to open a socket."""
        self.admits = asyncio.Event()
        """Cleared: whoever knocks has to wait."""
        self.admits.set()

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """One connection."""
        socket = web.WebSocketResponse()
        self.knocked.set()
        await self.admits.wait()
        await socket.prepare(request)
        self.n_connections += 1
        self.n_open += 1
        connection = Connection(socket)
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
                command = json.loads(message.data)
                self.commands.append(command)
                if command["type"] == "cancel":
                    self.cancelled.set()
                await self._reply(connection, command)
        finally:
            self.n_open -= 1
        return socket


@asynccontextmanager
async def scripted_runner(
    reply: Reply, *, port: int | None = None
) -> AsyncIterator[ScriptedRunner]:
    """A runner at `runner.url`, which ends in `/api/runs/{agent_name}`."""
    runner = ScriptedRunner(reply)
    app = web.Application()
    app.router.add_get("/api/runs/{agent_name}", runner.handle)
    server = TestServer(app, port=port)
    await server.start_server()
    runner.url = f"ws://127.0.0.1:{server.port}/api/runs/{{agent_name}}"
    try:
        yield runner
    finally:
        await server.close()


@asynccontextmanager
async def connected(
    reply: Reply, **options: Any
) -> AsyncIterator[tuple[Runner, ScriptedRunner]]:
    """Our end of a runner, and the runner that answers with `reply`."""
    async with scripted_runner(reply) as scripted, aiohttp.ClientSession() as client:
        url = scripted.url.replace("{agent_name}", "Team")
        runner = Runner(client, url, title="agent team", connect_timeout_s=2, **options)
        try:
            yield runner, scripted
        finally:
            await runner.close()


async def a_whole_run(connection: Connection, command: dict[str, Any]) -> None:
    """What the nested runner sends for one task, with its noise."""
    if command["type"] != "user_message":
        return
    await connection.event("system", message="Initiating agent run with task: x…")
    await connection.event("textmessage", source="user", content=command["data"])
    await connection.event(
        "toolcallrequestevent",
        source="Engineer",
        content=[{"id": "1", "name": "list_dir", "arguments": "{}"}],
    )
    await connection.text("not json at all")
    await connection.event("textmessage", source="Engineer", content="Four folders.")
    await connection.event(
        "taskresult",
        stop_reason="done",
        messages=[{"source": "Engineer", "content": "Four folders."}],
    )
    await connection.event("system", message="Agent run finished.")


async def never(connection: Connection, command: dict[str, Any]) -> None:
    """What a runner sends for a task that ends only when it is cancelled."""
    if command["type"] == "cancel":
        await connection.event("system", message="Agent run interrupted.")

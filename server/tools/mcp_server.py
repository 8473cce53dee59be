"""One MCP server's tools, through a child process that is restarted when it breaks."""

import asyncio
import json
import logging
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psutil

from server import foreign_json
from server.errors import ToolError
from server.tools.claude_cli import child_environment
from server.tools.claude_events import LineSplitter
from server.tools.config import McpServerConfig, McpToolChoice
from server.tools.registry import Arguments, Function, Report, Tool
from server.tools.runner_events import Said
from server.tools.tool_file import resolve

logger = logging.getLogger(__name__)

MAX_LINE_BYTES = 4 << 20
"""The longest honest line is a list of 128 tools, or a result of 100 000 characters."""
CHUNK_BYTES = 64 << 10
PING_INTERVAL_S = 5.0
PING_TIMEOUT_S = 10.0
READY_PATIENCE_S = 3.0
"""How long a call waits for a server that is just starting again."""
FIRST_RESTART_S = 1.0
MAX_RESTART_S = 60.0
HEALTHY_AFTER_S = 60.0
"""A server that lived so long starts again at once when it dies."""
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")


def name_of(server: str, tool: str) -> str:
    """What a tool of a server is called here."""
    return _NOT_IN_A_NAME.sub("_", f"{server}_{tool}")[:64]


class _BrokenError(Exception):
    """The child is of no use any more; the text says why."""


class McpServer:
    """Keeps one server running; its tools stay known while it restarts."""

    def __init__(self, config: McpServerConfig, *, timeout_s: float) -> None:
        """
        Args:
            config: the entry of the tools file.
            timeout_s: of its tools, when the entry has none.
        """
        self._config = config
        self._timeout_s = timeout_s
        self._listed: list[Mapping[str, Any]] = []
        self._child: _Child | None = None
        self._ready = asyncio.Event()
        self._first_try_over = asyncio.Event()
        self.n_starts = 0

    @property
    def name(self) -> str:
        """As configured."""
        return self._config.name

    @property
    def is_ready(self) -> bool:
        """Whether its tools can be called now."""
        return self._ready.is_set()

    async def run(self, stop: asyncio.Event) -> None:
        """Start it, and again whenever it breaks, until `stop`."""
        loop = asyncio.get_running_loop()
        stopping = asyncio.create_task(stop.wait(), name="mcp stop")
        pause_s = FIRST_RESTART_S
        try:
            while not stop.is_set():
                began_s = loop.time()
                child = _Child(self._config)
                living = asyncio.create_task(self._live(child), name="mcp server")
                try:
                    await asyncio.wait(
                        (living, stopping), return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    # Not cancelled: a killed process must still be waited for.
                    child.kill()
                    await asyncio.wait({living})
                if loop.time() - began_s > HEALTHY_AFTER_S:
                    pause_s = FIRST_RESTART_S
                await asyncio.wait({stopping}, timeout=pause_s)
                pause_s = min(2 * pause_s, MAX_RESTART_S)
        finally:
            stopping.cancel()
            await asyncio.wait({stopping})

    async def wait_listed(self) -> None:
        """Wait until the first attempt to start has succeeded or failed."""
        await self._first_try_over.wait()

    def tools(self) -> list[Tool]:
        """Its tools, as they were listed last."""
        tools: dict[str, Tool] = {}
        for entry in self._listed:
            choice = self._config.tools.get(entry["name"], McpToolChoice())
            if self._config.tools and entry["name"] not in self._config.tools:
                continue
            tool = self._tool(entry, choice)
            if tool.name in tools:
                logger.warning("mcp %s: two tools %s", self.name, tool.name)
            tools.setdefault(tool.name, tool)
        return list(tools.values())

    def _tool(self, entry: Mapping[str, Any], choice: McpToolChoice) -> Tool:
        config = self._config
        return Tool(
            name_of(config.name, entry["name"]),
            entry["description"],
            self._function(entry["name"]),
            entry["parameters"],
            choice.policy or config.policy,
            choice.timeout_s or config.timeout_s or self._timeout_s,
            config.background_after_s,
            config.max_result_chars,
            config.max_running,
        )

    def _function(self, name: str) -> Function:
        async def run(arguments: Arguments, report: Report) -> str:
            try:
                async with asyncio.timeout(READY_PATIENCE_S):
                    await self._ready.wait()
            except TimeoutError:
                raise self._unavailable() from None
            child = self._child
            if child is None:
                raise self._unavailable()
            return await child.call(name, arguments, report)

        return run

    def _unavailable(self) -> ToolError:
        message = f"The tools of {self.name} are not available just now."
        return ToolError(message, user_message=message)

    async def _live(self, child: "_Child") -> None:
        """One life of the child. Ends soon after it was killed."""
        self.n_starts += 1
        try:
            await child.start()
            self._listed = await child.tools()
            self._child = child
            self._ready.set()
            self._first_try_over.set()
            logger.info("mcp %s: %s tools", self.name, len(self._listed))
            for name in self._config.tools.keys() - {e["name"] for e in self._listed}:
                logger.warning("mcp %s offers no tool %s", self.name, name)
            await child.serve()
        except (_BrokenError, OSError) as exc:
            logger.warning("mcp %s broke: %s", self.name, exc)
        finally:
            self._ready.clear()
            self._first_try_over.set()
            self._child = None
            await child.end(self._unavailable())


class _Child:
    """One child process: calls out, results in."""

    def __init__(self, config: McpServerConfig) -> None:
        self._config = config
        self._process: asyncio.subprocess.Process | None = None
        self._lines = LineSplitter(MAX_LINE_BYTES)
        self._calls: dict[int, tuple[asyncio.Future[str], Report]] = {}
        self._n_calls = 0
        self._pong = asyncio.Event()
        self._is_killed = False

    async def start(self) -> None:
        """Start the process and tell it whom to talk to."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server.tools.mcp_child"),
            env=child_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        if self._is_killed:
            self.kill()
        config = self._config
        self._send(
            {
                "config": {
                    "command": [resolve(part) for part in config.command],
                    "env": {k: resolve(v) for k, v in config.env.items()},
                    "working_dir": str(config.working_dir or "") or None,
                    "url": resolve(config.url),
                    "headers": {k: resolve(v) for k, v in config.headers.items()},
                    "start_timeout_s": config.start_timeout_s,
                    "max_tools": config.max_tools,
                }
            }
        )

    async def tools(self) -> list[Mapping[str, Any]]:
        """What it offers; raises _BrokenError when it cannot be used."""
        # The child keeps the time by itself; this is for a child that hangs.
        try:
            async with asyncio.timeout(self._config.start_timeout_s + PING_TIMEOUT_S):
                while True:
                    for message in await self._messages():
                        if "tools" in message:
                            return list(message["tools"])
                        self._handle(message)
        except TimeoutError:
            raise _BrokenError("it did not start in time") from None

    async def serve(self) -> None:
        """Pass results on until it breaks; raises _BrokenError then."""
        async with asyncio.TaskGroup() as tasks:
            pinging = tasks.create_task(self._ping(), name="mcp ping")
            try:
                while True:
                    for message in await self._messages():
                        self._handle(message)
            except _BrokenError as exc:
                pinging.cancel()
                broken = exc
        raise broken

    async def call(self, tool: str, arguments: Arguments, report: Report) -> str:
        """One call; cancelling it cancels it there too. Raises ToolError."""
        self._n_calls += 1
        number = self._n_calls
        result: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._calls[number] = (result, report)
        self._send({"call": number, "tool": tool, "arguments": dict(arguments)})
        try:
            return await result
        except asyncio.CancelledError:
            self._send({"cancel": number})
            raise
        finally:
            del self._calls[number]

    async def end(self, error: ToolError) -> None:
        """Kill it with all it has started; who waits gets the error."""
        for result, _ in self._calls.values():
            if not result.done():
                result.set_exception(error)
        process = self._process
        if process is None:
            return
        self.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]

    def kill(self) -> None:
        """End the process and everything it has started, now or once it is there."""
        self._is_killed = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        # Its server has a session of its own, so the process group is not enough.
        family: list[psutil.Process] = []
        with suppress(psutil.Error):
            family = psutil.Process(process.pid).children(recursive=True)
        for victim in family:
            with suppress(psutil.Error):
                victim.send_signal(signal.SIGKILL)
        with suppress(ProcessLookupError):
            process.kill()

    async def _ping(self) -> None:
        """Kill a child whose loop stands still: reading ends, and all is over."""
        while True:
            await asyncio.sleep(PING_INTERVAL_S)
            self._pong.clear()
            self._send({"ping": 1})
            try:
                async with asyncio.timeout(PING_TIMEOUT_S):
                    await self._pong.wait()
            except TimeoutError:
                self.kill()
                return

    async def _messages(self) -> list[Mapping[str, Any]]:
        assert self._process is not None
        assert self._process.stdout is not None
        chunk = await self._process.stdout.read(CHUNK_BYTES)
        if not chunk:
            raise _BrokenError("its process ended")
        try:
            return [foreign_json.loads(line) for line in self._lines.feed(chunk)]
        except ValueError as exc:
            raise _BrokenError("it sent what is not JSON") from exc

    def _handle(self, message: Mapping[str, Any]) -> None:
        match message:
            case {"result": number, "text": str(text), "is_error": is_error}:
                result, _ = self._calls.get(number, (None, None))
                if result is not None and not result.done():
                    if is_error:
                        result.set_exception(ToolError(text, user_message=text))
                    else:
                        result.set_result(text)
            case {"progress": number, "text": str(text)}:
                if number in self._calls:
                    self._calls[number][1](Said(self._config.name, text))
            case {"pong": _}:
                self._pong.set()
            case {"broken": str(why)}:
                raise _BrokenError(why)

    def _send(self, message: Mapping[str, object]) -> None:
        assert self._process is not None
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing():
            # Arguments are bounded, calls are few: this does not pile up.
            stdin.write(json.dumps(message).encode() + b"\n")

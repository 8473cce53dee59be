"""The process that talks to one MCP server, so that no server can harm a call.

Run as `python -m server.tools.mcp_child`. Whatever an MCP server sends (gigabytes,
lines without end, deeply nested JSON) is parsed here, in a process that is watched and
thrown away, never on the loop that moves audio. It speaks short lines to its parent:

in    {"config": {...}} first; {"call": n, "tool", "arguments"}; {"cancel": n};
      {"ping": n}
out   {"tools": [...]} once ready; {"result": n, "text", "is_error"};
      {"progress": n, "text"}; {"pong": n}; {"broken": "why"} last
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TextIO

import psutil

from server import foreign_json

MAX_RSS_BYTES = 384 << 20
WATCH_INTERVAL_S = 0.25
MAX_PAGES = 10
MAX_DESCRIPTION_CHARS = 1_000
MAX_SCHEMA_CHARS = 16_000
MAX_TEXT_CHARS = 100_000
MAX_CALLS = 16

Emit = Callable[[Mapping[str, object]], None]


def main() -> None:
    """Serve until standard input ends."""
    emit = _emitter(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    # Nothing but our lines may reach the parent.
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    os.dup2(sys.stdout.fileno(), 1)
    try:
        asyncio.run(_serve(emit))
    except KeyboardInterrupt:
        pass
    except BaseException as exc:  # noqa: BLE001
        # The end of this process: its parent must learn why, in one line.
        emit({"broken": _why(exc)})
        _end(1)
    _end(0)


def _emitter(out: TextIO) -> Emit:
    lock = threading.Lock()

    def emit(message: Mapping[str, object]) -> None:
        with lock, suppress(OSError, ValueError):
            out.write(json.dumps(message) + "\n")
            out.flush()

    return emit


async def _serve(emit: Emit) -> None:
    lines = _lines()
    config = json.loads(await anext(lines))["config"]
    watched = (emit, bool(config["command"]))
    threading.Thread(target=_watch, args=watched, daemon=True).start()
    async with asyncio.timeout(config["start_timeout_s"]) as starting:
        async with _connected(config) as client:
            emit({"tools": await _listed(client, config["max_tools"])})
            starting.reschedule(None)
            await _Calls(client, emit).run(lines)


@asynccontextmanager
async def _connected(config: Mapping[str, Any]) -> AsyncIterator[Any]:
    from mcp import Client, StdioServerParameters, stdio_client

    if config["command"]:
        command, *arguments = config["command"]
        parameters = StdioServerParameters(
            command=command,
            args=arguments,
            env=config["env"],
            cwd=config["working_dir"],
            encoding_error_handler="replace",
        )
        with open(os.devnull, "w", encoding="utf-8") as errors:  # noqa: ASYNC230
            transport = stdio_client(parameters, errlog=errors)
            async with Client(transport, cache=None) as client:
                yield client
        return
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    async with httpx2.AsyncClient(
        headers=config["headers"], timeout=httpx2.Timeout(30, read=600)
    ) as http:
        transport = streamable_http_client(config["url"], http_client=http)
        async with Client(transport, cache=None) as client:
            yield client


async def _listed(client: Any, max_tools: int) -> list[dict[str, object]]:
    tools: list[dict[str, object]] = []
    cursor = None
    for _ in range(MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        for tool in page.tools:
            if len(tools) < max_tools:
                tools.append(_described(tool))
        cursor = page.next_cursor
        if not cursor:
            break
    return tools


def _described(tool: Any) -> dict[str, object]:
    schema = tool.input_schema
    if not _is_usable(schema):
        schema = {"type": "object"}
    schema = {k: v for k, v in schema.items() if k not in ("$schema", "$id")}
    schema.setdefault("properties", {})
    return {
        "name": str(tool.name)[:128],
        "description": str(tool.description or tool.name)[:MAX_DESCRIPTION_CHARS],
        "parameters": schema,
    }


def _is_usable(schema: object) -> bool:
    """Whether it can be part of a session's configuration."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return False
    try:
        return len(json.dumps(schema, allow_nan=False)) <= MAX_SCHEMA_CHARS
    except ValueError:
        return False  # not a number, and then no session would be taken


class _Calls:
    """The calls that are under way."""

    def __init__(self, client: Any, emit: Emit) -> None:
        self._client = client
        self._emit = emit
        self._running: dict[int, asyncio.Task[None]] = {}

    async def run(self, lines: AsyncIterator[str]) -> None:
        """Take messages until there are no more."""
        async with asyncio.TaskGroup() as tasks:
            async for line in lines:
                message = json.loads(line)
                if "call" in message and len(self._running) < MAX_CALLS:
                    number = message["call"]
                    begun = tasks.create_task(self._call(message))
                    self._running[number] = begun
                    # Not at its own end: one taken back at once never begins.
                    begun.add_done_callback(partial(self._forget, number))
                elif "call" in message:
                    self._result(message["call"], "Too many calls at once.", True)
                elif "cancel" in message:
                    task = self._running.get(message["cancel"])
                    if task is not None:
                        task.cancel()
                elif "ping" in message:
                    self._emit({"pong": message["ping"]})
            for task in list(self._running.values()):
                task.cancel()

    async def _call(self, message: Mapping[str, Any]) -> None:
        number = message["call"]

        async def progress(done: float, total: float | None, text: str | None) -> None:
            words = text or (f"{done:g} of {total:g}" if total else f"{done:g}")
            self._emit({"progress": number, "text": words[:1_000]})

        try:
            result = await self._client.call_tool(
                message["tool"], message["arguments"], progress_callback=progress
            )
            self._result(number, _text_of(result), bool(result.is_error))
        except Exception as exc:  # noqa: BLE001
            # Whatever a stranger's server did: it is the end of this call only.
            self._result(number, _why(exc), True)

    def _forget(self, number: int, _: asyncio.Task[None]) -> None:
        self._running.pop(number, None)

    def _result(self, number: int, text: str, is_error: bool) -> None:
        self._emit(
            {"result": number, "text": text[:MAX_TEXT_CHARS], "is_error": is_error}
        )


def _text_of(result: Any) -> str:
    parts = [_block_text(block) for block in result.content[:1_000]]
    text = "\n".join(part for part in parts if part)
    if not text and result.structured_content is not None:
        text = foreign_json.dumps(result.structured_content)
    return text or "Done."


def _block_text(block: Any) -> str:
    if block.type == "text":
        return str(block.text)[:MAX_TEXT_CHARS]
    if block.type == "resource":
        return str(getattr(block.resource, "text", ""))[:MAX_TEXT_CHARS]
    return f"({block.type})"


def _why(exc: BaseException) -> str:
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    if isinstance(exc, TimeoutError):
        return "it did not answer in time"
    return f"{type(exc).__name__}: {exc}"[:300]


async def _lines() -> AsyncIterator[str]:
    """Lines of standard input; the parent keeps them short."""
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    while line := await reader.readline():
        yield line.decode()


def _watch(emit: Emit, has_server_process: bool) -> None:
    """A thread: notices what the event loop may be too busy to notice."""
    me = psutil.Process()
    had_children = False
    while True:
        time.sleep(WATCH_INTERVAL_S)
        with suppress(psutil.Error):
            alive = [
                child
                for child in me.children()
                if child.status() != psutil.STATUS_ZOMBIE
            ]
            had_children = had_children or bool(alive)
            if has_server_process and had_children and not alive:
                emit({"broken": "the server process ended"})
                _end(1)
            if me.memory_info().rss > MAX_RSS_BYTES:
                emit({"broken": "the server sent more than can be held"})
                _end(1)


def _end(status: int) -> None:
    """Leave at once, and take everything that was started here along."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.send_signal(signal.SIGKILL)
    os._exit(status)


if __name__ == "__main__":
    main()

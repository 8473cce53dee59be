"""Tools of MCP servers, good and bad ones, in processes of their own."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from server.errors import ToolError
from server.tools import mcp_server
from server.tools.config import McpServerConfig
from server.tools.mcp_server import McpServer
from server.tools.registry import Tool
from server.tools.runner_events import RunnerEvent, Said
from tests.support import mcp_stand_in
from tests.support.waiting import eventually

STAND_IN = [sys.executable, mcp_stand_in.__file__]


@asynccontextmanager
async def running(kind: str, *more: str, **options: Any) -> AsyncIterator[McpServer]:
    options.setdefault("command", [*STAND_IN, kind, *more])
    options.setdefault("start_timeout_s", 45)  # a busy test machine
    config = McpServerConfig(name="files", policy="allow", **options)
    server, stop = McpServer(config, timeout_s=10), asyncio.Event()
    task = asyncio.create_task(server.run(stop))
    await server.wait_listed()
    try:
        yield server
    finally:
        stop.set()
        await task


def find(server: McpServer, name: str) -> Tool:
    return next(tool for tool in server.tools() if tool.name == name)


async def call(server: McpServer, name: str, **arguments: Any) -> str:
    async with asyncio.timeout(30):
        return await find(server, name).run(arguments, lambda _: None)


async def test_everything_a_good_server_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """One server, because starting one takes a second."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-strangers")
    monkeypatch.setenv("A_TOKEN", "s3cret")
    reported: list[RunnerEvent] = []
    env = {"TOKEN": "${env:A_TOKEN}"}
    async with running("good", env=env, max_result_chars=1_000) as server:
        assert await call(server, "files_echo", text="grüß") == "grüß"
        echo = find(server, "files_echo")
        assert echo.description == "Say the same."
        assert echo.parameters["required"] == ["text"]
        assert echo.policy == "allow"

        assert await find(server, "files_work").run({"steps": 2}, reported.append)
        assert reported == [Said("files", "step 1"), Said("files", "step 2")]

        with pytest.raises(ToolError) as failed:
            await call(server, "files_fail")
        assert "no such file" in failed.value.user_message

        assert len(await call(server, "files_huge")) <= 100_000

        seen = json.loads(await call(server, "files_environment"))
        assert "TOKEN" in seen
        assert not [n for n in seen if n.startswith(("OPENAI", "VOICEBRIDGE"))]

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await find(server, "files_wait").run({"seconds": 60}, lambda _: None)
        answers = await asyncio.gather(
            *(call(server, "files_echo", text=str(n)) for n in range(8))
        )
        assert answers == [str(n) for n in range(8)]


async def test_a_server_that_dies_in_a_call_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mcp_server, "FIRST_RESTART_S", 0.05)
    monkeypatch.setattr(mcp_server, "READY_PATIENCE_S", 25)
    async with running("good") as server:
        with pytest.raises(ToolError):
            await call(server, "files_die")
        await eventually(lambda: not server.is_ready)

        assert await call(server, "files_echo", text="back") == "back"
        assert server.n_starts == 2


async def test_streamable_http_works_like_stdio() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(  # noqa: ASYNC220
        [*STAND_IN, "good", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await eventually(lambda: _listens(port), timeout_s=15)
        url = f"http://127.0.0.1:{port}/mcp"
        async with running("", command=[], url=url) as server:
            assert await call(server, "files_echo", text="hi") == "hi"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_bad_servers_have_no_tools_and_harm_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mcp_server, "FIRST_RESTART_S", 60)
    before = _descendants()
    busy_ms = 0.0

    async def watch() -> None:
        """CPU time between two looks: a busy machine does not count."""
        nonlocal busy_ms
        before_s = time.thread_time()
        while True:
            await asyncio.sleep(0.005)
            now_s = time.thread_time()
            busy_ms = max(busy_ms, (now_s - before_s) * 1000)
            before_s = now_s

    watching = asyncio.create_task(watch())
    async with AsyncExitStack() as stack:
        servers = await asyncio.gather(
            *(
                stack.enter_async_context(running(kind, start_timeout_s=2))
                for kind in ("silent", "dead", "flood", "garbage")
            )
        )
        assert [server.tools() for server in servers] == [[]] * 4
        assert not any(server.is_ready for server in servers)
    watching.cancel()

    await eventually(lambda: _descendants() <= before)
    assert busy_ms < 100


def _descendants() -> set[int]:
    return {
        p.pid
        for p in psutil.Process().children(recursive=True)
        if p.status() != psutil.STATUS_ZOMBIE
    }


async def test_hostile_lists_are_cut_to_what_a_model_can_take() -> None:
    schema = {"type": "object", "properties": {}}
    tools = [
        {"name": "a b", "inputSchema": schema},
        {"name": "a/b", "description": "clashes", "inputSchema": schema},
        {"name": "long" * 40, "description": "x" * 9_000, "inputSchema": schema},
        {
            "name": "big",
            "inputSchema": {**schema, "description": "y" * 40_000},
        },
        {"name": "odd", "inputSchema": {**schema, "default": float("nan")}},
        *({"name": f"n{n}", "inputSchema": schema} for n in range(50)),
    ]
    async with running("names", json.dumps(tools), max_tools=10) as server:
        listed = server.tools()

    names = [tool.name for tool in listed]
    assert len(names) == 9, "ten were taken, two of them have one name"
    assert names[0] == "files_a_b"
    assert all(len(name) <= 64 for name in names)
    assert len(listed[1].description) == 1_000
    assert listed[2].parameters == {"type": "object", "properties": {}}
    assert listed[3].parameters == {"type": "object", "properties": {}}, "not a number"


async def test_only_chosen_tools_are_offered_with_their_own_policy() -> None:
    tools = [{"name": n, "inputSchema": {"type": "object"}} for n in ("r", "w", "x")]
    options = {"tools": {"r": {}, "w": {"policy": "confirm", "timeout_s": 5}}}
    async with running("names", json.dumps(tools), **options) as server:
        offered = {t.name: (t.policy, t.timeout_s) for t in server.tools()}

    assert offered == {"files_r": ("allow", 10), "files_w": ("confirm", 5)}


async def test_the_end_of_the_parent_is_the_end_of_the_server(tmp_path: Path) -> None:
    """Also a parent that is killed leaves nothing behind."""
    script = (
        "import asyncio,sys\n"
        "from server.tools.config import McpServerConfig\n"
        "from server.tools.mcp_server import McpServer\n"
        "async def main():\n"
        "    command, patience_s = sys.argv[1:], 45\n"
        "    config = McpServerConfig(\n"
        "        name='f', command=command, start_timeout_s=patience_s)\n"
        "    server = McpServer(config, timeout_s=5)\n"
        "    task = asyncio.create_task(server.run(asyncio.Event()))\n"
        "    await server.wait_listed()\n"
        "    print(len(server.tools()), flush=True)\n"
        "    await task\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, *STAND_IN, "good"),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(mcp_server.__file__).parents[2],
        env=dict(os.environ),
    )
    assert process.stdout is not None
    assert int(await process.stdout.readline()) > 0
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 2

    process.kill()
    await process.wait()

    await eventually(
        lambda: (
            not any(
                p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family
            )
        )
    )

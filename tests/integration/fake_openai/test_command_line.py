"""`python -m fake_openai`: announce, serve, end with the parent, say what is wrong."""

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

import fake_openai

ROOT = Path(fake_openai.__file__).parents[1]


@asynccontextmanager
async def started(*args: str) -> AsyncIterator[Process]:
    """The command in a process of its own; killed if it is still there at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fake_openai", *args),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def announced_url(process: Process) -> str:
    """The url of the first line."""
    assert process.stdout is not None
    async with asyncio.timeout(30):
        line = json.loads(await process.stdout.readline())
    assert line["event"] == "listening"
    assert line["pid"] == process.pid
    return str(line["url"])


async def test_it_announces_its_address_and_ends_when_its_parent_lets_go() -> None:
    async with started("--port", "0", "--announce", "--exit-with-parent") as process:
        url = await announced_url(process)
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{url}/fake/v1/health") as response,
        ):
            health = await response.json()
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(30):
            status = await process.wait()

    assert health["status"] == "ok"
    assert health["scenario"] == "demo"
    assert status == 0


async def test_it_ends_on_sigterm() -> None:
    async with started("--port", "0", "--announce") as process:
        await announced_url(process)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await process.wait() == 0


@pytest.mark.parametrize(
    ("args", "status", "says"),
    [
        (("--scenario", "nowhere.yaml"), 2, "nowhere.yaml"),
        (("--port", "PORT"), 1, "cannot listen on 127.0.0.1"),
    ],
)
async def test_it_says_why_it_cannot_start(
    args: tuple[str, ...], status: int, says: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        given = [port if arg == "PORT" else arg for arg in args]
        async with started(*given) as process, asyncio.timeout(30):
            _, stderr = await process.communicate()

    assert process.returncode == status
    assert says in stderr.decode()
    assert "Traceback" not in stderr.decode()

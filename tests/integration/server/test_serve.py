"""The program as a person starts it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.integration.server.conftest import eventually


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`voicebridge serve` on a free port, and its URL."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "server.cli", "serve"),
            *("--port", "0", "--announce", *arguments),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())["url"]
    finally:
        process.kill()
        process.communicate()


async def fake_url_of(url: str) -> str:
    """Where the embedded fake of a bridge listens, once it does."""
    found: list[str] = []

    async def is_there() -> bool:
        async with httpx.AsyncClient() as http:
            model = (await http.get(f"{url}/healthz")).json()["model"]
        found.append(model["fake_url"] or "")
        return bool(model["fake_url"])

    await eventually(is_there, timeout_s=30)
    return found[-1]


async def is_gone(url: str) -> bool:
    """Whether nobody listens there any more."""
    try:
        async with httpx.AsyncClient() as http:
            await http.get(f"{url}/fake/v1/health")
    except httpx.TransportError:
        return True
    return False


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
async def test_it_serves_without_a_key_and_ends_when_told(end: signal.Signals) -> None:
    with serving() as (process, url):
        fake_url = await fake_url_of(url)
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            page = await http.get("/")
            opened = await http.post("/api/realtime/session", json={})
        process.send_signal(end)
        _, log = process.communicate(timeout=30)

    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]
    assert "server" not in page.headers
    assert opened.json()["status"] == "connected"
    assert process.returncode in (0, -end)
    assert b"Traceback" not in log
    assert b"reason=shutdown" in log
    for secret in (b"ek_", b"ice-pwd", b"sk-"):
        assert secret not in log
    await eventually(lambda: is_gone(fake_url))


async def test_killed_outright_it_leaves_no_fake_behind() -> None:
    with serving() as (process, url):
        fake_url = await fake_url_of(url)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    await eventually(lambda: is_gone(fake_url))

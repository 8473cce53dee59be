"""The end with grace: calls go on for a while, none begin, and a second signal ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.integration.server.conftest import PATIENCE_S, FakeModel
from tests.support.browser import Browser, browser


@asynccontextmanager
async def in_a_call(
    fake: FakeModel, drain_s: float
) -> AsyncIterator[tuple[subprocess.Popen[bytes], httpx.AsyncClient, Browser, str]]:
    """A bridge in a process of its own, and somebody who talks through it."""
    process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs here yet
        [sys.executable, "-m", "server.cli", "serve", "--port", "0", "--announce"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": f"{fake.url}/v1",
            "VOICEBRIDGE_DRAIN_S": str(drain_s),
            "VOICEBRIDGE_WORKERS": "0",
        },
    )
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as http:
            opened = await http.post("/api/realtime/session", json={})
            session_id = opened.json()["session_id"]
            async with browser(http, session_id) as caller:
                yield process, http, caller, session_id
    finally:
        process.kill()
        process.communicate()


async def ended(process: subprocess.Popen[bytes]) -> None:
    """Wait until the process is gone."""
    await asyncio.to_thread(process.wait, PATIENCE_S)


def code_of(response: httpx.Response) -> tuple[int, str, bool]:
    error: dict[str, Any] = response.json()["error"]
    return response.status_code, error["code"], error["retryable"]


async def test_a_call_is_let_finish_and_none_begins(fake: FakeModel) -> None:
    async with in_a_call(fake, 30.0) as (process, http, caller, session_id):
        assert (await http.get("/readyz")).status_code == 200
        process.send_signal(signal.SIGTERM)
        told = await caller.message("session")
        refused = await http.post("/api/realtime/session", json={})
        await caller.pc.setLocalDescription(await caller.pc.createOffer())
        joining = await http.post(
            f"/api/realtime/sdp/{session_id}",
            content=caller.pc.localDescription.sdp,
            headers={"Content-Type": "application/sdp"},
        )
        ready = await http.get("/readyz")
        caller.send(type="ping", t=1)
        assert await caller.message("pong")
        caller.send(type="bye")
        await ended(process)

    assert told["state"] == "draining"
    assert told["message"]
    for answer in (refused, joining):
        assert code_of(answer) == (503, "draining", True)
        assert answer.headers["retry-after"]
    assert ready.status_code == 503
    assert ready.json()["ready"] is False
    assert process.returncode in (0, -signal.SIGTERM)


async def test_a_call_that_goes_on_is_ended_in_words(fake: FakeModel) -> None:
    async with in_a_call(fake, 0.5) as (process, _, caller, _):
        process.send_signal(signal.SIGTERM)
        last = await caller.message("ended")
        await ended(process)

    assert last["reason"] in ("draining", "shutdown")


async def test_a_second_signal_ends_it_at_once(fake: FakeModel) -> None:
    async with in_a_call(fake, PATIENCE_S * 4) as (process, _, caller, _):
        process.send_signal(signal.SIGTERM)
        await caller.message("session")
        process.send_signal(signal.SIGTERM)
        await caller.message("ended")
        await ended(process)  # long before the calls' time is over

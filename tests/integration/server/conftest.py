"""A real bridge in this process, a real fake model in another, real peers between."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import signal
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from server.app import create_app
from server.settings import load_settings
from tests.support.browser import offer_loopback_only
from tests.support.tones import Heard

PATIENCE_S = 30.0
"""For what comes at once on an idle machine."""
ANN = "ann-key-0123456789abcdef"
BOB = "bob-key-0123456789abcdef"
SECRET = "token-secret-of-this-test-0123456789"
"""What the bridge with owners signs its tokens with."""
SDP = {"Content-Type": "application/sdp"}
SESSION_TOKEN = "X-Voicebridge-Session-Token"


class FakeModel:
    """`python -m fake_openai` as a child, and its control API."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "fake_openai", "--port", "0", "--announce"),
                *("--exit-with-parent", *arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        announcement = self.process.stdout.readline()
        if not announcement:
            self.close()
            raise RuntimeError("the fake model did not start; see its error above")
        self.url: str = json.loads(announcement)["url"]

    def kill(self) -> None:
        """As a crash: no goodbye on any connection."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=30)

    def close(self) -> None:
        """End it."""
        if self.process.poll() is None:
            self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    async def call(self, tag: str) -> dict[str, Any]:
        """The newest call whose instructions contain a tag."""
        return (await self.get(f"/fake/v1/calls?tag={tag}")).json()[-1]

    async def heard(self, tag: str, hz: Sequence[float], seconds: float) -> Heard:
        """Tones in what came from a call that still lives.

        On a busy machine its last packets may wait in a socket for a while; what was
        lost on the way never comes, so then this gives what there is.
        """
        call = await self.call(tag)
        heard = Heard(np.zeros(0, np.int16), hz)

        async def is_whole() -> bool:
            nonlocal heard
            wav = await self.get(f"/fake/v1/calls/{call['call_id']}/audio/input.wav")
            heard = Heard(read_wav(wav.content), hz)
            return all(heard.sounding_s(one) >= 0.99 * seconds for one in hz)

        with suppress(TimeoutError):
            await eventually(is_whole, timeout_s=3)
        return heard

    async def events(self, tag: str, direction: str) -> list[dict[str, Any]]:
        """Events of a call, oldest first; "in" is what the bridge sent."""
        call = await self.call(tag)
        records = (await self.get(f"/fake/v1/calls/{call['call_id']}/events")).json()
        return [r["event"] for r in records if r["direction"] == direction]

    async def get(self, path: str) -> httpx.Response:
        """One request to the control API."""
        async with httpx.AsyncClient(base_url=self.url) as http:
            response = await http.get(path)
        response.raise_for_status()
        return response


@pytest.fixture(autouse=True)
def loopback_only() -> None:
    """Nothing leaves this machine."""
    offer_loopback_only()


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeModel]:
    """A fake model shared by the tests of a module."""
    model = FakeModel()
    yield model
    model.close()


@pytest.fixture
def doomed_fake() -> Iterator[FakeModel]:
    """A fake model of its own for a test that kills it."""
    model = FakeModel()
    yield model
    model.close()


def settings_for(url: str, **overrides: Any) -> Any:
    """Settings that point at a fake; a starved machine refuses nobody."""
    settings: dict[str, Any] = {
        "openai_base_url": f"{url}/v1",
        "openai_api_key": "sk-test-secret",
        "workers": 0,
        "worker_cpu_budget": 1_000,
        "worker_lag_budget_ms": 60_000,
    }
    return load_settings(env_file=None, **settings | overrides)


class Bridge:
    """A running bridge and an HTTP client for it."""

    def __init__(self, app: FastAPI, http: httpx.AsyncClient) -> None:
        self.app = app
        self.http = http

    async def open(self, **body: Any) -> str:
        """Open a session; its id."""
        response = await self.http.post("/api/realtime/session", json=body)
        assert response.status_code == 200, response.text
        return str(response.json()["session_id"])

    async def health(self) -> dict[str, Any]:
        """The body of /healthz."""
        body: dict[str, Any] = (await self.http.get("/healthz")).json()
        return body

    async def has(self, **counts: int) -> bool:
        """Whether /healthz counts exactly these."""
        health = await self.health()
        return all(health[name] == count for name, count in counts.items())


@asynccontextmanager
async def running_bridge(settings: Any) -> AsyncIterator[Bridge]:
    """The application with its lifespan, without a socket of its own."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://bridge") as http,
    ):
        yield Bridge(app, http)


class CallLog:
    """What a bridge in this process says of calls that are over."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        caplog.set_level(logging.INFO, logger="server.media.host")

    def _find(self, session_id: str) -> dict[str, Any] | None:
        for record in self._caplog.records:
            fields: dict[str, Any] = getattr(record, "fields", {})
            if fields.get("session_id") == session_id:
                return fields
        return None

    async def end(self, bridge: Bridge, session_id: str) -> dict[str, Any]:
        """Close a session; the counts of its line."""
        await bridge.http.delete(f"/api/realtime/session/{session_id}")
        await eventually(lambda: self._find(session_id) is not None)
        fields = self._find(session_id)
        assert fields is not None
        return fields


@pytest.fixture
def call_log(caplog: pytest.LogCaptureFixture) -> CallLog:
    """The lines about calls; in them is what a late machine cost."""
    return CallLog(caplog)


@pytest.fixture(params=["lean", "aiortc", "websocket"])
async def bridge(
    fake: FakeModel, request: pytest.FixtureRequest
) -> AsyncIterator[Bridge]:
    """A bridge on the shared fake, once for every way to carry media."""
    over_socket = request.param == "websocket"
    settings = settings_for(
        fake.url,
        session_grace_s=0.5,
        media_path="lean" if over_socket else request.param,
        model_transport="websocket" if over_socket else "webrtc",
    )
    async with running_bridge(settings) as running:
        yield running


@pytest.fixture
async def keyed(fake: FakeModel) -> AsyncIterator[Bridge]:
    """A bridge with two owners, and a client without any credentials."""
    settings = settings_for(
        fake.url,
        api_keys=f"ann:{ANN},bob:{BOB}",
        token_secret=SECRET,
        session_grace_s=0.5,
    )
    async with running_bridge(settings) as bridge:
        yield bridge


def bearer(credentials: str) -> dict[str, str]:
    """The header of somebody with these credentials."""
    return {"Authorization": f"Bearer {credentials}"}


async def open_as(bridge: Bridge, key: str, **body: Any) -> tuple[str, str]:
    """A session and its token."""
    response = await bridge.http.post(
        "/api/realtime/session", json=body, headers=bearer(key)
    )
    assert response.status_code == 200, response.text
    assert set(response.json()) == {"session_id", "status"}
    return response.json()["session_id"], response.headers[SESSION_TOKEN]


def code_of(response: httpx.Response) -> tuple[int, str]:
    """The status of a refusal, and its code."""
    return response.status_code, response.json()["error"]["code"]


def read_wav(data: bytes) -> Any:
    """Samples of a WAV of the control API."""
    with wave.open(io.BytesIO(data)) as wav:
        assert (wav.getframerate(), wav.getnchannels()) == (24_000, 1)
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2")


async def eventually(
    condition: Callable[[], bool | Awaitable[bool]], *, timeout_s: float = PATIENCE_S
) -> None:
    """Wait until a condition about another process or peer holds."""
    async with asyncio.timeout(timeout_s):
        while True:
            result = condition()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(0.02)

"""Composition root: wires settings, speech, scenario and edges into one server.

async with running_fake(scenario="demo") as fake:
    client = AsyncOpenAI(base_url=fake.base_url, api_key="sk-test")
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from fake_openai import (
    control,
    http_audio,
    http_beta,
    http_chat,
    http_realtime,
    runner,
    websocket,
)
from fake_openai.http_edge import envelope, http_faults
from fake_openai.scenario import Scenario, load, load_file
from fake_openai.server import SERVER, FakeServer
from fake_openai.settings import FakeSettings
from fake_openai.speech_parts import SpeechParts, load_speech

MAX_BODY_BYTES = 32 * 1024 * 1024
SHUTDOWN_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class RunningFake:
    """A fake that listens."""

    server: FakeServer
    host: str
    port: int

    @property
    def url(self) -> str:
        """`http://host:port`, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        """What OpenAI's SDKs call `base_url`: the url with `/v1`."""
        return f"{self.url}/v1"

    @property
    def ws_url(self) -> str:
        """The Realtime WebSocket, without a query."""
        return f"ws{self.url.removeprefix('http')}/v1/realtime"


def create_app(server: FakeServer) -> web.Application:
    """The aiohttp application in front of a server's state."""
    app = web.Application(
        middlewares=[envelope, http_faults], client_max_size=MAX_BODY_BYTES
    )
    app[SERVER] = server
    app.router.add_get("/v1/realtime", websocket.realtime)
    http_realtime.add_routes(app)
    http_beta.add_routes(app)
    http_chat.add_routes(app)
    http_audio.add_routes(app)
    control.add_routes(app)
    runner.add_routes(app)
    app.on_shutdown.append(_stop)
    return app


def create_server(
    settings: FakeSettings, speech: SpeechParts | None = None
) -> FakeServer:
    """The state of a fake, not listening yet.

    Raises:
        ScenarioError: the scenario cannot be used.
    """
    parts = speech or load_speech(free_speech=settings.free_speech)
    return FakeServer(settings, _scenario(settings.scenario), parts)


@contextlib.asynccontextmanager
async def running_fake(
    settings: FakeSettings | None = None,
    *,
    speech: SpeechParts | None = None,
    **options: Any,
) -> AsyncIterator[RunningFake]:
    """A listening fake in this event loop; everything is over when the block ends.

    Args:
        settings: or, instead, any field of FakeSettings as a keyword.

    Raises:
        ScenarioError: the scenario cannot be used.
        OSError: the port is taken.
    """
    chosen = settings or FakeSettings(**options)
    server = create_server(chosen, speech)
    app_runner = web.AppRunner(
        create_app(server), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S
    )
    await app_runner.setup()
    try:
        site = web.TCPSite(app_runner, chosen.host, chosen.port)
        await site.start()
        port = int(app_runner.addresses[0][1])
        yield RunningFake(server, chosen.host, port)
    finally:
        await app_runner.cleanup()


def _scenario(wanted: str | Path | Scenario) -> Scenario:
    if isinstance(wanted, Scenario):
        return wanted
    return load_file(wanted) if isinstance(wanted, Path) else load(wanted)


async def _stop(app: web.Application) -> None:
    await app[SERVER].stop()

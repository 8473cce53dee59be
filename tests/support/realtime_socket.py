"""A plain WebSocket to the Realtime API, without any SDK."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from fake_openai.app import RunningFake
from tests.support.realtime_caller import BEARER, WAIT_S

MODEL = "gpt-realtime-2.1"
Socket = aiohttp.ClientWebSocketResponse


@asynccontextmanager
async def connected(
    fake: RunningFake, query: str, **options: Any
) -> AsyncIterator[Socket]:
    options.setdefault("headers", BEARER)
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{fake.ws_url}{query}", max_msg_size=0, **options) as socket,
    ):
        yield socket


async def until(socket: Socket, wanted: str) -> list[dict[str, Any]]:
    """Events up to and with the first of a type."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] != wanted:
        events.append(await socket.receive_json(timeout=WAIT_S))
    return events

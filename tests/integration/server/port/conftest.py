"""A bridge behind a real port, and what it holds while it is attacked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import psutil
import pytest

from server.app import create_app
from server.http.connections import ConnectionBook
from server.serving import make_server
from tests.integration.server.conftest import FakeModel, eventually, settings_for

KEY = "ann-key-0123456789abcdef"
BEARER = {"Authorization": f"Bearer {KEY}"}


class Target:
    """A bridge behind a real port."""

    def __init__(self, port: int, book: ConnectionBook, app: Any) -> None:
        self.port = port
        self.book = book
        self.app = app
        self.url = f"http://127.0.0.1:{port}"

    def client(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=30, **options)

    async def connect(
        self, from_address: str = "127.0.0.1"
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=(from_address, 0)
        )

    async def raw(self, data: bytes, *, timeout_s: float = 10.0) -> bytes:
        """Everything it answers until it closes."""
        reader, writer = await self.connect()
        try:
            async with asyncio.timeout(timeout_s):
                writer.write(data)
                writer.write_eof()
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


Serve = Callable[..., Awaitable[Target]]


@asynccontextmanager
async def serving(book: ConnectionBook, settings: Any) -> AsyncIterator[Target]:
    listening = asyncio.Event()
    app = create_app(settings)
    server = make_server(app, settings, on_listening=listening.set, book=book)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.wait_for(listening.wait(), 30)
        yield Target(listener.getsockname()[1], book, app)
    finally:
        server.should_exit = True
        await running
        listener.close()


@pytest.fixture
async def serve(fake: FakeModel) -> AsyncIterator[Serve]:
    """Starts a bridge with one key and limits of the test's choice."""
    async with AsyncExitStack() as stack:

        async def start(book: ConnectionBook | None = None, **overrides: Any) -> Target:
            options = {"api_keys": f"ann:{KEY}", "session_grace_s": 0.2, **overrides}
            settings = settings_for(fake.url, **options)
            return await stack.enter_async_context(
                serving(ConnectionBook() if book is None else book, settings)
            )

        yield start


class Footprint:
    """Tasks and descriptors of this process: back to the start, or it is a leak."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.tasks = len(asyncio.all_tasks())
        self.fds = self._process.num_fds()

    async def is_back(self, slack: int = 2) -> None:
        await eventually(
            lambda: (
                len(asyncio.all_tasks()) <= self.tasks + slack
                and self._process.num_fds() <= self.fds + slack
            ),
            timeout_s=30,
        )


async def is_fine(target: Target) -> None:
    """A normal request is answered, and soon."""
    async with asyncio.timeout(30), target.client() as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}

"""A TCP connection through a network that can go black: `async with tcp_line(url)`.

In the dark nothing is refused and nothing is closed: bytes do not cross, as with a
cable that was pulled. When the light is back, what waited comes through.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536


class TcpLine:
    """The line. Connect to `url` in place of the target."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._light = asyncio.Event()
        self._light.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    def go_black(self) -> None:
        """Nothing crosses from now on."""
        self._light.clear()

    def come_back(self) -> None:
        """Everything crosses again, what waited included."""
        self._light.set()

    async def carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One connection, both ways, until either side ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(OSError):
            await self._light.wait()
            far_reader, far_writer = await asyncio.open_connection(
                self._host, self._port
            )
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pass(reader, far_writer))
                    both.create_task(self._pass(far_reader, writer))
            finally:
                far_writer.close()
        writer.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._light.wait()
                writer.write(data)
                await writer.drain()
        await self._light.wait()
        with suppress(OSError):
            writer.close()

    async def close(self) -> None:
        """Drop every connection."""
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def tcp_line(target: str) -> AsyncIterator[TcpLine]:
    """A line to the server at a URL."""
    line = TcpLine(target)
    server = await asyncio.start_server(line.carry, "127.0.0.1", 0)
    line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield line
    finally:
        server.close()
        await line.close()

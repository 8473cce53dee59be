"""Connections that are too many, too slow or never read: nobody else waits."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

from server.http.connections import ConnectionBook
from tests.integration.server.conftest import PATIENCE_S, eventually
from tests.integration.server.port.conftest import KEY, Footprint, Serve, is_fine

HEAD = (
    f"POST /api/realtime/session HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
)
SLOW_STARTS = [
    (b"", b""),  # nothing at all
    (b"G", b"E"),  # a method without end
    (HEAD.encode(), b"a"),  # a head without end
    (f"{HEAD}Content-Length: 50\r\n\r\n{{".encode(), b" "),  # a body without end
    (f"{HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\n".encode(), b" "),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"G"),  # a second request
]


async def test_a_crowd_of_slow_connections_blocks_nobody(serve: Serve) -> None:
    """Slow loris: hundreds of connections that say a byte now and then."""
    book = ConnectionBook(max_connections=120, request_timeout_s=PATIENCE_S)
    target = await serve(book)
    footprint = Footprint()
    crowd = []
    for start, more in SLOW_STARTS * 50:
        _, writer = await target.connect("127.0.0.2")
        writer.write(start)
        crowd.append((writer, more))
    await eventually(lambda: book.n_evicted >= 150)
    for _ in range(3):
        await is_fine(target)
        for writer, more in crowd:
            writer.write(more)
        assert len(book) <= 120

    for writer, _ in crowd:
        writer.close()
    await eventually(lambda: len(book) == 0)
    await is_fine(target)
    await footprint.is_back()


async def test_slow_connections_are_closed_when_their_time_is_over(
    serve: Serve,
) -> None:
    book = ConnectionBook(request_timeout_s=0.3)
    target = await serve(book)
    crowd = []
    for start, _ in SLOW_STARTS:
        reader, writer = await target.connect()
        writer.write(start)
        crowd.append((reader, writer))
    async with asyncio.timeout(PATIENCE_S):
        for reader, writer in crowd:
            with suppress(ConnectionError):
                await reader.read()
            writer.close()
    await eventually(lambda: len(book) == 0)
    assert book.n_evicted == 0
    await is_fine(target)


async def test_one_address_cannot_take_all_connections(serve: Serve) -> None:
    book = ConnectionBook(max_connections=50, max_per_address=10)
    target = await serve(book)
    crowd = [await target.connect("127.0.0.2") for _ in range(40)]
    await eventually(lambda: book.n_evicted >= 30)

    assert len(book) <= 10
    await is_fine(target)
    for _, writer in crowd:
        writer.close()


async def test_a_reader_that_never_reads_is_given_up(
    serve: Serve, tmp_path: Any
) -> None:
    (tmp_path / "big.bin").write_bytes(b"\0" * 20_000_000)
    book = ConnectionBook(stall_timeout_s=0.3)
    target = await serve(book, web_root=tmp_path)
    _, writer = await target.connect()
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_RCVBUF, 4096
    )
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
    await eventually(lambda: len(book) == 1)

    await eventually(lambda: len(book) == 0)
    await is_fine(target)
    writer.close()

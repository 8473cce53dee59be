"""The live stream over real sockets: order, resuming, slow readers, credentials."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import websockets
from fastapi import FastAPI

from server.app import create_app
from server.http import stream
from server.settings import load_settings
from server.store.store import Store
from tests.support.stores import said

KEY = "ada-key-000000000000"
PATIENCE_S = 20.0
N_LONG = 140
"""Events of 50 kB: more than the buffers of a socket hold."""


class Served:
    """An application on a port of this machine."""

    def __init__(self, app: FastAPI, port: int) -> None:
        self.store: Store = app.state.store
        self._address = ("127.0.0.1", port)
        self._base = f"ws://127.0.0.1:{port}/api"

    def narrow(self) -> socket.socket:
        """A connection whose kernel takes next to nothing before the reader does."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect(self._address)
        return connection

    def stream(
        self,
        query: str = "",
        *,
        key: str = KEY,
        conversation_id: str = "c1",
        **how: Any,
    ) -> Any:
        """A socket that follows a conversation."""
        url = f"{self._base}/conversations/c1/stream?{query}"
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return websockets.connect(url, additional_headers=headers, **how)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A server without voice."""
    settings = load_settings(
        env_file=None,
        enable_backend_webrtc=False,
        data_dir=tmp_path / "data",
        api_keys=f"ada:{KEY},bob:bob-key-000000000000",
    )
    app = create_app(settings)
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not server.started:  # noqa: ASYNC110 - uvicorn has no event
                    await asyncio.sleep(0.01)
            yield Served(app, listener.getsockname()[1])
        finally:
            server.should_exit = True
            await task


async def _seqs_until(socket: Any, last: int) -> list[int]:
    seqs: list[int] = []
    async with asyncio.timeout(PATIENCE_S):
        while not seqs or seqs[-1] < last:
            message = json.loads(await socket.recv())
            if message["type"] == "history":
                seqs += [event["seq"] for event in message["events"]]
            elif message["type"] == "event":
                seqs.append(message["event"]["seq"])
    return seqs


async def _to_the_end(socket: Any) -> AsyncIterator[str]:
    with suppress(websockets.ConnectionClosed):
        while True:
            yield await socket.recv()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - of a server that tells nobody
            await asyncio.sleep(0.02)


async def test_a_reader_gets_what_is_stored_and_then_what_comes(served: Served) -> None:
    await served.store.writer.store(said("one"))
    await served.store.writer.store(said("two"))
    async with served.stream() as reader:
        history = json.loads(await reader.recv())
        live = json.loads(await reader.recv())
        await served.store.writer.store(said("three"))
        event = json.loads(await reader.recv())

    assert [e["payload"]["text"] for e in history["events"]] == ["one", "two"]
    assert live == {"type": "live", "seq": 2}
    assert event["type"] == "event"
    assert (event["event"]["seq"], event["event"]["payload"]["text"]) == (3, "three")


async def test_a_reader_that_comes_back_goes_on_where_it_was(served: Served) -> None:
    for n in range(20):
        served.store.writer.record(said(str(n)))
    async with served.stream("after=0") as reader:
        before = await _seqs_until(reader, 20)
    for n in range(20):
        served.store.writer.record(said(str(n)))
    async with served.stream(f"after={before[-1]}") as reader:
        following = await _seqs_until(reader, 40)
    async with served.stream("limit=5") as reader:
        newest = await _seqs_until(reader, 40)

    assert before + following == list(range(1, 41))
    assert newest == [36, 37, 38, 39, 40]


@pytest.mark.parametrize(
    "query", ["after=x", "after=-1", "after=1e3", "limit=" + "9" * 40]
)
async def test_bad_parameters_close_with_their_code(served: Served, query: str) -> None:
    await served.store.writer.store(said("one"))
    async with served.stream(query) as reader:
        with pytest.raises(websockets.ConnectionClosed):
            await reader.recv()
        assert reader.close_code == stream.CLOSE_BAD_PARAMETERS


async def test_nobody_follows_the_conversation_of_another(served: Served) -> None:
    await served.store.writer.store(said("secret"))
    async with served.stream(key="bob-key-000000000000") as reader:
        with pytest.raises(websockets.ConnectionClosed):
            await reader.recv()
        assert reader.close_code == stream.CLOSE_UNKNOWN
    for key in ("", "wrong-key-00000000000"):
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with served.stream(key=key):
                pass
        assert refused.value.response.status_code in (401, 403)


async def test_a_browser_brings_its_key_as_a_protocol(served: Served) -> None:
    await served.store.writer.store(said("one"))
    protocols = ["voicebridge", f"bearer.{KEY}"]
    async with served.stream(key="", subprotocols=protocols) as reader:
        assert reader.subprotocol == "voicebridge"
        assert await _seqs_until(reader, 1) == [1]


async def test_erased_is_told_and_deleted_ends_the_stream(served: Served) -> None:
    await served.store.writer.store(said("one"))
    async with served.stream("after=1") as reader:
        assert json.loads(await reader.recv())["type"] == "live"
        await served.store.changes.erase("ada", "c1")
        erased = json.loads(await reader.recv())
        await served.store.changes.delete("ada", "c1")
        assert json.loads(await reader.recv()) == {"type": "deleted"}
        with pytest.raises(websockets.ConnectionClosed):
            await reader.recv()
        assert reader.close_code == stream.CLOSE_UNKNOWN
    assert erased == {"type": "erased"}


async def test_a_reader_that_takes_nothing_is_let_go_and_told_where_to_resume(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others are not held up, and what it missed is still there."""
    # A busy machine must not make the quick one too slow.
    monkeypatch.setattr(stream, "SEND_TIMEOUT_S", PATIENCE_S * 2)
    store, everything = served.store, N_LONG + 1
    await store.writer.store(said("one"))
    async with (
        served.stream(sock=served.narrow(), max_queue=1, close_timeout=0.1),
        served.stream(max_size=None) as quick,
    ):
        for n in range(N_LONG):
            # Not to be compressed: it must not fit into the sockets' buffers.
            store.writer.record(said(f"{n} {os.urandom(25_000).hex()}"))
        seqs = await _seqs_until(quick, everything)
    await _until(lambda: not store.hub.n_subscriptions)
    assert seqs == list(range(1, everything + 1))

    monkeypatch.setattr(stream, "SEND_TIMEOUT_S", 0.3)
    async with served.stream(
        "after=0", sock=served.narrow(), max_queue=1, max_size=None
    ) as stuck:
        await _until(lambda: store.hub.n_subscriptions == 1)
        await _until(lambda: not store.hub.n_subscriptions)
        async for _ in _to_the_end(stuck):
            pass
    assert stuck.close_code == stream.CLOSE_TOO_SLOW
    assert stuck.close_reason.startswith("too slow: resume with after=")

    monkeypatch.setattr(stream, "SEND_TIMEOUT_S", PATIENCE_S)
    resumed_after = int(stuck.close_reason.rsplit("=", 1)[1])
    async with served.stream(f"after={resumed_after}", max_size=None) as again:
        rest = await _seqs_until(again, everything)
    assert rest == list(range(resumed_after + 1, everything + 1))


async def test_a_flood_of_messages_from_a_reader_changes_nothing(
    served: Served,
) -> None:
    await served.store.writer.store(said("one"))
    async with served.stream() as reader:
        for n in range(200):
            await reader.send("{" * (n + 1))
        assert await _seqs_until(reader, 1) == [1]
    await _until(lambda: not served.store.hub.n_subscriptions)

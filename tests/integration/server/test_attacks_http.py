"""Attacks on the HTTP port, over real sockets: right answer, no crash, nothing left."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import aiohttp
import httpx
import psutil
import pytest

from server.app import create_app
from server.http.connections import ConnectionBook
from server.serving import make_server
from server.sessions.registry import SessionRegistry
from tests.integration.server.conftest import (
    PATIENCE_S,
    FakeModel,
    eventually,
    settings_for,
)
from tests.support.browser import browser

KEY = "ann-key-0123456789abcdef"
BEARER = {"Authorization": f"Bearer {KEY}"}
HEAD = (
    f"POST /api/realtime/session HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
)


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


@pytest.mark.parametrize(
    "path", ["session", "sdp/x", "session/x/invite", "session/x/text"]
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_ten_megabytes_are_refused_and_not_kept(
    serve: Serve, path: str, chunked: bool
) -> None:
    target = await serve()
    content_type = "application/sdp" if path == "sdp/x" else "application/json"
    rss = psutil.Process().memory_info().rss

    async def body() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b"a" * 65_536

    content: Any = body() if chunked else b"a" * 10_485_760
    async with target.client(headers=BEARER) as http:
        try:
            answer = await http.post(
                f"/api/realtime/{path}",
                content=content,
                headers={"Content-Type": content_type},
            )
        except httpx.TransportError:  # it hung up on us while we still sent
            answer = None

    if answer is not None:
        # Where the session comes first, that it is not there.
        assert answer.status_code in (404, 413), answer.text
    assert psutil.Process().memory_info().rss - rss < 30_000_000
    await is_fine(target)


async def close_all(registry: SessionRegistry) -> None:
    """End every session and wait until nothing of it is left."""
    for session in registry.of_owner("ann"):
        await registry.close(session)
    await eventually(lambda: registry.n_sessions == 0)


async def test_a_thousand_session_requests_in_a_burst(
    serve: Serve, fake: FakeModel
) -> None:
    target = await serve(max_sessions=3)
    registry = target.app.state.registry
    async with target.client(headers=BEARER) as client:  # what all sessions share
        await client.post("/api/realtime/session", json={})
    await close_all(registry)
    footprint = Footprint()
    connector = aiohttp.TCPConnector(limit=50)
    counts: Counter[int] = Counter()
    codes: Counter[str] = Counter()
    async with aiohttp.ClientSession(
        target.url, connector=connector, headers=BEARER
    ) as http:

        async def ask() -> None:
            async with http.post("/api/realtime/session", json={}) as answer:
                counts[answer.status] += 1
                if answer.status != 200:
                    error = (await answer.json())["error"]
                    codes[error["code"]] += 1
                    assert error["retryable"]
                    assert int(answer.headers["Retry-After"]) >= 1

        await asyncio.gather(*(ask() for _ in range(1_000)))

    # On a machine that is busy already there may be room for less than three.
    assert set(counts) | {200} == {200, 429, 503}, counts
    assert counts[200] <= 3
    assert set(codes) == {"rate_limited", "at_capacity"}
    assert codes["rate_limited"] > 500
    await is_fine(target)
    await close_all(registry)
    await footprint.is_back(slack=6)


async def test_another_owner_is_served_during_the_burst(serve: Serve) -> None:
    bob = "bob-key-0123456789abcdef"
    target = await serve(api_keys=f"ann:{KEY},bob:{bob}", requests_per_s=1)
    async with target.client() as http:
        answers = await asyncio.gather(
            *(http.get("/api/auth/me", headers=BEARER) for _ in range(50))
        )
        theirs = await http.get(
            "/api/auth/me", headers={"Authorization": f"Bearer {bob}"}
        )

    assert {a.status_code for a in answers} == {200, 429}
    assert theirs.status_code == 200


async def test_random_bytes_get_an_answer_or_nothing(serve: Serve) -> None:
    target = await serve()
    footprint = Footprint()
    source = random.Random(6)
    methods = [b"GET", b"POST", b"\xff", b"PATCH", b"DELETE", b"CONNECT", b"PRI"]
    paths = [
        b"/api/realtime/session/x/text",
        b"/%00",
        b"/../../etc/passwd",
        b"//",
        b"*",
        b"\\",
    ]
    json_head = b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n"
    for n in range(150):
        noise = source.randbytes(source.randrange(400))
        head = b"%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n" % (
            source.choice(methods),
            source.choice(paths),
            KEY.encode(),
        )
        data = (
            noise,
            head + noise,
            head + b"\r\n" + noise,
            head + json_head + noise,
            head + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n" + noise,
            head + b"Transfer-Encoding: chunked\r\n\r\n" + noise,
        )[n % 6]
        answer = await target.raw(data)
        if answer:
            status = int(answer.split(b" ")[1])
            assert status < 500, (data, answer)
            assert b"Traceback" not in answer
            assert b"root:" not in answer
    await is_fine(target)
    await footprint.is_back()


@pytest.mark.parametrize("path", ["/healthz", "/api/realtime/session/x/text", "/x"])
async def test_noise_after_the_answer_ends_the_connection_quietly(
    serve: Serve, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is out before the body is in; what follows is no HTTP."""
    target = await serve()
    reader, writer = await target.connect()
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )
    first = await asyncio.wait_for(reader.readline(), 30)
    writer.write(b"no chunk at all\r\n")
    with suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 30)
    writer.close()

    assert first.startswith(b"HTTP/1.1 4")
    await eventually(lambda: len(target.book) == 0)
    assert not [r for r in caplog.records if r.exc_info]


async def test_a_proxy_without_keys_lets_nobody_in(serve: Serve) -> None:
    """Somebody put a proxy before an open server: its visitors are not local."""
    target = await serve(api_keys=None)
    async with target.client() as http:
        mine = await http.get("/api/auth/me")
        theirs = await http.get(
            "/api/auth/me", headers={"X-Forwarded-For": "203.0.113.5"}
        )

    assert mine.json() == {"owner": "local", "kind": "local", "needs_key": False}
    assert theirs.status_code == 401


async def test_sockets_open_for_their_owner_only(serve: Serve) -> None:
    bob = "bob-key-0123456789abcdef"
    target = await serve(api_keys=f"ann:{KEY},bob:{bob}")
    note = {"source": "user", "type": "note", "payload": {"text": "only for Ann"}}
    async with aiohttp.ClientSession(target.url) as http:
        async with http.post("/api/conversations/c/events", json=note, headers=BEARER):
            pass
        async with http.post("/api/auth/ticket", headers=BEARER) as answer:
            ticket = (await answer.json())["ticket"]

        async def hear(**options: Any) -> str:
            """What the stream says until it is live, or its refusal."""
            path = "/api/conversations/c/stream?after=0" + options.pop("query", "")
            heard = ""
            try:
                async with http.ws_connect(path, **options) as ws:
                    while True:
                        message = await asyncio.wait_for(ws.receive(), PATIENCE_S)
                        if message.type is not aiohttp.WSMsgType.TEXT:
                            return f"{heard} closed {message.data}"
                        heard += message.data
                        if json.loads(message.data)["type"] == "live":
                            return heard
            except aiohttp.WSServerHandshakeError as exc:
                return str(exc.status)

        anns = [
            await hear(headers=BEARER),
            await hear(protocols=["voicebridge", f"bearer.{KEY}"]),
            await hear(query=f"&ticket={ticket}"),
        ]
        refused = [
            await hear(),
            await hear(query=f"&ticket={ticket}"),
            await hear(query=f"&token={KEY}"),
            await hear(protocols=["voicebridge", "bearer.wrong"]),
        ]
        foreign = await hear(headers={**BEARER, "Origin": "https://evil.example"})
        bobs = await hear(headers={"Authorization": f"Bearer {bob}"})

    for heard in anns:
        assert "only for Ann" in heard
    assert refused == ["401"] * 4
    assert foreign == "403"
    assert "Ann" not in bobs


async def test_foreign_pages_and_foreign_names(serve: Serve) -> None:
    target = await serve(api_keys=None)  # open: the case a browser could be used for
    evil = {"Origin": "https://evil.example"}
    async with target.client() as http:
        path = "/api/realtime/session"
        refused = [
            await http.post(path, json={}, headers=evil),
            await http.post(path, json={}, headers={"Origin": "null"}),
            # A form needs no leave of ours to be sent: its type is refused besides.
            await http.post(path, data={"a": "b"}, headers=evil),
            await http.delete(f"{path}/x", headers=evil),
        ]
        rebound = [
            await http.get(path, headers={"Host": f"evil.example:{target.port}"})
            for path in ("/", "/api/realtime/sessions", "/healthz", "/call/call.js")
        ]
        own = await http.delete(f"{path}/x", headers={"Origin": target.url})
        preflight = await http.options(
            path, headers={**evil, "Access-Control-Request-Method": "POST"}
        )
        plain = await http.get("/api/realtime/sessions", headers=evil)

    assert {(a.status_code, a.json()["error"]["code"]) for a in refused} == {
        (403, "origin_not_allowed")
    }
    assert {(a.status_code, a.json()["error"]["code"]) for a in rebound} == {
        (403, "host_not_allowed")
    }
    assert own.status_code == 404
    for answer in (preflight, plain):  # the browser shows that page nothing
        assert "access-control-allow-origin" not in answer.headers


async def test_a_configured_page_may_use_the_api(serve: Serve) -> None:
    target = await serve(allowed_origins="https://app.example")
    async with target.client() as http:
        preflight = await http.options(
            "/api/realtime/session",
            headers={
                "Origin": "https://app.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type",
            },
        )
        asked = await http.get(
            "/api/auth/me", headers={**BEARER, "Origin": "https://app.example"}
        )

    assert preflight.status_code == 200
    for answer in (preflight, asked):
        allowed = answer.headers["access-control-allow-origin"]
        assert allowed == "https://app.example"


async def test_a_replayed_offer_takes_nobody_elses_place(serve: Serve) -> None:
    """Whoever saw an offer go by has neither its keys nor a token."""
    target = await serve(client_connect_timeout_s=1.0)
    async with target.client() as stranger, target.client(headers=BEARER) as http:
        opened = await http.post("/api/realtime/session", json={})
        session_id = opened.json()["session_id"]
        sdp = {"Content-Type": "application/sdp"}
        async with browser(http, session_id) as victim:
            offer = victim.pc.localDescription.sdp
            path = f"/api/realtime/sdp/{session_id}"
            without = await stranger.post(path, content=offer, headers=sdp)
            replayed = [
                await http.post(path, content=offer, headers=sdp) for _ in range(3)
            ]
            victim.send(type="ping", t=1)
            await victim.message("pong")

            async def is_alone() -> bool:
                clients = await http.get(f"/api/realtime/session/{session_id}/clients")
                health = (await http.get("/healthz")).json()
                return len(clients.json()["clients"]) == 1 == health["clients"]

            await eventually(is_alone)

    assert without.status_code == 401
    assert {a.status_code for a in replayed} == {200}
    ids = {a.headers["X-Voicebridge-Client"] for a in replayed} | {victim.client_id}
    assert len(ids) == 4


async def test_noise_on_the_data_channel_is_answered_and_ends_nothing(
    serve: Serve,
) -> None:
    target = await serve()
    source = random.Random(7)
    kinds = ["mute", "text", "mode", "rename", "confirm", "ping", "bye?", None, 7]
    values: list[Any] = [
        None,
        True,
        -1,
        1e308,
        "x" * 300,
        [],
        {},
        "\0",
        "\ud800",
        [[[]]],
    ]
    keys = ["muted", "text", "target", "mode", "name", "call_id", "approve", "t"]
    async with target.client(headers=BEARER) as http:
        opened = await http.post("/api/realtime/session", json={})
        session_id = opened.json()["session_id"]
        async with (
            browser(http, session_id) as noisy,
            browser(http, session_id) as calm,
        ):
            for n in range(120):
                message: Any = {"type": source.choice(kinds)}
                for key in source.sample(keys, 3):
                    message[key] = source.choice(values)
                if message["type"] == "text":
                    message["text"] = ""
                text = json.dumps(message)
                cut = source.randrange(len(text))
                noisy.control.send(text if n % 3 else text[:cut])
                noisy.audio.send(source.randbytes(source.randrange(1, 2_000)))
                if n % 20 == 19:
                    await asyncio.sleep(0.3)
            calm.send(type="ping", t=2)
            await calm.message("pong")

            async def is_heard() -> bool:  # once its own noise is worked off
                noisy.send(type="ping", t=3)
                await asyncio.sleep(0.3)
                return any(m["type"] == "pong" and m["t"] == 3 for m in noisy.messages)

            await eventually(is_heard)
            listed = await http.get(f"/api/realtime/session/{session_id}")

    codes = {m["error"]["code"] for m in noisy.messages if m["type"] == "error"}
    assert codes <= {
        "invalid_json",
        "unknown_message",
        "invalid_audio",
        "message_too_large",
        "rate_limited",
    }
    assert codes
    assert listed.json()["clients"] == 2

"""Too much at once, or no sense at all: right answer, no crash, nothing left."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import httpx
import psutil
import pytest

from server.sessions.registry import SessionRegistry
from tests.integration.server.conftest import FakeModel, eventually
from tests.integration.server.port.conftest import (
    BEARER,
    KEY,
    Footprint,
    Serve,
    is_fine,
)
from tests.support.browser import browser


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

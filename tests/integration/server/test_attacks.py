"""Browsers that do not behave. The bridge stays, and so do the others."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from aiortc import rtcsctptransport

from server.http import body as http_body
from server.media import client as client_module
from tests.integration.server.conftest import (
    PATIENCE_S,
    Bridge,
    FakeModel,
    eventually,
    running_bridge,
    settings_for,
)
from tests.support.browser import Browser, browser
from tests.support.tones import silence


async def test_nonsense_on_the_channels_is_answered_and_ends_nothing(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MIN_ERROR_INTERVAL_S", 0.0)
    session_id = await bridge.open()
    async with browser(bridge.http, session_id) as client:
        for nonsense, code in [
            ("{", "invalid_json"),
            ('{"type":"dance"}', "unknown_message"),
            ("x" * 20_000, "message_too_large"),
            (b"\0" * 20_000, "message_too_large"),
            (b"\0" * 961, "invalid_audio"),
        ]:
            channel = client.audio if isinstance(nonsense, bytes) else client.control
            channel.send(nonsense)
            error = await client.message(
                "error", lambda m, code=code: m["error"]["code"] == code
            )
            assert error["fatal"] is False
            client.messages.clear()
        client.audio.send(b"")
        client.send(type="ping", t=1)
        assert await client.message("pong")


async def test_half_a_character_in_a_text_spoils_no_connection(
    fake: FakeModel,
) -> None:
    """JSON may hold a surrogate by itself; UTF-8, and so every way out, may not."""
    settings = settings_for(fake.url, model_transport="websocket")
    async with running_bridge(settings) as bridge:
        session_id = await bridge.open(system_prompt="tag-half")
        async with browser(bridge.http, session_id) as client:
            client.control.send(r'{"type":"text","text":"Tell me a \ud800 joke."}')
            shown = await client.message("transcript", lambda m: m["role"] == "user")
            answer = await client.message(
                "transcript", lambda m: m["role"] == "assistant" and m["final"]
            )
        assert await bridge.has(sessions=1)

    assert shown["text"] == "Tell me a \ufffd joke."
    assert answer["text"]


async def test_a_flood_of_messages_is_answered_with_a_few_complaints(
    bridge: Bridge,
) -> None:
    session_id = await bridge.open()
    async with browser(bridge.http, session_id) as client:
        for n in range(500):
            client.send(type="ping", t=n)
        await client.message("error", lambda m: m["error"]["code"] == "rate_limited")
        pongs = [m for m in client.messages if m["type"] == "pong"]
        errors = [m for m in client.messages if m["type"] == "error"]

    assert len(pongs) < 100
    assert len(errors) < 5


async def test_messages_that_never_end_are_not_kept_for_ever(
    fake: FakeModel,
) -> None:
    """Fragments without a last one: the library would collect them without limit."""
    async with running_bridge(settings_for(fake.url)) as bridge:
        session_id = await bridge.open()
        async with browser(bridge.http, session_id) as other:
            attacker = Browser(bridge.http)
            attacker.open_control()
            await attacker.connect(session_id)
            sctp = attacker.pc.sctp
            send_chunk = sctp._send_chunk

            async def without_last(chunk: object) -> None:
                if isinstance(chunk, rtcsctptransport.DataChunk):
                    chunk.flags &= ~rtcsctptransport.SCTP_DATA_LAST_FRAG
                await send_chunk(chunk)

            sctp._send_chunk = without_last
            for _ in range(20):
                attacker.control.send(b"x" * 100_000)

            await eventually(lambda: bridge.has(clients=1))
            other.send(type="ping", t=2)
            assert await other.message("pong")
            await attacker.close()


async def test_a_browser_that_takes_no_packets_loses_frames_and_delays_nobody(
    bridge: Bridge,
) -> None:
    """Its audio is dropped at 200 ms, not queued; the other one hears everything."""
    session_id = await bridge.open()
    async with (
        browser(bridge.http, session_id) as stuck,
        browser(bridge.http, session_id) as other,
    ):

        async def no_acknowledgement() -> None:
            pass

        stuck.pc.sctp._send_sack = no_acknowledgement
        (conversation,) = bridge.app.state.bridge._host._conversations.values()
        legs = {c.client_id: c for c in conversation._audience}
        left, right = legs[stuck.client_id], legs[other.client_id]
        before = len(other.heard), right.sent_frames
        speaking = asyncio.create_task(other.speak(silence(PATIENCE_S)))
        await eventually(lambda: left.dropped_frames >= 50)
        assert left._peer._audio.bufferedAmount <= 11 * 960
        sent = right.sent_frames
        await eventually(lambda: len(other.heard) - before[0] >= sent - before[1])
        speaking.cancel()
        await asyncio.wait([speaking])

        assert sent > before[1]


async def test_channels_nobody_knows_are_closed(bridge: Bridge) -> None:
    session_id = await bridge.open()
    async with browser(bridge.http, session_id) as client:
        for n in range(20):
            client.pc.createDataChannel(f"other{n}")
        second = client.pc.createDataChannel("audio")
        await eventually(lambda: second.readyState == "closed")
        client.send(type="ping", t=3)
        assert await client.message("pong")


async def test_a_conversation_takes_only_so_many_browsers(fake: FakeModel) -> None:
    settings = settings_for(fake.url, max_clients_per_session=1)
    async with running_bridge(settings) as bridge:
        session_id = await bridge.open()
        async with browser(bridge.http, session_id):
            late = Browser(bridge.http)
            await late.pc.setLocalDescription(await late.pc.createOffer())
            response = await bridge.http.post(
                f"/api/realtime/sdp/{session_id}",
                content=late.pc.localDescription.sdp,
                headers={"Content-Type": "application/sdp"},
            )
            await late.close()

    assert response.status_code == 503
    assert "full" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "offer",
    ["nonsense", "v=0\r\n", "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n"],
)
async def test_a_bad_offer_is_400_and_leaves_no_client(
    bridge: Bridge, offer: str
) -> None:
    session_id = await bridge.open()
    response = await bridge.http.post(
        f"/api/realtime/sdp/{session_id}",
        content=offer,
        headers={"Content-Type": "application/sdp"},
    )

    assert response.status_code == 400
    assert response.json()["error"]["code"] in {"invalid_sdp", "no_audio_in_offer"}
    assert await bridge.has(clients=0)


async def test_an_offer_the_library_chokes_on_is_400_and_leaves_no_client(
    bridge: Bridge,
) -> None:
    """It parses, but cannot be answered: a codec list that does not add up."""
    client = Browser(bridge.http)
    await client.pc.setLocalDescription(await client.pc.createOffer())
    session_id = await bridge.open()
    sdp = client.pc.localDescription.sdp.replace("a=setup:actpass", "a=setup:passive")
    sdp = sdp.replace(
        "m=application", "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\nm=application"
    )
    response = await bridge.http.post(
        f"/api/realtime/sdp/{session_id}",
        content=sdp,
        headers={"Content-Type": "application/sdp"},
    )
    await client.close()

    assert response.status_code == 400
    assert await bridge.has(clients=0)


async def test_a_body_that_never_ends_is_given_up(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_body, "BODY_TIMEOUT_S", 0.1)

    async def slow_loris() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)

    response = await bridge.http.post(
        "/api/realtime/session",
        content=slow_loris(),
        headers={"Content-Type": "application/json"},
    )

    assert response.status_code == 408
    assert response.json()["error"]["code"] == "body_timeout"


async def test_shutting_down_while_a_session_opens_answers_the_caller(
    fake: FakeModel,
) -> None:
    """The model service accepts the connection and says nothing."""
    writers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda r, w: writers.append(w), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with silent, running_bridge(settings_for(f"http://127.0.0.1:{port}")) as b:
        transport = httpx.ASGITransport(b.app)
        http = httpx.AsyncClient(transport=transport, base_url="http://bridge")
        opening = asyncio.create_task(http.post("/api/realtime/session", json={}))
        await eventually(lambda: b.has(sessions=1))
    response = await asyncio.wait_for(opening, PATIENCE_S)
    await http.aclose()
    for writer in writers:
        writer.close()

    assert response.status_code == 503
    assert "shutting down" in response.json()["error"]["message"]


async def test_shutting_down_tells_the_browsers(fake: FakeModel) -> None:
    async with running_bridge(settings_for(fake.url)) as bridge:
        client = Browser(bridge.http)
        await client.connect(await bridge.open())
    ended = await client.message("ended")
    await asyncio.wait_for(client.closed.wait(), PATIENCE_S)
    await client.close()

    assert ended["reason"] == "shutdown"
    assert json.dumps(ended)

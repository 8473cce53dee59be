"""The relay's reverse proxy before a small bridge: pages, streams, calls."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, FormData, WSMsgType, web
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)

from simulator import ice
from simulator.network import profile
from simulator.relay import Relay, RelayError
from simulator.relay_cli import main
from simulator.relay_proxy import CONTROL_PATH, RelayProxy

LOCAL = ("127.0.0.1",)


class Bridge:
    """Answers offers on both signalling paths and echoes what the channel brings."""

    def __init__(self) -> None:
        self.peers: list[RTCPeerConnection] = []
        self.offers: list[str] = []
        self.seen: list[tuple[str, str]] = []
        self.app = web.Application(client_max_size=2**24)
        self.app.router.add_get("/", self._page)
        self.app.router.add_get("/moved", self._moved)
        self.app.router.add_get("/stream", self._stream)
        self.app.router.add_post("/echo", self._echo)
        self.app.router.add_get("/ws", self._ws)
        self.app.router.add_post("/api/realtime/sdp/{id}", self._raw)
        self.app.router.add_post("/v1/realtime/calls", self._call)
        self.release = asyncio.Event()

    async def _page(self, request: web.Request) -> web.Response:
        self.seen.append((request.host, request.headers.get("Origin", "")))
        return web.Response(text="<p>page", content_type="text/html")

    async def _moved(self, request: web.Request) -> web.Response:
        raise web.HTTPFound(f"http://{request.app['address']}/?a=%20b")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await self.release.wait()
        await response.write(b"data: 2\n\n")
        return response

    async def _echo(self, request: web.Request) -> web.Response:
        body = await request.read()
        return web.Response(
            body=body, headers={"X-Query": request.rel_url.raw_query_string}
        )

    async def _ws(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=["realtime"])
        await ws.prepare(request)
        async for message in ws:
            if message.data == "end":
                await ws.close(code=4001)
            elif message.type is WSMsgType.TEXT:
                await ws.send_str(message.data.upper())
            else:
                await ws.send_bytes(message.data)
        return ws

    async def _raw(self, request: web.Request) -> web.Response:
        if request.match_info["id"] == "unknown":
            return web.json_response(
                {"error": {"code": "session_not_found"}}, status=404
            )
        sdp = await self._answer(await request.text())
        headers = {"X-Voicebridge-Client": "c1"}
        return web.Response(text=sdp, content_type="application/sdp", headers=headers)

    async def _call(self, request: web.Request) -> web.Response:
        if request.content_type == "multipart/form-data":
            form = await request.post()
            assert json.loads(_text(form["session"])) == {"type": "realtime"}
            offer = _text(form["sdp"])
        else:
            offer = await request.text()
        return web.Response(
            text=await self._answer(offer),
            status=201,
            content_type="application/sdp",
            headers={"Location": "/v1/realtime/calls/rtc_1"},
        )

    async def _answer(self, offer: str) -> str:
        self.offers.append(offer)
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peers.append(peer)

        @peer.on("datachannel")
        def echo(channel: RTCDataChannel) -> None:
            channel.on("message", channel.send)

        with ice.host_addresses(LOCAL):
            await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            await peer.setLocalDescription(await peer.createAnswer())
        return peer.localDescription.sdp


def _text(part: Any) -> str:
    """aiohttp gives the parts that are not text/* as bytes."""
    return part if isinstance(part, str) else bytes(part).decode()


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def bridge() -> AsyncIterator[Bridge]:
    bridge = Bridge()
    async with serving(bridge.app) as url:
        bridge.app._state["address"] = url.removeprefix("http://")
        yield bridge
        await asyncio.gather(*(peer.close() for peer in bridge.peers))


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    async with Relay(profile("lan"), seed=1) as relay:
        yield relay


@pytest.fixture
async def url(bridge: Bridge, relay: Relay) -> AsyncIterator[str]:
    target = f"http://{bridge.app['address']}"
    async with serving(RelayProxy(relay, target).app) as url:
        yield url


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def echo_of_a_call(post: Any) -> bytes:
    """Connect with the answer that `post(offer)` returns; what the channel echoes."""
    client = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    channel = client.createDataChannel("audio")
    channel.on("open", lambda: channel.send(b"hello"))
    channel.on("message", heard.set_result)
    try:
        with ice.host_addresses(LOCAL):
            await client.setLocalDescription(await client.createOffer())
            answer = await post(client.localDescription.sdp)
            await client.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(30.0):
            return await heard
    finally:
        await client.close()


async def test_the_page_comes_through_and_the_bridge_sees_the_pages_own_origin(
    url: str, http: ClientSession, bridge: Bridge
) -> None:
    async with http.get(f"{url}/", headers={"Origin": url}) as response:
        assert (response.status, await response.text()) == (200, "<p>page")

    assert bridge.seen == [(url.removeprefix("http://"), url)]


async def test_bodies_queries_and_redirects_pass_unchanged(
    url: str, http: ClientSession
) -> None:
    body = bytes(range(256)) * 3_000
    async with http.post(f"{url}/echo?q=%20x&y", data=body) as response:
        assert await response.read() == body
        assert response.headers["X-Query"] == "q=%20x&y"
    async with http.get(f"{url}/moved", allow_redirects=False) as response:
        assert response.headers["Location"] == "/?a=%20b"


async def test_a_stream_is_not_held_back(
    url: str, http: ClientSession, bridge: Bridge
) -> None:
    async with asyncio.timeout(30.0), http.get(f"{url}/stream") as response:
        assert await response.content.readany() == b"data: 1\n\n"
        bridge.release.set()
        assert await response.content.readany() == b"data: 2\n\n"


async def test_a_websocket_passes_both_ways_with_protocol_and_close_code(
    url: str, http: ClientSession
) -> None:
    async with http.ws_connect(f"{url}/ws", protocols=["realtime"]) as ws:
        assert ws.protocol == "realtime"
        await ws.send_str("abc")
        assert await ws.receive_str() == "ABC"
        await ws.send_bytes(b"\0\1")
        assert await ws.receive_bytes() == b"\0\1"
        await ws.send_str("end")
        assert (await ws.receive()).type is WSMsgType.CLOSE
        assert ws.close_code == 4001


async def test_a_call_to_the_bridge_goes_by_the_relay(
    url: str, http: ClientSession, bridge: Bridge, relay: Relay
) -> None:
    async def post(offer: str) -> str:
        headers = {"Content-Type": "application/sdp"}
        path = f"{url}/api/realtime/sdp/s1"
        async with http.post(path, data=offer, headers=headers) as response:
            assert response.status == 200
            assert response.headers["X-Voicebridge-Client"] == "c1"
            return await response.text()

    assert await echo_of_a_call(post) == b"hello"
    assert "a=candidate" not in bridge.offers[0]
    assert relay.flows[0].path.counters("up").forwarded > 5
    async with http.get(f"{url}{CONTROL_PATH}") as response:
        account = await response.json()
    assert account["network"] == "lan"
    assert account["flows"][0]["down"]["forwarded"] > 5


@pytest.mark.parametrize("kind", ["raw", "multipart"])
async def test_a_call_to_the_model_goes_by_the_relay(
    url: str, http: ClientSession, relay: Relay, kind: str
) -> None:
    async def post(offer: str) -> str:
        form = FormData(default_to_multipart=True)
        form.add_field("sdp", offer, content_type="application/sdp")
        form.add_field(
            "session", '{"type":"realtime"}', content_type="application/json"
        )
        data: Any = form if kind == "multipart" else offer
        headers = {} if kind == "multipart" else {"Content-Type": "application/sdp"}
        path = f"{url}/v1/realtime/calls"
        async with http.post(path, data=data, headers=headers) as response:
            assert response.status == 201
            assert response.headers["Location"] == "/v1/realtime/calls/rtc_1"
            return await response.text()

    assert await echo_of_a_call(post) == b"hello"
    assert relay.flows[0].path.counters("up").forwarded > 5


async def test_an_error_of_the_bridge_reaches_the_client_as_it_is(
    url: str, http: ClientSession, relay: Relay
) -> None:
    async with http.post(f"{url}/api/realtime/sdp/unknown", data=b"junk") as response:
        assert response.status == 404
        assert await response.json() == {"error": {"code": "session_not_found"}}
    assert relay.flows == ()


async def test_a_target_that_is_not_there_is_said_to_be_so(
    relay: Relay, http: ClientSession, unused_tcp_port: int
) -> None:
    proxy = RelayProxy(relay, f"http://127.0.0.1:{unused_tcp_port}")
    async with serving(proxy.app) as url, http.get(f"{url}/") as response:
        assert response.status == 502
        assert (await response.json())["error"]["code"] == "relay_target_failed"


async def test_the_network_of_running_calls_is_changed_over_http(
    url: str, http: ClientSession, relay: Relay
) -> None:
    flow = relay.open(("127.0.0.1", 9))
    path = f"{url}{CONTROL_PATH}"
    async with http.post(f"{path}/network", json={"preset": "3g"}) as response:
        assert await response.json() == {"network": "3g"}
    async with http.post(f"{path}/network", json={"preset": "5g"}) as response:
        assert response.status == 400
    async with http.post(f"{path}/rebind") as response:
        assert await response.json() == {"flows": 1}

    assert flow.path.profile == profile("3g")
    assert flow.rebindings == 1


async def test_a_target_beyond_loopback_needs_leave(relay: Relay) -> None:
    for target in ("http://192.0.2.1", "https://api.openai.com/v1"):
        with pytest.raises(RelayError, match="--allow-remote"):
            RelayProxy(relay, target)
    RelayProxy(relay, "http://192.0.2.1", allow_remote=True)


async def test_the_command_announces_itself_counts_on_signal_and_ends_with_its_parent(
    bridge: Bridge, tmp_path: Path
) -> None:
    account = tmp_path / "account.json"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator.relay_cli", "--listen", "127.0.0.1:0"),
        *("--target", f"http://{bridge.app['address']}", "--preset", "lan"),
        *("--announce", "--exit-with-parent", "--json", str(account)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    async with asyncio.timeout(40.0):
        hello = json.loads(await process.stdout.readline())
        async with ClientSession() as http, http.get(hello["url"]) as response:
            assert await response.text() == "<p>page"
        process.send_signal(signal.SIGUSR1)
        assert await process.stdout.readline() == b"network lan, seed 0\n"
        process.stdin.close()
        assert await process.wait() == 0
    assert json.loads(account.read_text())["network"] == "lan"


def test_the_command_refuses_wrong_arguments_with_their_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for argv, reason in (
        (["--listen", "0.0.0.0:8100"], "--allow-remote"),
        (["--target", "http://example.org"], "--allow-remote"),
        (["--up", "loss=2"], "loss must be a ratio"),
        (["--change", "soon=3g"], "AT[+FOR]"),
        (["--spec", "/nowhere.yaml"], "/nowhere.yaml"),
    ):
        assert main(argv) == 2
        assert reason in capsys.readouterr().err

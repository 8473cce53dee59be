"""A scripted stand-in for the bridge, for tests of the voice page alone.

It serves the page under the same strict policy, speaks the bridge's HTTP and data
channel protocol through a real aiortc peer, and does nothing by itself: a test says
what is sent and played, and reads what the page said. So a test of the page's errors,
of its playout or of its wording needs neither the bridge nor a model.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import aioice.ice
import numpy as np
from aiohttp import web
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack
from av import AudioFrame
from numpy.typing import NDArray

from tests.support.page_rest import PageRest

WEB_ROOT = Path(__file__).parents[2] / "web"
RATE_HZ = 24_000
FRAME_SAMPLES = 480
FRAME_S = FRAME_SAMPLES / RATE_HZ
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; media-src 'self' blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; object-src 'none'"
)
WAIT_TIMEOUT_S = 30.0
CLIENT_TOKEN = "eyJ.client.token"

Json = dict[str, Any]

_loopback_only: ContextVar[bool] = ContextVar("page_double_loopback", default=False)
_previous_addresses = aioice.ice.get_host_addresses


def _host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    if _loopback_only.get():
        return ["127.0.0.1"]
    return _previous_addresses(use_ipv4, use_ipv6)


aioice.ice.get_host_addresses = _host_addresses


class ToneTrack(AudioStreamTrack):
    """440 Hz at -9 dBFS, as an Opus track."""

    async def recv(self) -> AudioFrame:
        frame: AudioFrame = await super().recv()
        first = frame.pts or 0
        time_s = (first + np.arange(frame.samples)) / frame.sample_rate
        tone = 11_600 * np.sin(2 * np.pi * 440 * time_s)
        frame.planes[0].update(tone.astype("<i2").tobytes())
        return frame


class PageClient:
    """One page that is connected: what it said and sent, and a way to answer."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        self.pc = pc
        self.channels: dict[str, RTCDataChannel] = {}
        self.n_expected = 2
        """Data channels; only one when the audio comes as a track."""
        self.tracks: list[MediaStreamTrack] = []
        self.said: list[Json] = []
        """JSON messages of the page, in order."""
        self.frames: list[bytes] = []
        """Binary messages of the page, in order of arrival."""
        self.echoes = False
        """Whether audio is sent back as it comes."""
        self.answers = True
        """Whether a ping is answered."""
        self._held: list[bytes] | None = None
        self._changed = asyncio.Condition()

    @property
    def heard(self) -> NDArray[np.int16]:
        """All microphone audio so far, int16, shape (n_samples,), 24 kHz."""
        return np.frombuffer(b"".join(self.frames), dtype="<i2")

    def send(self, message: Json) -> None:
        """Send one JSON message over the control channel."""
        self.channels["control"].send(json.dumps(message))

    def hello(self, **changes: Any) -> None:
        self.send(
            {
                "type": "hello",
                "version": 1,
                "session_id": "s-1",
                "client_id": "c-1",
                "conversation_id": "conversation-1",
                "agent_name": "",
                "voice": "marin",
                "model": {"kind": "fake"},
                "audio": {
                    "encoding": "pcm16",
                    "rate_hz": RATE_HZ,
                    "channels": 1,
                    "frame_ms": 20,
                    "framing": "raw",
                },
                "limits": {
                    "max_audio_message_bytes": 9600,
                    "max_control_message_bytes": 65536,
                    "max_text_chars": 4000,
                },
            }
            | changes
        )

    def state(self, state: str) -> None:
        self.send({"type": "state", "state": state})

    def transcript(self, role: str, item_id: str, text: str, *, final: bool) -> None:
        self.send(
            {
                "type": "transcript",
                "role": role,
                "item_id": item_id,
                "text": text,
                "final": final,
            }
        )

    def burst(self, pcm: NDArray[np.int16]) -> None:
        """Send audio, all of it at once, in frames of 20 ms."""
        for start in range(0, pcm.size, FRAME_SAMPLES):
            frame = pcm[start : start + FRAME_SAMPLES]
            self.channels["audio"].send(frame.astype("<i2").tobytes())

    async def play(self, pcm: NDArray[np.int16]) -> None:
        """Send audio as a bridge does: one frame of 20 ms every 20 ms."""
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        for n, start in enumerate(range(0, pcm.size, FRAME_SAMPLES)):
            await asyncio.sleep(begun_s + n * FRAME_S - loop.time())
            self.burst(pcm[start : start + FRAME_SAMPLES])

    async def stall(self, seconds: float) -> None:
        """Hold the echo back, as a network does, then send all of it at once."""
        self._held = []
        await asyncio.sleep(seconds)
        held, self._held = self._held, None
        audio = self.channels.get("audio")
        if audio is None or audio.readyState != "open":
            return  # it was replaced meanwhile
        for message in held:
            audio.send(message)

    async def wait_for(self, kind: str) -> Json:
        """The first message of this kind, waiting for it if it has not come yet."""
        message: Json = await self.wait_until(
            lambda: next((m for m in self.said if m["type"] == kind), None)
        )
        return message

    async def wait_until(self, probe: Callable[[], Any]) -> Any:
        async with asyncio.timeout(WAIT_TIMEOUT_S), self._changed:
            await self._changed.wait_for(lambda: probe() is not None)
        return probe()

    def attach(self, channel: RTCDataChannel) -> None:
        self.channels[channel.label] = channel

        @channel.on("message")
        async def _(message: str | bytes) -> None:
            if isinstance(message, bytes):
                self.frames.append(message)
                if self._held is not None:
                    self._held.append(message)
                elif self.echoes:
                    channel.send(message)
            else:
                self._take(json.loads(message))
            async with self._changed:
                self._changed.notify_all()

    def _take(self, message: Json) -> None:
        if message["type"] == "ping" and self.answers:
            self.send({"type": "pong", "t": message["t"]})
        elif message["type"] != "ping":
            self.said.append(message)


class PageDouble:
    """The server. Set `session_answer` to answer with an error."""

    def __init__(self) -> None:
        self.url = ""
        self.rest = PageRest()
        self._pcs: list[RTCPeerConnection] = []
        self._begin()

    def _begin(self) -> None:
        self.session_requests: list[Json] = []
        self.tickets: list[tuple[str, str, str]] = []
        """Session id, bearer and name of every offer, in order."""
        self.gives_tokens = False
        self.hello: Json = {}
        """Changes to the hello of the clients to come."""
        self.spent_tickets: set[str] = set()
        """Bearers that open no session any more: 404."""
        self.greets = True
        self.echoes = False
        """Whether clients to come get their audio back."""
        self.newest: PageClient | None = None
        self.session_answer: tuple[int, Json] | None = None
        self.clients: asyncio.Queue[PageClient] = asyncio.Queue()

    async def begin_anew(self) -> None:
        """Forget everything a test has set, and everybody who was connected."""
        await self.drop_clients()
        self.rest.begin_anew()
        self._begin()

    @classmethod
    @asynccontextmanager
    async def serve(cls, web_root: Path = WEB_ROOT) -> AsyncIterator[PageDouble]:
        """Run it on a free port of 127.0.0.1; everything is closed on leaving."""
        double = cls()
        app = web.Application(middlewares=[_security_headers])
        app.router.add_post("/api/realtime/session", double._open_session)
        app.router.add_post("/api/realtime/sdp/{session_id}", double._exchange)
        double.rest.add_routes(app)
        app.router.add_get("/", _index(web_root))
        app.router.add_static("/", web_root)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        double.url = f"http://{host}:{port}/"
        try:
            yield double
        finally:
            await double.drop_clients()
            await runner.cleanup()

    async def client(self) -> PageClient:
        """The next page that connects, once its channels are open."""
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            return await self.clients.get()

    async def drop_clients(self) -> None:
        """Vanish without a word, as a bridge that was killed."""
        pcs, self._pcs = self._pcs, []
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.gather(*(pc.close() for pc in pcs))

    async def _open_session(self, request: web.Request) -> web.Response:
        self.session_requests.append(await request.json())
        if self.session_answer:
            status, body = self.session_answer
            return web.json_response(body, status=status)
        return web.json_response({"session_id": "s-1", "status": "connected"})

    def _token(self) -> dict[str, str]:
        token = {"X-Voicebridge-Client-Token": CLIENT_TOKEN}
        return token if self.gives_tokens else {}

    async def _exchange(self, request: web.Request) -> web.Response:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        session_id = request.match_info["session_id"]
        self.tickets.append((session_id, bearer, request.query.get("name", "")))
        if bearer in self.spent_tickets:
            error = {"code": "session_not_found", "message": "Gone."}
            return web.json_response({"error": error}, status=404)
        offer = _without_mdns(await request.text())
        _loopback_only.set(True)
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pcs.append(pc)
        client = self.newest = PageClient(pc)
        client.echoes = self.echoes

        @pc.on("datachannel")
        def _(channel: RTCDataChannel) -> None:
            client.attach(channel)
            if len(client.channels) == client.n_expected:
                if self.greets:
                    client.hello(**self.hello)
                    client.state("listening")
                self.clients.put_nowait(client)

        @pc.on("track")
        def _(track: MediaStreamTrack) -> None:
            client.tracks.append(track)
            pc.addTrack(ToneTrack())

        if "m=audio" in offer:
            client.n_expected = 1
        await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        answer = await pc.createAnswer()
        assert answer is not None
        await pc.setLocalDescription(answer)
        return web.Response(
            text=pc.localDescription.sdp,
            content_type="application/sdp",
            headers={"X-Voicebridge-Client": "c-1", **self._token()},
        )


def _index(web_root: Path) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def index(_request: web.Request) -> web.StreamResponse:
        return web.FileResponse(web_root / "index.html")

    return index


@web.middleware
async def _security_headers(
    request: web.Request,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    response = await handler(request)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    if isinstance(response, web.FileResponse):
        # The page does not change under a test: it need not be asked for again.
        response.headers["Cache-Control"] = "max-age=3600"
    return response


def _without_mdns(sdp: str) -> str:
    """Drop `.local` candidates: resolving them costs a second and gains nothing."""
    return "".join(line for line in sdp.splitlines(True) if ".local" not in line)

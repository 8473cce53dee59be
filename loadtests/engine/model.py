"""A model service that only listens and talks: enough of the API for a bridge to start.

Two routes and two events; for anything about behaviour there is `fake_openai`.
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from aiortc import RTCPeerConnection, RTCSessionDescription

from loadtests.engine.figures import Direction
from loadtests.engine.peers import TrackAudio, Wire, new_peer, quiet_transceiver
from loadtests.engine.signal import Signal


class ModelCall:
    """One call from the bridge."""

    def __init__(self, signal: Signal) -> None:
        self.pc: RTCPeerConnection = new_peer()
        self.uplink = Direction()
        """What is heard here; its markers are sent by a browser."""
        self.downlink = Direction()
        self._signal = signal
        self._transceiver: Any = None
        self.audio: TrackAudio | None = None
        self.is_configured = False

    async def answer(self, offer_sdp: str) -> str:
        """The answer to the bridge's offer."""
        self.pc.on("datachannel", self._on_channel)
        await self.pc.setRemoteDescription(RTCSessionDescription(offer_sdp, "offer"))
        (self._transceiver,) = self.pc.getTransceivers()
        self._transceiver.direction = "sendrecv"
        quiet_transceiver(self._transceiver)
        await self.pc.setLocalDescription()
        return str(self.pc.localDescription.sdp)

    def start(self) -> TrackAudio:
        """Take the audio over; the call must be configured."""
        self.audio = TrackAudio(
            Wire(self.pc), self._transceiver, self.downlink, self.uplink, self._signal
        )
        return self.audio

    def _on_channel(self, channel: Any) -> None:
        def on_message(text: str) -> None:
            if json.loads(text).get("type") == "session.update":
                self.is_configured = True
                channel.send(json.dumps({"type": "session.updated", "session": {}}))

        channel.on("message", on_message)
        session = {"id": "sess_bench", "type": "realtime"}
        channel.send(json.dumps({"type": "session.created", "session": session}))


class ModelService:
    """The HTTP side; every call it took is in `calls`, newest last."""

    def __init__(self, signal: Signal) -> None:
        self.calls: list[ModelCall] = []
        self._signal = signal
        self.app = web.Application()
        self.app.router.add_post("/v1/realtime/client_secrets", self._secret)
        self.app.router.add_post("/v1/realtime/calls", self._call)
        self.app.router.add_post("/v1/realtime/calls/{id}/hangup", self._hang_up)

    async def start(self) -> str:
        """Listen on a free loopback port; the base URL is returned."""
        runner = web.AppRunner(self.app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        return f"http://{host}:{port}/v1"

    async def _secret(self, request: web.Request) -> web.Response:
        return web.json_response({"value": "ek_bench", "expires_at": 4_000_000_000})

    async def _call(self, request: web.Request) -> web.Response:
        call = ModelCall(self._signal)
        self.calls.append(call)
        sdp = await call.answer(await request.text())
        location = f"/v1/realtime/calls/rtc_{len(self.calls)}"
        return web.Response(
            status=201,
            text=sdp,
            content_type="application/sdp",
            headers={"Location": location},
        )

    async def _hang_up(self, request: web.Request) -> web.Response:
        return web.Response()

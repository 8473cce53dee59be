"""One browser of the load: opens a session at the bridge and streams at once."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Literal, TypeAlias

import aiohttp
from aiortc import RTCSessionDescription

from loadtests.engine.figures import Direction
from loadtests.engine.peers import (
    ChannelAudio,
    TrackAudio,
    Wire,
    new_peer,
    quiet_transceiver,
)
from loadtests.engine.signal import Signal

Leg: TypeAlias = Literal["datachannel", "framed", "opus", "track"]
LEGS: tuple[Leg, ...] = ("datachannel", "framed", "opus", "track")
PROTOCOLS: dict[Leg, str] = {
    "datachannel": "",
    "framed": "pcm16.v1",
    "opus": "opus.v1",
}
"""What the audio channel asks for (docs/framing.md)."""
CONNECT_TIMEOUT_S = 30.0


class RefusedError(RuntimeError):
    """The bridge would not have a session or an offer."""

    def __init__(self, what: str, status: int, text: str, retry_after_s: float) -> None:
        super().__init__(f"{what} refused with {status}: {text}")
        self.status = status
        self.retry_after_s = retry_after_s


class Browser:
    """One client of the bridge. `close` it in the end."""

    def __init__(self, leg: Leg, uplink: Direction, downlink: Direction) -> None:
        self.pc = new_peer()
        self.session_id = ""
        self.round_trips_s: list[float] = []
        self._leg = leg
        self._uplink, self._downlink = uplink, downlink
        self._hello = asyncio.Event()
        self._transceiver: Any = None
        self._channel: Any = None
        if leg != "track":
            self._channel = self.pc.createDataChannel(
                "audio",
                ordered=False,
                maxPacketLifeTime=100,
                protocol=PROTOCOLS[leg],
            )
        else:
            self._transceiver = self.pc.addTransceiver("audio", direction="sendrecv")
            quiet_transceiver(self._transceiver)
        self._control = self.pc.createDataChannel("control")
        self._control.on("message", self._on_message)

    async def connect(self, http: aiohttp.ClientSession, bridge_url: str) -> None:
        """Open a session and connect to it.

        Raises:
            RefusedError: the bridge refused. TimeoutError: it never said hello.
        """
        api = f"{bridge_url}/api/realtime"
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            async with http.post(f"{api}/session", json={}) as response:
                await _check("session", response)
                self.session_id = (await response.json())["session_id"]
            await self.pc.setLocalDescription(await self.pc.createOffer())
            async with http.post(
                f"{api}/sdp/{self.session_id}",
                data=self.pc.localDescription.sdp.encode(),
                headers={"Content-Type": "application/sdp"},
            ) as response:
                await _check("offer", response)
                answer = RTCSessionDescription(await response.text(), "answer")
            await self.pc.setRemoteDescription(answer)
            await self._hello.wait()

    def start(self, signal: Signal) -> ChannelAudio | TrackAudio:
        """Take the audio over; the browser must be connected."""
        wire = Wire(self.pc)
        if self._channel is not None:
            return ChannelAudio(
                wire,
                self._channel,
                self._uplink,
                self._downlink,
                signal,
                framing=PROTOCOLS[self._leg],
            )
        return TrackAudio(wire, self._transceiver, self._uplink, self._downlink, signal)

    def start_track(self, signal: Signal) -> tuple[TrackAudio, Wire]:
        """Take the audio of a track over; with the wire under it."""
        wire = Wire(self.pc)
        up, down = self._uplink, self._downlink
        return TrackAudio(wire, self._transceiver, up, down, signal), wire

    @property
    def channel(self) -> Any:
        """The channel `audio`; None on a track."""
        return self._channel

    def ping(self) -> None:
        """Ask for a pong; its round trip is how long the bridge's loop was busy."""
        self._control.send(json.dumps({"type": "ping", "t": time.monotonic()}))

    async def close(self, http: aiohttp.ClientSession, bridge_url: str) -> None:
        """End the session and the connection."""
        url = f"{bridge_url}/api/realtime/session/{self.session_id}"
        async with http.delete(url):
            pass
        await self.pc.close()

    def _on_message(self, text: str) -> None:
        message = json.loads(text)
        if message["type"] == "hello":
            given = message.get("audio", {}).get("framing", "raw")
            if self._leg != "track" and given != (PROTOCOLS[self._leg] or "raw"):
                raise RuntimeError(f"asked for {self._leg}, got {given}")
            self._hello.set()
        elif message["type"] == "pong":
            self.round_trips_s.append(time.monotonic() - float(message["t"]))


async def _check(what: str, response: aiohttp.ClientResponse) -> None:
    if response.status == 200:
        return
    retry_after_s = float(response.headers.get("Retry-After", 0))
    text = await response.text()
    raise RefusedError(what, response.status, text, retry_after_s)

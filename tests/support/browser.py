"""A browser for tests: an aiortc peer that talks to the bridge as the page does.

It shares no code with `server`, so that both must agree with the written protocol.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aioice.ice
import httpx
import numpy as np
from aiortc import (
    AudioStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from numpy.typing import NDArray

FRAME_SAMPLES = 480
FRAME_S = 0.02
TIMEOUT_S = 30.0
"""For what comes at once on an idle machine."""
MAX_BEHIND_S = 0.04
"""So late may a frame be and the next still keep its time. A machine that stalled for
longer has stalled the microphone too: it goes on, and does not send all at once."""

Pcm = NDArray[np.int16]


def offer_loopback_only() -> None:
    """Make every connection of this process offer 127.0.0.1 and nothing else."""
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


async def in_real_time(pcm: Pcm) -> AsyncIterator[Pcm]:
    """Frames as a microphone gives them: one per 20 ms and never a burst."""
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    for n in range(0, pcm.size, FRAME_SAMPLES):
        yield pcm[n : n + FRAME_SAMPLES]
        due_s = max(due_s + FRAME_S, loop.time() - MAX_BEHIND_S)
        await asyncio.sleep(max(0, due_s - loop.time()))


class Browser:
    """One client of the bridge. Use `async with browser(...)`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        bearer: str | None = None,
        name: str = "",
        audio_lifetime_ms: int | None = 100,
    ) -> None:
        """
        Args:
            http: for the signalling.
            bearer: a key or token, if one is needed.
            name: what the others see.
            audio_lifetime_ms: so long a frame is worth sending, both ways; None gives
                up none, for who counts them.
        """
        self._http = http
        self._bearer = bearer
        self._name = name
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.client_id = ""
        self.client_token = ""
        self.messages: list[dict[str, Any]] = []
        self.heard: list[Pcm] = []
        self._news = asyncio.Condition()
        self.audio = self.pc.createDataChannel(
            "audio", ordered=False, maxPacketLifeTime=audio_lifetime_ms
        )
        self.control: Any = None
        self.audio.on("message", self._on_message)
        self.closed = asyncio.Event()

        @self.pc.on("connectionstatechange")
        def on_state() -> None:
            if self.pc.connectionState in ("closed", "failed"):
                self.closed.set()

    def open_control(self) -> None:
        """Also open the reliable channel; call before `connect`."""
        self.control = self.pc.createDataChannel("control")
        self.control.on("message", self._on_message)

    def add_microphone_track(self, track: AudioStreamTrack) -> None:
        """Speak and listen over Opus tracks; call before `connect`."""
        self.pc.addTrack(track)

        @self.pc.on("track")
        def on_track(remote: Any) -> None:
            self._listener = asyncio.ensure_future(self._listen(remote))

    async def connect(self, session_id: str) -> None:
        """Offer, take the answer, wait for `hello`."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        response = await self._http.post(
            f"/api/realtime/sdp/{session_id}",
            content=self.pc.localDescription.sdp,
            headers={"Content-Type": "application/sdp", **self._credentials()},
            params={"name": self._name} if self._name else None,
        )
        assert response.status_code == 200, response.text
        self.client_id = response.headers["X-Voicebridge-Client"]
        self.client_token = response.headers["X-Voicebridge-Client-Token"]
        await self.pc.setRemoteDescription(
            RTCSessionDescription(sdp=response.text, type="answer")
        )
        await self.message("hello")

    def _credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._bearer}"} if self._bearer else {}

    def send(self, **message: object) -> None:
        """Send one control message."""
        channel = self.control if self.control is not None else self.audio
        channel.send(json.dumps(message))

    async def message(
        self,
        kind: str,
        where: Callable[[dict[str, Any]], bool] = lambda _: True,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> dict[str, Any]:
        """The first message of a kind, received already or still to come."""

        def found() -> dict[str, Any] | None:
            return next(
                (m for m in self.messages if m["type"] == kind and where(m)), None
            )

        async with asyncio.timeout(timeout_s), self._news:
            await self._news.wait_for(lambda: found() is not None)
        result = found()
        assert result is not None
        return result

    @property
    def states(self) -> list[str]:
        """What the assistant was doing, in order."""
        return [m["state"] for m in self.messages if m["type"] == "state"]

    async def speak(self, pcm: Pcm) -> None:
        """Send samples in real time."""
        async for frame in in_real_time(pcm):
            self.audio.send(frame.tobytes())

    def heard_pcm(self) -> Pcm:
        """Everything heard so far."""
        if not self.heard:
            return np.zeros(0, np.int16)
        return np.concatenate(self.heard)

    def _on_message(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self.heard.append(np.frombuffer(data, "<i2"))
            return
        self.messages.append({**json.loads(data), "heard_frames": len(self.heard)})
        self._tell = asyncio.ensure_future(self._notify())

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _listen(self, track: Any) -> None:
        from aiortc.mediastreams import MediaStreamError

        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            samples = frame.to_ndarray().reshape(-1, 2).mean(axis=1)
            self.heard.append(samples[::2].astype(np.int16))

    async def close(self) -> None:
        """Hang up."""
        await self.pc.close()


@asynccontextmanager
async def browser(
    http: httpx.AsyncClient,
    session_id: str,
    *,
    control: bool = True,
    bearer: str | None = None,
    name: str = "",
    audio_lifetime_ms: int | None = 100,
) -> AsyncIterator[Browser]:
    """A connected data-channel browser, closed at the end."""
    one = Browser(http, bearer=bearer, name=name, audio_lifetime_ms=audio_lifetime_ms)
    if control:
        one.open_control()
    try:
        await one.connect(session_id)
        yield one
    finally:
        await one.close()

"""A plain aiortc client of the Realtime API: what a careful user would write.

It takes the packets before aiortc's jitter buffer, which drops what comes in a burst,
and puts them together by RTP time: what it heard does not depend on when this machine
found the time to read it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import aiohttp
import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket
from numpy.typing import NDArray

from fake_openai.ice import LOOPBACK, address_policy
from fake_openai.scenario import Scenario

KEY = "sk-test"
BEARER = {"Authorization": f"Bearer {KEY}"}
BRIEF = Scenario.model_validate({"rules": [{"on": "any", "say": "Yes."}]})
"""For tests that need an answer, not a long one."""
_FRAME_48K = 960
WAIT_S = 30.0
"""How long a caller waits for what must come: long, as waiting proves nothing."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet of the model, in the order of arrival; `n` counts from the first
    (lost ones too), `at` is its place in samples of 24 kHz."""

    n: int
    at: int
    payload: bytes


class Microphone(MediaStreamTrack):
    """Says what it is told, silence otherwise, 20 ms at a time in real time.

    Sends stereo: aiortc mixes a mono frame up at -3 dB, which is not the fake's doing.
    """

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._pending = np.zeros(0, dtype=np.int16)
        self._sent = 0
        self._started_s: float | None = None

    def say(self, pcm: NDArray[np.int16]) -> None:
        """Queue speech (int16, 24 kHz mono)."""
        self._pending = np.concatenate((self._pending, upsampled(pcm)))

    @property
    def n_frames(self) -> int:
        """Frames of 20 ms handed to the sender so far: a clock that stops with it."""
        return self._sent // _FRAME_48K

    @property
    def quiet(self) -> bool:
        """Whether everything has been said."""
        return not len(self._pending)

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        if self._started_s is None:
            self._started_s = time.monotonic()
        due_s = self._started_s + self._sent / 48_000
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        mono = np.zeros(_FRAME_48K, dtype=np.int16)
        head = self._pending[:_FRAME_48K]
        mono[: len(head)] = head
        self._pending = self._pending[_FRAME_48K:]
        frame = av.AudioFrame("s16", "stereo", _FRAME_48K)
        frame.planes[0].update(np.repeat(mono, 2).tobytes())
        frame.sample_rate = 48_000
        frame.pts = self._sent
        frame.time_base = Fraction(1, 48_000)
        self._sent += _FRAME_48K
        return frame


class Caller:
    """One WebRTC call to a fake: events received, audio heard, and what to send."""

    def __init__(self, pc: RTCPeerConnection, microphone: Microphone) -> None:
        self.pc = pc
        self.microphone = microphone
        self.channel = pc.createDataChannel("oai-events")
        self.raw: list[str] = []
        self.events: list[dict[str, Any]] = []
        """Every event that was JSON, in order."""
        self.call_id = ""
        self.answer = ""
        self.packets: list[Packet] = []
        self._first: tuple[int, int] | None = None
        self._heard = np.zeros(0, dtype=np.int16)
        self._n_decoded = 0
        self._decoder: Any = av.CodecContext.create("libopus", "r")
        self._arrived = asyncio.Event()
        self.channel.on("message", self._on_message)
        pc.on("track", self._on_track)

    @property
    def types(self) -> list[str]:
        """Event types in order."""
        return [str(event.get("type")) for event in self.events]

    @property
    def heard(self) -> NDArray[np.int16]:
        """Audio received so far by its RTP time, int16, 24 kHz mono, shape
        (n_samples,) (left channel, every second sample); what did not come is zeros."""
        for packet in self.packets[self._n_decoded :]:
            for frame in self._decoder.decode(av.Packet(packet.payload)):
                pcm = frame.to_ndarray().reshape(-1)[::4]
                end = packet.at + len(pcm)
                if end > len(self._heard):
                    self._heard = np.pad(self._heard, (0, end - len(self._heard)))
                self._heard[packet.at : end] = pcm
        self._n_decoded = len(self.packets)
        return self._heard.copy()

    def send(self, event: dict[str, Any]) -> None:
        """One client event."""
        self.channel.send(json.dumps(event))

    async def until(
        self,
        wanted: str | Callable[[], bool],
        *,
        timeout_s: float = WAIT_S,
        count: int = 1,
    ) -> dict[str, Any]:
        """Wait for the `count`-th event of a type (or for a condition)."""
        async with asyncio.timeout(timeout_s):
            while True:
                if callable(wanted):
                    if wanted():
                        return {}
                else:
                    found = [e for e in self.events if e.get("type") == wanted]
                    if len(found) >= count:
                        return found[count - 1]
                self._arrived.clear()
                try:
                    async with asyncio.timeout(0.05):
                        await self._arrived.wait()
                except TimeoutError:
                    continue

    async def hang_up(self) -> None:
        await self.pc.close()

    def _on_message(self, message: str) -> None:
        self.raw.append(message)
        with suppress(ValueError):
            self.events.append(json.loads(message))
        self._arrived.set()

    def _on_track(self, track: MediaStreamTrack) -> None:
        (receiver,) = (r for r in self.pc.getReceivers() if r.track is track)
        receiver._handle_rtp_packet = self._on_packet  # type: ignore[method-assign]

    async def _on_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        if self._first is None:
            self._first = packet.sequence_number, packet.timestamp
        sequence_number, timestamp = self._first
        # Neither wraps twice within a test.
        n = (packet.sequence_number - sequence_number) & 0xFFFF
        if n >= 0x8000:  # overtaken by the first one that arrived
            return
        at = ((packet.timestamp - timestamp) & 0xFFFF_FFFF) // 2
        self.packets.append(Packet(n, at, packet.payload))


@asynccontextmanager
async def calling(
    base_url: str,
    *,
    session: dict[str, Any] | None = None,
    key: str = KEY,
    mint: bool = True,
    expect_channel: bool = True,
) -> AsyncIterator[Caller]:
    """A call that is up: secret minted, offer answered, `session.created` received."""
    with address_policy(LOOPBACK):
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        microphone = Microphone()
        pc.addTrack(microphone)
        caller = Caller(pc, microphone)
        try:
            await pc.setLocalDescription(await pc.createOffer())
            async with aiohttp.ClientSession() as http:
                token = await _mint(http, base_url, key, session) if mint else key
                async with http.post(
                    f"{base_url}/realtime/calls",
                    data=pc.localDescription.sdp,
                    headers={
                        "Authorization": f"Bearer {token}",
                        "Content-Type": "application/sdp",
                    },
                ) as response:
                    caller.answer = await response.text()
                    assert response.status == 201, caller.answer
                    caller.call_id = response.headers["Location"].rpartition("/")[2]
            await pc.setRemoteDescription(
                RTCSessionDescription(caller.answer, "answer")
            )
            if expect_channel:
                await caller.until("session.created")
            yield caller
        finally:
            await caller.hang_up()


async def _mint(
    http: aiohttp.ClientSession, base_url: str, key: str, session: dict[str, Any] | None
) -> str:
    async with http.post(
        f"{base_url}/realtime/client_secrets",
        json={"session": session or {"type": "realtime"}},
        headers={"Authorization": f"Bearer {key}"},
    ) as response:
        body = await response.json()
        assert response.status == 200, body
        return str(body["value"])


def tone(hz: float, seconds: float, amplitude: int = 8_000) -> NDArray[np.int16]:
    """A sine, int16, 24 kHz mono."""
    t = np.arange(int(seconds * 24_000)) / 24_000
    return (amplitude * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def upsampled(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    """24 to 48 kHz by band-limited interpolation (short filter)."""
    n = np.arange(-31, 32)
    taps = np.sinc(n / 2) * np.kaiser(len(n), 6.0)
    spread = np.zeros(2 * len(pcm))
    spread[::2] = pcm
    out = np.convolve(spread, taps, "same")
    return np.clip(np.rint(out), -32768, 32767).astype(np.int16)

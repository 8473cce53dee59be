"""The browser's peer connection: microphone out, assistant in, JSON both ways. EDGE."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from simulator.channel_audio import ChannelAudio, channel_audio
from simulator.eager_receiver import receive_eagerly
from simulator.framing import Framing
from simulator.ice import host_addresses
from simulator.opus_track import Halver, MicrophoneTrack, frame_to_pcm
from simulator.timeline import Pcm

logger = logging.getLogger(__name__)

Leg: TypeAlias = Literal["pcm", "framed", "opus", "track", "datachannel"]
"""How audio travels; `datachannel` is what it was called when there was one way only,
and means `framed`."""
LEGS: tuple[Leg, ...] = ("pcm", "framed", "opus", "track", "datachannel")
PROTOCOLS: dict[Leg, Framing | Literal[""]] = {
    "pcm": "",
    "framed": "pcm16.v1",
    "datachannel": "pcm16.v1",
    "opus": "opus.v1",
}
"""What the audio channel asks for; the bridge's `hello` says what it gets."""
MAX_UNSENT_BYTES = {"raw": 4800, "pcm16.v1": 4840, "opus.v1": 900}
"""The page's: audio that waits longer than 100 ms is old news."""
LIFETIME_MS = 100
"""Audio older than this is not worth sending any more (the page's setting)."""


@dataclass(frozen=True, slots=True)
class PeerEvents:
    """Where a peer reports to; called on the loop, must not block."""

    on_audio: Callable[[Pcm, float], None]
    """(samples at 24 kHz, time of arrival)."""
    on_message: Callable[[dict[str, Any], float], None]
    """(JSON message, time of arrival)."""
    on_lost: Callable[[str], None]
    """The connection is gone, in words. Not called after `close`."""


class Peer:
    """One peer connection. Whoever makes it closes it; `close` is idempotent."""

    def __init__(
        self, leg: Leg, events: PeerEvents, *, addresses: tuple[str, ...] | None
    ) -> None:
        self._events = events
        self._addresses = addresses
        self._closing = False
        self._reader: asyncio.Task[None] | None = None
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pc.on("connectionstatechange", self._on_state)
        self._opened = asyncio.Event()
        self._audio: RTCDataChannel | None = None
        self._track: MicrophoneTrack | None = None
        self._channel_audio: ChannelAudio | None = None
        self.framing: Framing = "raw"
        self.n_dropped = 0
        """Microphone frames not sent because the network was behind."""
        if leg != "track":
            self._audio = self._pc.createDataChannel(
                "audio",
                ordered=False,
                maxPacketLifeTime=LIFETIME_MS,
                protocol=PROTOCOLS[leg],
            )
            if not PROTOCOLS[leg]:
                self._channel_audio = channel_audio("raw")
            self._audio.on("message", self._on_message)
        else:
            self._track = MicrophoneTrack()
            self._pc.addTrack(self._track)
            self._pc.on("track", self._on_track)
        self._control = self._pc.createDataChannel("control")
        self._control.on("message", self._on_message)
        self._waiting = {c.label for c in (self._audio, self._control) if c}
        for channel in (self._audio, self._control):
            if channel is not None:
                channel.on("open", lambda label=channel.label: self._on_open(label))

    async def offer(self) -> str:
        """An SDP offer with its candidates."""
        with host_addresses(self._addresses):
            await self._pc.setLocalDescription(await self._pc.createOffer())
        return self._pc.localDescription.sdp

    async def accept(self, answer: str) -> None:
        """Take the bridge's answer; the connection is then being made."""
        await self._pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def wait_open(self) -> None:
        """Return when every channel is open."""
        await self._opened.wait()

    def send_audio(self, frame: Pcm) -> None:
        """Send one frame of 480 samples; dropped while the leg is not open."""
        if self._track is not None:
            self._track.put(frame)
            return
        channel, audio = self._audio, self._channel_audio
        if channel is None or audio is None or channel.readyState != "open":
            return
        message = audio.to_message(frame)
        if message is None:
            return
        if channel.bufferedAmount > MAX_UNSENT_BYTES[self.framing]:
            self.n_dropped += 1
        else:
            channel.send(message)

    @property
    def n_lost(self) -> int:
        """Frames of the bridge that never came; 0 where nobody can see."""
        return self._channel_audio.n_lost if self._channel_audio else 0

    def send_message(self, message: dict[str, Any]) -> None:
        """Send one JSON message; dropped while the channel is not open."""
        if self._control.readyState == "open":
            self._control.send(json.dumps(message))

    async def close(self) -> None:
        """End the connection and the reading task."""
        self._closing = True
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
            self._reader = None
        await self._pc.close()

    def _on_open(self, label: str) -> None:
        self._waiting.discard(label)
        if not self._waiting:
            self._opened.set()

    def _on_state(self) -> None:
        state = self._pc.connectionState
        if state in ("failed", "closed") and not self._closing:
            self._events.on_lost(f"the peer connection is {state}")

    def _on_message(self, data: bytes | str) -> None:
        now_s = time.monotonic()
        if isinstance(data, str):
            message = json.loads(data)
            if isinstance(message, dict) and message.get("type") == "hello":
                self._agree(message)
            self._events.on_message(message, now_s)
        elif self._channel_audio is not None:
            for pcm in self._channel_audio.to_frames(data):
                self._events.on_audio(pcm, now_s)

    def _agree(self, hello: dict[str, Any]) -> None:
        """Speak the framing the bridge names; an old one names none."""
        if self._audio is None or self._channel_audio is not None:
            return
        named = hello.get("audio")
        framing = named.get("framing") if isinstance(named, dict) else None
        known: tuple[Framing, ...] = ("raw", "pcm16.v1", "opus.v1")
        self.framing = next((f for f in known if f == framing), "raw")
        self._channel_audio = channel_audio(self.framing)

    def _on_track(self, track: MediaStreamTrack) -> None:
        if self._reader is None and track.kind == "audio":
            for receiver in self._pc.getReceivers():
                if receiver.track is track:
                    receive_eagerly(receiver)
            self._reader = asyncio.create_task(self._read(track), name="ear")

    async def _read(self, track: MediaStreamTrack) -> None:
        halver = Halver()
        try:
            while True:
                frame = await track.recv()
                self._events.on_audio(frame_to_pcm(frame, halver), time.monotonic())  # type: ignore[arg-type]
        except MediaStreamError:
            return

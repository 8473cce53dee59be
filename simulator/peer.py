"""The browser's peer connection: microphone out, assistant in, JSON both ways. EDGE."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from simulator.eager_receiver import receive_eagerly
from simulator.ice import host_addresses
from simulator.opus_track import Halver, MicrophoneTrack, frame_to_pcm
from simulator.timeline import Pcm

logger = logging.getLogger(__name__)

Leg: TypeAlias = Literal["datachannel", "track"]
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
        if leg == "datachannel":
            self._audio = self._pc.createDataChannel(
                "audio", ordered=False, maxPacketLifeTime=LIFETIME_MS
            )
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
        elif self._audio is not None and self._audio.readyState == "open":
            self._audio.send(frame.tobytes())

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
            self._events.on_message(json.loads(data), now_s)
        else:
            self._events.on_audio(np.frombuffer(data, dtype="<i2"), now_s)

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

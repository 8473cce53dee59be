"""The browser leg: answers one offer, carries audio and JSON control.

Microphone and playback go over the data channel `audio` as PCM16 when the offer has no
audio section, and over Opus tracks when it has one. JSON goes over the channel
`control` when the browser opens one, else over `audio`.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Protocol

from aiortc import RTCDataChannel, RTCSessionDescription

from server.audio.format import FRAME_BYTES, Pcm
from server.audio.pcm import pcm_to_bytes
from server.errors import InvalidSdpError, MediaError
from server.rtc.connection import close_connection, new_connection
from server.rtc.ice import IcePolicy
from server.rtc.liveness import PathWatch
from server.rtc.offer import Offer
from server.rtc.path import AudioLine, media_path

logger = logging.getLogger(__name__)

AUDIO_LABEL = "audio"
CONTROL_LABEL = "control"
MAX_BUFFERED_AUDIO_BYTES = 10 * FRAME_BYTES
"""200 ms waiting in the channel: the network is slower than speech, drop audio."""
MAX_BUFFERED_CONTROL_BYTES = 256 * 1024
"""A browser that takes no control messages any more is given up."""
CONTROL_GRACE_S = 0.1
"""How long the first JSON message waits for the `control` channel to open."""
ANSWER_TIMEOUT_S = 10.0


class BrowserEvents(Protocol):
    """What a browser leg tells its owner. Plain calls on the event loop."""

    def on_ready(self) -> None:
        """Audio and control can flow. Once."""

    def on_microphone(self, pcm: Pcm) -> None:
        """Samples of the browser's Opus track."""

    def on_audio_message(self, data: bytes) -> None:
        """One binary message of the `audio` channel, unchecked."""

    def on_control(self, text: str) -> None:
        """One text message, unchecked."""

    def on_lost(self, reason: str) -> None:
        """The leg is over. May come more than once."""


@dataclass(slots=True)
class BrowserCounters:
    """Frames and messages of one browser leg."""

    sent_frames: int = 0
    dropped_frames: int = 0


class BrowserPeer:
    """One browser. The owner closes it, also after `on_lost`."""

    def __init__(self, events: BrowserEvents, policy: IcePolicy) -> None:
        self._events = events
        self._policy = policy
        self._loop = asyncio.get_running_loop()
        self._watch = PathWatch(self._loop.time)
        self._pc = new_connection(policy, events.on_lost)
        self._path = media_path(policy.media_path, self._pc)
        self._audio: RTCDataChannel | None = None
        self._control: RTCDataChannel | None = None
        self._line: AudioLine | None = None
        self._hello_timer: asyncio.TimerHandle | None = None
        self._is_ready = False
        self.counters = BrowserCounters()
        self._pc.on("datachannel", self._on_channel)
        self._pc.on("connectionstatechange", self._on_connection_state)

    async def answer(self, offer: Offer) -> str:
        """Set everything up for an offer and return the answer with candidates.

        Raises:
            InvalidSdpError: aiortc cannot work with the offer.
            MediaError: gathering candidates took too long.
        """
        if offer.has_audio:
            self._line = self._path.add_audio(self._events.on_microphone, dtx=True)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._negotiate(offer)
        except TimeoutError as exc:
            raise MediaError("no candidates gathered in time") from exc
        self._watch.watch(self._pc)
        self._path.start(self._watch.note)
        return self._pc.localDescription.sdp

    async def _negotiate(self, offer: Offer) -> None:
        try:
            await self._pc.setRemoteDescription(
                RTCSessionDescription(sdp=offer.sdp, type="offer")
            )
            with self._policy.applied():
                await self._pc.setLocalDescription()
        except TimeoutError:
            raise
        except Exception as exc:
            # aiortc has no common base for what a strange offer makes it raise.
            raise InvalidSdpError(f"{type(exc).__name__} while answering") from exc

    @property
    def has_track(self) -> bool:
        """Whether audio goes over Opus tracks instead of the channel."""
        return self._line is not None

    def send_audio(self, pcm: Pcm) -> None:
        """Play one frame at the browser, or drop it when the network is too slow."""
        if self._line is not None:
            self._line.push(pcm)
            self.counters.sent_frames += 1
            return
        channel = self._audio
        if channel is None:
            return
        if channel.bufferedAmount > MAX_BUFFERED_AUDIO_BYTES:
            self.counters.dropped_frames += 1
        elif self._path.send(channel, pcm_to_bytes(pcm)):
            self.counters.sent_frames += 1

    def send_control(self, text: str) -> None:
        """Send one JSON message; a browser that never reads is reported lost."""
        channel = self._control or self._audio
        if channel is None:
            return
        if channel.bufferedAmount > MAX_BUFFERED_CONTROL_BYTES:
            self._events.on_lost("control channel is not being read")
            return
        self._path.send(channel, text)

    def silent_s(self) -> float:
        """Seconds since anything at all was heard from the browser."""
        return self._watch.silent_s()

    def overruns_window(self) -> bool:
        """Whether unfinished messages exceed the window we announced.

        aiortc announces 1 MiB but keeps whatever comes, for ever.
        """
        sctp = self._pc.sctp
        return sctp is not None and sctp._advertised_rwnd < 0

    async def close(self) -> None:
        """Free everything. Safe to call twice."""
        self._watch.stop()
        if self._hello_timer is not None:
            self._hello_timer.cancel()
        if self._line is not None:
            self._line.stop()
        self._path.stop()
        await close_connection(self._pc)

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == CONTROL_LABEL and self._control is None:
            self._control = channel
        elif channel.label == AUDIO_LABEL and self._audio is None:
            self._audio = channel
        else:
            channel.close()
            return

        def on_message(data: str | bytes) -> None:
            if isinstance(data, str):
                self._events.on_control(data)
            elif channel is self._audio and self._line is None:
                self._events.on_audio_message(data)

        self._path.listen(channel, on_message)

        @channel.on("close")
        def on_close() -> None:
            self._events.on_lost(f"channel {channel.label} closed")

        self._ready_soon()

    def _ready_soon(self) -> None:
        if self._audio is None and self._line is None:
            return
        if self._control is not None:
            self._now_ready()
        elif self._hello_timer is None:
            self._hello_timer = self._loop.call_later(CONTROL_GRACE_S, self._now_ready)

    def _on_connection_state(self) -> None:
        if self._pc.connectionState == "connected" and self._line is not None:
            self._ready_soon()

    def _now_ready(self) -> None:
        if not self._is_ready:
            self._is_ready = True
            self._events.on_ready()

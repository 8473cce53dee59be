"""The browser leg: answers one offer, carries audio and JSON control.

Microphone and playback go over the data channel `audio` when the offer has no audio
section, framed as the channel's `protocol` says, and over Opus tracks when it has one.
JSON goes over the channel `control` when the browser opens one, else over `audio`.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Protocol

from aiortc import RTCDataChannel, RTCSessionDescription

from server.audio.format import FRAME_BYTES
from server.audio.framing import FramingError, framing_of
from server.errors import InvalidSdpError, MediaError
from server.rtc.channel_line import ChannelLine, new_line
from server.rtc.connection import close_connection, new_connection
from server.rtc.ice import IcePolicy
from server.rtc.liveness import PathWatch
from server.rtc.offer import Offer
from server.rtc.path import AudioLine, media_path

logger = logging.getLogger(__name__)

AUDIO_LABEL = "audio"
CONTROL_LABEL = "control"
MAX_BUFFERED_AUDIO_BYTES = 10 * FRAME_BYTES
MAX_BUFFERED_OPUS_BYTES = 1_600
"""200 ms waiting in the channel: the network is slower than speech, drop audio."""
MAX_BUFFERED_CONTROL_BYTES = 256 * 1024
"""A browser that takes no control messages any more is given up."""
CONTROL_GRACE_S = 0.1
"""How long the first JSON message waits for the `control` channel to open."""
ANSWER_TIMEOUT_S = 10.0
MAX_UNSENT = 64
"""Messages kept for a browser with a track until it has a channel; the first ones."""


class BrowserEvents(Protocol):
    """What a browser leg tells its owner. Plain calls on the event loop."""

    def on_ready(self) -> None:
        """Audio and control can flow. Once."""

    def on_audio_message(self, data: bytes) -> None:
        """One binary message of the `audio` channel, unchecked: for `receive`."""

    def on_control(self, text: str) -> None:
        """One text message, unchecked."""

    def on_lost(self, reason: str) -> None:
        """The leg is over. May come more than once."""


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
        self._unsent: list[str] = []
        self.line: AudioLine | None = None
        """Its audio, once there is a track or a channel for it."""
        self._channel_line: ChannelLine | None = None
        self.receive: Callable[[bytes], None] = _nowhere
        """Takes one binary message of the `audio` channel; raises FramingError when it
        is not what the channel's framing says."""
        self.refusal = ""
        """Why its audio channel cannot be used, for the log."""
        self._hello_timer: asyncio.TimerHandle | None = None
        self._is_ready = False
        self._pc.on("datachannel", self._on_channel)
        self._pc.on("connectionstatechange", self._on_connection_state)

    async def answer(self, offer: Offer) -> str:
        """Set everything up for an offer and return the answer with candidates.

        Raises:
            InvalidSdpError: aiortc cannot work with the offer.
            MediaError: gathering candidates took too long.
        """
        if offer.has_audio:
            self.line = self._path.add_audio(dtx=True)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._negotiate(offer)
        except TimeoutError as exc:
            raise MediaError("no candidates gathered in time") from exc
        self._watch.watch(self._pc)
        self._path.start(self._watch)
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
    def leg(self) -> str:
        """How audio travels: track, or the framing of the channel."""
        return self._channel_line.framing if self._channel_line else "track"

    @property
    def sent_frames(self) -> int:
        """Messages of audio sent; 0 for a track, which counts by itself."""
        return self._channel_line.sent_frames if self._channel_line else 0

    @property
    def dropped_frames(self) -> int:
        """Messages of audio the network was too slow for."""
        return self._channel_line.dropped_frames if self._channel_line else 0

    def send_control(self, text: str) -> None:
        """Send one JSON message; a browser that never reads is reported lost."""
        channel = self._control or self._audio
        if channel is None:
            if len(self._unsent) < MAX_UNSENT:
                self._unsent.append(text)
            return
        if channel.bufferedAmount > MAX_BUFFERED_CONTROL_BYTES:
            self._events.on_lost("control channel is not being read")
            return
        self._path.send(channel, text)

    @property
    def round_trip_ms(self) -> float | None:
        """Of the last answered `probe`."""
        trip_s = self._watch.round_trip_s
        return None if trip_s is None else trip_s * 1000

    def probe(self) -> None:
        """Ask for a sign of life, which also measures the round trip."""
        self._watch.probe()

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
        if self.line is not None:
            self.line.stop()
        await close_connection(self._pc, self._path)

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == CONTROL_LABEL and self._control is None:
            self._control = channel
        elif channel.label == AUDIO_LABEL and self._audio is None:
            self._audio = channel
            if self.line is None:
                self._open_line(channel)
        else:
            channel.close()
            return

        def on_message(data: str | bytes) -> None:
            if isinstance(data, str):
                self._events.on_control(data)
            elif channel is self._audio and self._channel_line is not None:
                self._events.on_audio_message(data)

        self._path.listen(channel, on_message)

        @channel.on("close")
        def on_close() -> None:
            self._events.on_lost(f"channel {channel.label} closed")

        unsent, self._unsent = self._unsent, []
        for text in unsent:
            self.send_control(text)
        self._ready_soon()

    def _open_line(self, channel: RTCDataChannel) -> None:
        try:
            framing = framing_of(channel.protocol)
            limit = MAX_BUFFERED_AUDIO_BYTES
            if framing == "opus.v1":
                limit = MAX_BUFFERED_OPUS_BYTES
            send = partial(self._path.send_audio, channel, limit)
            self.line = self._channel_line = line = new_line(framing, send)
            self.receive = line.receive
        except FramingError as exc:
            self.refusal = str(exc)

    def _ready_soon(self) -> None:
        if self._audio is None and self.line is None:
            return
        if self._control is not None:
            self._now_ready()
        elif self._hello_timer is None:
            self._hello_timer = self._loop.call_later(CONTROL_GRACE_S, self._now_ready)

    def _on_connection_state(self) -> None:
        if self._pc.connectionState == "connected" and self.line is not None:
            self._ready_soon()

    def _now_ready(self) -> None:
        if not self._is_ready:
            self._is_ready = True
            self._events.on_ready()


def _nowhere(message: bytes) -> None:
    """There is no audio channel that could be used."""

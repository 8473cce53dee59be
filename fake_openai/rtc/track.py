"""The assistant's track: Opus packets the ticker puts in, aiortc's sender takes out.

A track may return encoded packets; the sender then neither encodes nor hops to a
thread (`RTCRtpSender._next_encoded_frame`).
"""

import asyncio
import time
from collections import deque
from fractions import Fraction
from typing import Any, Final

import av
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from fake_openai.rtc.lateness import LatenessMeter
from fake_openai.rtc.opus import RTP_CLOCK_HZ

_TIME_BASE: Final = Fraction(1, RTP_CLOCK_HZ)
_RTP_TICKS: Final = RTP_CLOCK_HZ // 50
_MAX_QUEUED: Final = 50
"""One second. A sender that far behind is stalled: the oldest packets go."""


class PacketTrack(MediaStreamTrack):
    """One outgoing audio track, 20 ms per packet, paced by whoever calls `put`."""

    kind = "audio"

    def __init__(self, meter: LatenessMeter | None = None) -> None:
        super().__init__()
        self._meter = meter
        self._packets: deque[tuple[av.Packet[Any], float]] = deque(maxlen=_MAX_QUEUED)
        self._waiter: asyncio.Future[None] | None = None
        self._timestamp = 0

    def put(self, payload: bytes, due_s: float) -> None:
        """Send this packet now; its RTP time is 20 ms after the one before.

        `due_s` is when it should leave: the meter is told when aiortc's sender has
        taken it, the last moment before encryption that can be seen.
        """
        packet = av.Packet(payload)
        packet.pts = self._timestamp
        packet.time_base = _TIME_BASE
        self._timestamp += _RTP_TICKS
        self._packets.append((packet, due_s))
        self._wake()

    def skip(self) -> None:
        """Let 20 ms of RTP time pass without a packet (a pause, or loss on the way)."""
        self._timestamp += _RTP_TICKS

    async def recv(self) -> "av.Packet[Any]":
        """The next packet; only aiortc's sender calls this.

        Raises:
            MediaStreamError: the track was stopped.
        """
        while not self._packets:
            if self.readyState != "live":
                raise MediaStreamError
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        packet, due_s = self._packets.popleft()
        if self._meter is not None:
            now_s = time.monotonic()
            self._meter.add(now_s - due_s, now_s)
        return packet

    def stop(self) -> None:
        """End the track and release the sender that waits in `recv`."""
        super().stop()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

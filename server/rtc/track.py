"""An outgoing audio track that is pushed, not polled: frames in, Opus out."""

import asyncio
from collections import deque

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.packet import Packet

from server.audio.format import FRAME_SAMPLES, Pcm
from server.rtc import opus_packet
from server.rtc.opus import (
    RTP_CLOCK,
    RTP_TICKS_PER_FRAME,
    OpusEncoder,
    OpusPacket,
)

MAX_WAITING_PACKETS = 5
"""100 ms; a sender that cannot keep up loses the oldest, never gains delay."""


class AudioSource(MediaStreamTrack):
    """Encodes each frame on push and hands the packet to aiortc's sender.

    The sender passes a ready-made packet through without its own encoder, resampler
    or executor. Timestamps count pushed frames, so the caller must push one frame per
    20 ms, silence included.
    """

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._encoder: OpusEncoder | None = OpusEncoder()
        self._packets: deque[OpusPacket] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._ticks = 0
        self._passed = b""
        self.dropped_packets = 0

    def push(self, pcm: Pcm) -> None:
        """Encode and queue one frame of FRAME_SAMPLES samples."""
        if self._encoder is None:
            return
        for packet in self._encoder.encode(pcm):
            self._queue(packet, RTP_TICKS_PER_FRAME)

    def push_packet(self, payload: bytes) -> None:
        """Queue an Opus packet of somebody else's encoder."""
        self._passed = payload
        ms = opus_packet.duration_ms(payload)
        self._queue(Packet(payload), int(ms * RTP_TICKS_PER_FRAME // 20))

    def rest(self) -> None:
        """20 ms of which nothing came: the far decoder goes on by itself."""
        self._queue(Packet(opus_packet.NOTHING), RTP_TICKS_PER_FRAME)

    def prime(self, frames: list[Pcm]) -> None:
        """Before the first `push` after packets (see `libopus.Encoder.join`)."""
        if self._encoder is None:
            return
        if self._passed and opus_packet.is_celt(self._passed):
            for frame in frames:
                if frame.size == FRAME_SAMPLES:
                    self._encoder.encode(frame)
        else:
            self._encoder = OpusEncoder()

    def _queue(self, packet: OpusPacket, ticks: int) -> None:
        packet.pts, packet.time_base = self._ticks, RTP_CLOCK
        self._ticks += ticks
        if len(self._packets) >= MAX_WAITING_PACKETS:
            self._packets.popleft()
            self.dropped_packets += 1
        self._packets.append(packet)
        self._wake_up()

    def stop(self) -> None:
        """End the track and free the encoder at once.

        PyAV's encoder holds a filter graph with threads of its own; left to the garbage
        collector they would pile up over some twenty calls.
        """
        self._encoder = None
        super().stop()
        self._wake_up()

    async def recv(self) -> OpusPacket:
        """The next packet; called by aiortc's sender only."""
        while not self._packets:
            if self.readyState != "live":
                raise MediaStreamError
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        return self._packets.popleft()

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

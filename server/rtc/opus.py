"""Opus at 24 kHz mono, both ways, on the calling thread.

The encoder takes 24 kHz as it is: the RTP clock stays 48 kHz (RFC 7587 section 4.1)
whatever rate we encode from. FFmpeg's decoder always gives 48 kHz, which is halved
here. A 20 ms frame costs some 30 us each way, less than handing it to a thread.
"""

from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.packet import Packet

from server.audio.format import FRAME_SAMPLES, RATE_HZ, Pcm
from server.audio.pcm import array_to_mono
from server.audio.resample import HalfBandDecimator

if TYPE_CHECKING:
    OpusPacket: TypeAlias = Packet[Any]
else:  # not generic before PyAV 15
    OpusPacket = Packet

RTP_CLOCK = Fraction(1, 48_000)
RTP_TICKS_PER_FRAME = 960
BIT_RATE_BPS = 48_000


class OpusEncoder:
    """Frames of PCM to Opus packets."""

    def __init__(self, bit_rate_bps: int = BIT_RATE_BPS) -> None:
        codec = av.CodecContext.create("libopus", "w")
        assert isinstance(codec, AudioCodecContext)
        codec.sample_rate = RATE_HZ
        codec.layout = "mono"
        codec.format = "s16"
        codec.bit_rate = bit_rate_bps
        codec.thread_count = 1  # FFmpeg would start threads of its own
        codec.time_base = Fraction(1, RATE_HZ)
        # CELT only: 2.5 ms of look-ahead instead of 6.5, a third of the CPU.
        codec.options = {
            "application": "lowdelay",
            "compression_level": "5",
            "frame_duration": "20",
        }
        self._codec = codec
        self._n_frames = 0

    def encode(self, pcm: Pcm) -> list[OpusPacket]:
        """Encode one frame of FRAME_SAMPLES samples; normally one packet comes back."""
        if pcm.size != FRAME_SAMPLES:
            raise ValueError(f"expected {FRAME_SAMPLES} samples, got {pcm.size}")
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(pcm.reshape(1, -1)), format="s16", layout="mono"
        )
        frame.sample_rate = RATE_HZ
        frame.pts = self._n_frames * FRAME_SAMPLES
        frame.time_base = Fraction(1, RATE_HZ)
        self._n_frames += 1
        # Its times start before zero by the look-ahead: the caller sets others.
        return self._codec.encode(frame)


class OpusDecoder:
    """Opus packets of one stream to PCM."""

    def __init__(self) -> None:
        codec = av.CodecContext.create("libopus", "r")
        assert isinstance(codec, AudioCodecContext)
        codec.sample_rate = RATE_HZ
        codec.layout = "mono"
        codec.format = "s16"
        codec.thread_count = 1
        self._codec = codec
        self._decimator = HalfBandDecimator()
        self.failed_packets = 0

    def decode(self, payload: bytes) -> Pcm | None:
        """The samples of one packet, or None when it is damaged (counted)."""
        if not payload:
            return None
        try:
            frames = self._codec.decode(Packet(payload))
        except av.FFmpegError:
            self.failed_packets += 1
            return None
        parts = [self._to_pcm(frame) for frame in frames]
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _to_pcm(self, frame: AudioFrame) -> Pcm:
        mono = array_to_mono(
            frame.to_ndarray(),
            n_channels=frame.layout.nb_channels,
            planar=frame.format.is_planar,
        )
        if frame.sample_rate == 2 * RATE_HZ:
            return self._decimator.process(mono)
        return mono

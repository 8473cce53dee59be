"""The microphone as an Opus track, and the assistant's track as 24 kHz PCM. EDGE."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, CodecContext, Packet

from simulator.timeline import FRAME_SAMPLES, RATE_HZ, Pcm

BIT_RATE_BPS = 32_000
QUEUED_FRAMES = 50
"""A sender a second behind has lost its network: the oldest frames go first."""


def opus_encoder(bit_rate_bps: int, *, application: str) -> Any:
    """An encoder for frames of 20 ms at 24 kHz mono."""
    codec: Any = CodecContext.create("libopus", "w")
    codec.sample_rate = RATE_HZ
    codec.layout = "mono"
    codec.format = "s16"
    codec.bit_rate = bit_rate_bps
    codec.options = {"application": application, "frame_duration": "20"}
    return codec


class MicrophoneTrack(MediaStreamTrack):
    """Encoded Opus frames on their way to the sender.

    The frames are encoded here at 24 kHz mono and handed over as packets, which the
    sender passes through: no executor hop, no resampling to 48 kHz stereo.
    """

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._packets: asyncio.Queue[Packet[Any] | None] = asyncio.Queue(QUEUED_FRAMES)
        self._codec = opus_encoder(BIT_RATE_BPS, application="voip")
        self._n_samples = 0
        self.n_dropped = 0

    def put(self, frame: Pcm) -> None:
        """Send one frame of 480 samples."""
        audio = AudioFrame.from_ndarray(
            np.ascontiguousarray(frame)[np.newaxis], format="s16", layout="mono"
        )
        audio.sample_rate = RATE_HZ
        audio.pts = self._n_samples
        for packet in self._codec.encode(audio):
            packet.pts = self._n_samples
            packet.time_base = Fraction(1, RATE_HZ)
            if self._packets.full():
                self._packets.get_nowait()
                self.n_dropped += 1
            self._packets.put_nowait(packet)
        self._n_samples += FRAME_SAMPLES

    def stop(self) -> None:
        """End the track; a waiting sender is released."""
        super().stop()
        if self._packets.full():
            self._packets.get_nowait()
        self._packets.put_nowait(None)

    async def recv(self) -> Packet[Any]:
        """The next packet (called by aiortc's sender)."""
        if self.readyState != "live":
            raise MediaStreamError
        packet = await self._packets.get()
        if packet is None:
            raise MediaStreamError
        return packet


class Halver:
    """48 kHz stereo to 24 kHz mono, chunk by chunk without seams.

    A 47-tap windowed-sinc half-band filter: flat to 10 kHz, and its delay of 0.48 ms
    (23 samples at 48 kHz) is the only one it adds.
    """

    TAPS = 47

    def __init__(self) -> None:
        at = np.arange(self.TAPS) - self.TAPS // 2
        taps = np.sinc(at / 2) * np.kaiser(self.TAPS, 7.0)
        self._taps = (taps / taps.sum()).astype(np.float32)
        self._tail = np.zeros(self.TAPS - 1, dtype=np.float32)

    def feed(self, interleaved: Pcm) -> Pcm:
        """Convert (2·n,) samples left, right, …; n is even. Returns (n/2,) samples."""
        mono = interleaved.reshape(-1, 2).mean(axis=1, dtype=np.float32)
        samples = np.concatenate([self._tail, mono])
        self._tail = samples[samples.size - (self.TAPS - 1) :]
        filtered = np.convolve(samples, self._taps, mode="valid")[::2]
        return np.clip(np.rint(filtered), -32768, 32767).astype(np.int16)


def frame_to_pcm(frame: AudioFrame, halver: Halver) -> Pcm:
    """A decoded frame of aiortc (48 kHz, packed stereo s16) as 24 kHz mono.

    Raises:
        ValueError: the frame has another form.
    """
    if frame.sample_rate != 48_000 or frame.format.name != "s16":
        raise ValueError(f"{frame.format.name} at {frame.sample_rate} Hz")
    if frame.layout.name != "stereo":
        raise ValueError(f"layout {frame.layout.name}")
    return halver.feed(frame.to_ndarray().astype(np.int16, copy=False).reshape(-1))

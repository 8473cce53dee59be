"""The sound every far end sends: a murmur with a loud marker every 400 ms. PURE.

The murmur keeps codecs as busy as speech does; a marker is found in whatever arrives
by its level alone, so that finding it costs next to nothing per frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

RATE_HZ = 24_000
FRAME_SAMPLES = 480
FRAME_S = 0.02
RTP_TICKS = 960
MARKER_FRAMES = 20
"""A marker begins with every so many frames: delays up to 400 ms are told apart."""
LOOP_FRAMES = 5 * MARKER_FRAMES
THRESHOLD = 9_000
"""Between the murmur (below 5000) and a marker (16 000)."""
REFRACTORY_S = 0.2
"""A marker found hides further crossings of its own for so long."""

Pcm = NDArray[np.int16]


def loop_pcm(seed: int = 7) -> Pcm:
    """Two seconds that can be repeated, int16, shape (LOOP_FRAMES * FRAME_SAMPLES,)."""
    rng = np.random.default_rng(seed)
    t = np.arange(LOOP_FRAMES * FRAME_SAMPLES) / RATE_HZ
    pitch_hz = 140 + 20 * np.sin(2 * np.pi * 0.5 * t)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    voiced = sum(np.sin(k * phase) / k for k in range(1, 20))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * t)
    murmur = 1100 * syllables * voiced + rng.normal(0, 120, t.size)
    pcm = np.clip(murmur, -4500, 4500)
    tone = 16_000 * np.sin(2 * np.pi * 1000 * t[:FRAME_SAMPLES])
    for start in range(0, pcm.size, MARKER_FRAMES * FRAME_SAMPLES):
        pcm[start : start + FRAME_SAMPLES] = tone
    return pcm.astype(np.int16)


def pcm_frames() -> list[bytes]:
    """The loop as messages of 20 ms, PCM16 little-endian."""
    data = loop_pcm().astype("<i2").tobytes()
    size = 2 * FRAME_SAMPLES
    return [data[i : i + size] for i in range(0, len(data), size)]


def opus_frames() -> list[bytes]:
    """The loop as Opus packets of 20 ms, as a speech codec sends them (32 kbit/s)."""
    codec = av.CodecContext.create("libopus", "w")
    assert isinstance(codec, AudioCodecContext)
    codec.sample_rate = RATE_HZ
    codec.layout = "mono"
    codec.format = "s16"
    codec.bit_rate = 32_000
    codec.options = {"application": "voip", "frame_duration": "20"}
    packets: list[bytes] = []
    # Twice round: the second time the encoder's state fits where the loop closes.
    for n, message in enumerate(pcm_frames() * 2):
        pcm = np.frombuffer(message, "<i2").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        frame.pts = n * FRAME_SAMPLES
        frame.time_base = Fraction(1, RATE_HZ)
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets[-LOOP_FRAMES:]


class OpusEar:
    """Decodes one stream to 48 kHz mono samples."""

    rate_hz = 48_000

    def __init__(self) -> None:
        codec = av.CodecContext.create("libopus", "r")
        assert isinstance(codec, AudioCodecContext)
        codec.sample_rate = self.rate_hz
        codec.layout = "mono"
        codec.format = "s16"
        self._codec = codec

    def decode(self, payload: bytes) -> Pcm:
        """Samples of one packet."""
        frames = self._codec.decode(av.Packet(payload))
        parts = [f.to_ndarray()[0, :: len(f.layout.channels)] for f in frames]
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def onset(pcm: Pcm, rate_hz: int) -> float | None:
    """Seconds into the samples at which a marker begins, or None."""
    if not pcm.size or pcm.max() < THRESHOLD:
        return None
    return float(np.argmax(pcm >= THRESHOLD)) / rate_hz


@dataclass(frozen=True, slots=True)
class Signal:
    """What is sent on one kind of leg, and where its markers lie when it is heard."""

    frames: list[bytes]
    onset_s: float
    """From the first sample of the frame `marker_frame` to the onset as heard."""
    marker_frame: int
    """Index within MARKER_FRAMES of the frame in which the onset is heard."""


def pcm_signal() -> Signal:
    """The loop for data channels."""
    frames = pcm_frames()
    found = onset(np.frombuffer(frames[0], "<i2"), RATE_HZ)
    assert found is not None
    return Signal(frames, found, 0)


def opus_signal() -> Signal:
    """The loop for RTP; calibrated with a decoder, so codec delay here is not counted.

    Raises:
        RuntimeError: the codec swallowed the markers.
    """
    frames = opus_frames()
    ear = OpusEar()
    was_loud = True
    for n in range(2 * LOOP_FRAMES):
        found = onset(ear.decode(frames[n % LOOP_FRAMES]), ear.rate_hz)
        if found is not None and not was_loud and n > LOOP_FRAMES:
            return Signal(frames, found, n % MARKER_FRAMES)
        was_loud = found is not None
    raise RuntimeError("no marker survives the codec")

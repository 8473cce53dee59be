"""What lines do to speech: codec, loss, gain, noise. Seeded; int16, 24 kHz mono."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from fake_openai.speech.level import from_pcm, to_pcm
from fake_openai.speech.resample import resample

RATE_HZ = 24_000
PACKET_SAMPLES = RATE_HZ // 50
OPUS_LOOKAHEAD_SAMPLES = 156
"""What libopus at 24 kHz puts before the first sample (pre-skip 312 at 48 kHz)."""

Pcm = NDArray[np.int16]


def seed_of(name: str) -> int:
    """The same seed for the same name, in every process."""
    return zlib.crc32(name.encode())


def opus(pcm: Pcm, *, bit_rate_bps: int = 16_000) -> Pcm:
    """Through libopus, mono voip 20 ms, as one unbroken stream."""
    heard = np.concatenate(list(_opus_frames(pcm, bit_rate_bps)))
    return heard[OPUS_LOOKAHEAD_SAMPLES:][: pcm.size]


def _opus_frames(pcm: Pcm, bit_rate_bps: int) -> Iterator[Pcm]:
    # PyAV types differ between 14 and 18; Any keeps this small.
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE_HZ, "mono", "s16"
    encoder.bit_rate = bit_rate_bps
    encoder.options = {"application": "voip", "frame_duration": "20"}
    encoder.open()
    decoder: Any = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    padded = np.pad(pcm, (0, PACKET_SAMPLES - pcm.size % PACKET_SAMPLES))
    for start in range(0, padded.size, PACKET_SAMPLES):
        samples = padded[np.newaxis, start : start + PACKET_SAMPLES]
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples), format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = RATE_HZ, start
        for packet in encoder.encode(frame):
            for decoded in decoder.decode(av.Packet(bytes(packet))):
                yield decoded.to_ndarray()[0, ::2].astype(np.int16)


def lossy(pcm: Pcm, *, rate: float, seed: int, concealed: str = "zero") -> Pcm:
    """Packets of 20 ms lost at random.

    Args:
        pcm: what is sent.
        rate: part of the packets that is lost.
        seed: which ones.
        concealed: what stands in their place: "zero", "repeat" (the last one, fading)
            or "cut" (nothing: what follows moves up).
    """
    rng = np.random.default_rng(seed)
    padded = np.pad(pcm, (0, -pcm.size % PACKET_SAMPLES))
    last = np.zeros(PACKET_SAMPLES)
    heard = []
    for packet in padded.reshape(-1, PACKET_SAMPLES).astype(float):
        if rng.random() >= rate:
            last = packet
            heard.append(packet)
        elif concealed != "cut":
            last = last * (0.7 if concealed == "repeat" else 0.0)
            heard.append(last)
    return np.concatenate(heard).astype(np.int16)


def louder(pcm: Pcm, gain_db: float) -> Pcm:
    """With gain, clipped where it is too much."""
    return to_pcm(from_pcm(pcm) * 10 ** (gain_db / 20))


def noisy(pcm: Pcm, *, below_db: float, seed: int) -> Pcm:
    """With white noise so far below speech of -20 dBFS."""
    noise = np.random.default_rng(seed).standard_normal(pcm.size)
    return to_pcm(from_pcm(pcm) + noise * 10 ** ((-20 - below_db) / 20))


def telephone(pcm: Pcm) -> Pcm:
    """At 8 kHz and back."""
    return to_pcm(resample(resample(from_pcm(pcm), RATE_HZ, 8_000), 8_000, RATE_HZ))


def mixed(pcm: Pcm, other: Pcm, *, below_db: float) -> Pcm:
    """With a second talker, so far below, over all of it."""
    second = np.resize(from_pcm(other), pcm.size) * 10 ** (-below_db / 20)
    return to_pcm(from_pcm(pcm) + second)


def echoing(pcm: Pcm, *, after_ms: int = 60, below_db: float = 8.0) -> Pcm:
    """With one echo."""
    samples = from_pcm(pcm)
    delay = after_ms * RATE_HZ // 1000
    samples[delay:] += from_pcm(pcm)[:-delay] * 10 ** (-below_db / 20)
    return to_pcm(samples)


def hurried(pcm: Pcm, factor: float) -> Pcm:
    """Played by a clock that is fast by a factor."""
    at = np.arange(int(pcm.size / factor)) * factor
    return to_pcm(np.interp(at, np.arange(pcm.size), from_pcm(pcm)))


def in_silence(pcm: Pcm, *, before: int, after: int) -> Pcm:
    """With so many silent samples around it."""
    return np.pad(pcm, (before, after))


def not_speech(seconds: float, *, seed: int) -> dict[str, Pcm]:
    """Sounds that nobody said, by name."""
    n = int(seconds * RATE_HZ)
    t = np.arange(n) / RATE_HZ
    rng = np.random.default_rng(seed)
    white = rng.standard_normal(n)
    brown = np.cumsum(white)
    brown -= np.convolve(brown, np.ones(480) / 480, "same")
    clicks = np.zeros(n)
    clicks[:: RATE_HZ // 10] = 0.9
    return {
        "white noise": to_pcm(0.1 * white),
        "brown noise": to_pcm(0.1 * brown / brown.std()),
        "noise in bursts": to_pcm(0.1 * white * (1 + np.sin(2 * np.pi * 4 * t))),
        "440 Hz": to_pcm(0.2 * np.sin(2 * np.pi * 440 * t)),
        "1 kHz": to_pcm(0.2 * np.sin(2 * np.pi * 1000 * t)),
        "chirp": to_pcm(0.2 * np.sin(2 * np.pi * (200 * t + 1500 * t * t / seconds))),
        "music": _music(n, rng),
        "clicks": to_pcm(clicks),
        "last bits": rng.integers(-1, 2, n).astype(np.int16),
        "direct current": np.full(n, 3000, np.int16),
        "silence": np.zeros(n, np.int16),
    }


def _music(n: int, rng: np.random.Generator) -> Pcm:
    """Plucked notes, four a second."""
    tune = np.zeros(n)
    for start in range(0, n, RATE_HZ // 4):
        pitch_hz = 220 * 2 ** (rng.integers(0, 24) / 12)
        t = np.arange(n - start) / RATE_HZ
        for harmonic in range(1, 8):
            wave = np.sin(2 * np.pi * pitch_hz * harmonic * t)
            tune[start:] += wave * np.exp(-5 * t) / harmonic
    return to_pcm(0.1 * tune / tune.std())

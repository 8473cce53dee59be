"""Speech to test the ruler with, through a real speech codec where that matters."""

from __future__ import annotations

from functools import cache

import numpy as np
from av import AudioFrame, CodecContext

from simulator.opus_track import Halver, frame_to_pcm
from simulator.speech import speech_like
from simulator.timeline import FRAME_SAMPLES, RATE_HZ, Pcm


def shifted(pcm: Pcm, samples: float) -> Pcm:
    """Delayed by a fractional number of samples, lengthened by a second."""
    n = pcm.size + RATE_HZ
    hz = np.fft.rfftfreq(n, 1)
    spectrum = np.fft.rfft(pcm.astype(np.float64), n)
    moved = np.fft.irfft(spectrum * np.exp(-2j * np.pi * hz * samples), n)
    return np.clip(np.rint(moved), -32768, 32767).astype(np.int16)


def noise(n_samples: int, *, seed: int, rms: float) -> Pcm:
    rng = np.random.default_rng(seed)
    return np.rint(rng.standard_normal(n_samples) * rms).astype(np.int16)


@cache
def sentence(seed: int, seconds: float = 2.0) -> Pcm:
    pcm = speech_like(seconds, seed=seed)
    pcm.setflags(write=False)
    return pcm


def through_opus(pcm: Pcm, *, bit_rate: int = 24_000) -> Pcm:
    """Encoded at 24 kHz mono, decoded as a client does; the delays are left in."""
    encoder = CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE_HZ, "mono", "s16"
    encoder.bit_rate = bit_rate
    encoder.options = {"application": "voip", "frame_duration": "20"}
    decoder = CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout, decoder.format = 48_000, "stereo", "s16"
    halver = Halver()
    out = []
    for at in range(0, pcm.size - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        frame = AudioFrame.from_ndarray(
            pcm[np.newaxis, at : at + FRAME_SAMPLES], format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = RATE_HZ, at
        for packet in encoder.encode(frame):
            out += [frame_to_pcm(f, halver) for f in decoder.decode(packet)]
    return np.concatenate(out).astype(np.int16)


OPUS_DELAY = 166.3
"""Samples by which the codec (6.5 ms of look-ahead) and the half-band filter delay."""

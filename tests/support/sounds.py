"""Test sounds and what an ear makes of them. int16 or float32, mono, 24 kHz."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 24_000

Sound = NDArray[Any]


def tone(
    seconds: float, *, hz: float = 440.0, dbfs: float = -12.0
) -> NDArray[np.int16]:
    """A sine; `dbfs` is its RMS below a full-scale square wave."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    amplitude = 32768 * 10 ** (dbfs / 20) * np.sqrt(2)
    wave = np.round(amplitude * np.sin(2 * np.pi * hz * time_s))
    return np.asarray(wave, np.int16)


def unit(sound: Sound) -> NDArray[np.float64]:
    """Samples in -1..1, whatever the type."""
    scale = 32768.0 if sound.dtype == np.int16 else 1.0
    return sound.astype(np.float64) / scale


def rms_dbfs(sound: Sound) -> float:
    """Level, -96 for silence or nothing."""
    power = float(np.mean(np.square(unit(sound)))) if sound.size else 0.0
    return max(-96.0, 10 * float(np.log10(power))) if power else -96.0


def pitch_hz(sound: Sound) -> float:
    """The strongest frequency, to a fraction of a bin."""
    spectrum = np.abs(np.fft.rfft(unit(sound) * np.hanning(sound.size)))
    peak = int(np.argmax(spectrum[1:-1])) + 1
    left, middle, right = np.log(spectrum[peak - 1 : peak + 2] + 1e-12)
    offset = 0.5 * (left - right) / (left - 2 * middle + right)
    return float((peak + offset) * RATE_HZ / sound.size)


def audible_span(sound: Sound, *, threshold_dbfs: float = -50.0) -> tuple[int, int]:
    """First sample of the first and last sample of the last audible 5 ms; (0, 0)."""
    block = RATE_HZ // 200
    n_blocks = sound.size // block
    blocks = unit(sound[: n_blocks * block]).reshape(n_blocks, block)
    levels = np.sqrt(np.mean(np.square(blocks), axis=1))
    loud = np.flatnonzero(levels > 10 ** (threshold_dbfs / 20))
    return (int(loud[0]) * block, (int(loud[-1]) + 1) * block) if loud.size else (0, 0)


def likeness(expected: Sound, heard: Sound) -> tuple[float, int]:
    """How well a sound is found in a recording, and from which sample on.

    The best normalised correlation, -1..1, over all positions.
    """
    wanted, there = unit(expected), unit(heard)
    if there.size < wanted.size:
        there = np.pad(there, (0, wanted.size - there.size))
    n_fft = 1 << (there.size + wanted.size - 1).bit_length()
    product = np.fft.irfft(
        np.fft.rfft(there, n_fft) * np.conj(np.fft.rfft(wanted, n_fft)), n_fft
    )[: there.size - wanted.size + 1]
    power = np.concatenate(([0.0], np.cumsum(np.square(there))))
    local = power[wanted.size :] - power[: power.size - wanted.size]
    scale = np.sqrt(np.maximum(local, 1e-9) * np.sum(np.square(wanted)))
    best = int(np.argmax(product / scale))
    return float(product[best] / scale[best]), best

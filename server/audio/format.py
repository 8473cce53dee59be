"""The one audio format inside the bridge: PCM16, 24 kHz, mono, 20 ms frames."""

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 24_000
FRAME_MS = 20
FRAME_SAMPLES = RATE_HZ * FRAME_MS // 1000
FRAME_BYTES = FRAME_SAMPLES * 2
FULL_SCALE = 32_768

Pcm = NDArray[np.int16]
"""Mono samples, int16, shape (n_samples,), 24 kHz unless said otherwise."""

SILENCE: Pcm = np.zeros(FRAME_SAMPLES, np.int16)
SILENCE.flags.writeable = False


def samples_to_ms(n_samples: int) -> float:
    """Duration of n_samples at 24 kHz, in milliseconds."""
    return n_samples * 1000 / RATE_HZ


def ms_to_samples(duration_ms: float) -> int:
    """Number of 24 kHz samples in duration_ms, rounded to the nearest."""
    return round(duration_ms * RATE_HZ / 1000)

"""Whole recordings at another rate or another length. Pure functions on arrays."""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

_EDGE_SAMPLES = 256
"""Silence put around a recording so that the transform's wrap-around meets zeros."""


def resample(
    samples: NDArray[np.floating], from_hz: int, to_hz: int
) -> NDArray[np.float64]:
    """A whole recording at another rate, by its spectrum: no delay, exact pitch.

    Args:
        samples: float, shape (n_samples,), mono.
        from_hz: its rate.
        to_hz: the rate wanted.

    Returns:
        float64, shape (ceil(n_samples * to_hz / from_hz),).
    """
    if from_hz == to_hz or samples.size == 0:
        return samples.astype(np.float64)
    common = gcd(from_hz, to_hz)
    down, up = from_hz // common, to_hz // common
    edge = -(-_EDGE_SAMPLES // down) * down
    n_padded = _quick_multiple(down, samples.size + 2 * edge)
    padded = np.pad(samples.astype(np.float64), (edge, n_padded - samples.size - edge))
    n_out = padded.size // down * up
    spectrum = np.fft.rfft(padded)
    keep = min(padded.size, n_out) // 2 + 1
    wanted = np.zeros(n_out // 2 + 1, dtype=np.complex128)
    wanted[:keep] = spectrum[:keep] * _soft_edge(keep)
    result = np.fft.irfft(wanted, n_out) * (up / down)
    start = edge // down * up
    return result[start : start + -(-samples.size * up // down)]


def _quick_multiple(of: int, least: int) -> int:
    """The smallest `of * 2**a * m` not below `least`, m one of 1, 3, 5, 9, 15.

    A transform whose length has a large prime factor takes ten times as long.
    """
    needed = -(-least // of)
    return of * min(
        m << max(0, (-(-needed // m) - 1).bit_length()) for m in (1, 3, 5, 9, 15)
    )


def _soft_edge(n_bins: int) -> NDArray[np.float64]:
    """Weights 1, falling to 0 over the last twentieth: less ringing than a wall."""
    slope = max(1, n_bins // 20)
    weights = np.ones(n_bins)
    weights[-slope:] = 0.5 * (1 + np.cos(np.pi * np.arange(1, slope + 1) / slope))
    return weights

"""Halving the rate of a stream: 48 kHz from the decoder to our 24 kHz."""

import numpy as np
from numpy.typing import NDArray

from server.audio.format import Pcm

N_TAPS = 63
"""Linear phase: 0.65 ms of delay; flat to 10.5 kHz, -60 dB from 13.5 kHz."""


def half_band_taps(n_taps: int = N_TAPS) -> NDArray[np.float32]:
    """Windowed-sinc half-band low-pass, unity gain at 0 Hz, shape (n_taps,)."""
    centre = n_taps // 2
    n = np.arange(n_taps) - centre
    taps = 0.5 * np.sinc(n / 2) * np.kaiser(n_taps, 6.0)
    odd = taps[n % 2 != 0]
    taps[n % 2 != 0] = odd * (0.5 / odd.sum())
    taps[centre] = 0.5
    return taps.astype(np.float32)


class HalfBandDecimator:
    """48 kHz in, 24 kHz out; keeps its filter state between frames.

    Every second tap of a half-band filter is zero, so one phase of the input is only
    delayed and the other is convolved with 32 taps.
    """

    def __init__(self) -> None:
        self._taps = half_band_taps()[::2].copy()
        self._tail = np.zeros(N_TAPS - 1, np.float32)

    def process(self, pcm: Pcm) -> Pcm:
        """Samples at half the rate; an even number in gives exactly half out.

        Raises:
            ValueError: if the number of samples is odd.
        """
        if pcm.size % 2:
            raise ValueError(f"{pcm.size} samples cannot be halved")
        padded = np.concatenate((self._tail, pcm.astype(np.float32)))
        self._tail = padded[-(N_TAPS - 1) :]
        filtered = np.convolve(padded[::2], self._taps, "valid")
        delay = N_TAPS // 2
        direct = padded[delay : delay + pcm.size : 2]
        summed = filtered[: pcm.size // 2] + np.float32(0.5) * direct
        return np.clip(np.rint(summed), -32_768, 32_767).astype(np.int16)

"""Fills a hole in speech with more of what was just heard."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_HISTORY: Final = 960
"""40 ms at 24 kHz: two periods of the lowest voice looked for."""
_MIN_LAG, _MAX_LAG = 60, 480
"""Pitch of 400 down to 50 Hz."""
_FADE: Final = 1_440
"""A hole longer than 60 ms ends in silence: longer repetition sounds like a buzz."""
_SPLICE: Final = 120
"""Cross-fade into the next real packet: 5 ms."""


class Concealer:
    """Repeats the last pitch period, fading out, and splices the next packet on.

    Enough for a voice detector and a recogniser at some per cent of loss; it is not
    Opus' own concealment, which FFmpeg's decoder does not offer.
    """

    def __init__(self) -> None:
        self._history = np.zeros(_HISTORY, dtype=np.float32)
        self._tail: NDArray[np.float32] | None = None

    def heard(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """Note decoded samples; returns them, spliced when they follow a hole."""
        if self._tail is not None and len(pcm) >= _SPLICE:
            fade = np.linspace(0.0, 1.0, _SPLICE, dtype=np.float32)
            blended = pcm.astype(np.float32)
            blended[:_SPLICE] = fade * blended[:_SPLICE] + (1 - fade) * self._tail
            pcm = np.rint(blended).astype(np.int16)
        self._tail = None
        self._remember(pcm)
        return pcm

    def conceal(self, n_samples: int) -> NDArray[np.int16]:
        """`n_samples` (int16) in place of what was lost."""
        lag = _pitch_lag(self._history)
        period = self._history[-lag:]
        repeats = -(-(n_samples + _SPLICE) // lag)
        wave = np.tile(period, repeats)[: n_samples + _SPLICE]
        wave = wave * np.clip(1 - np.arange(len(wave)) / _FADE, 0, 1).astype(np.float32)
        self._tail = wave[n_samples:]
        out = np.rint(wave[:n_samples]).astype(np.int16)
        self._remember(out)
        return out

    def _remember(self, pcm: NDArray[np.int16]) -> None:
        if len(pcm) >= _HISTORY:
            self._history = pcm[-_HISTORY:].astype(np.float32)
        else:
            self._history = np.concatenate((self._history[len(pcm) :], pcm)).astype(
                np.float32
            )


def _pitch_lag(history: NDArray[np.float32]) -> int:
    """The lag, in samples, at which the newest 20 ms best match what came before."""
    target = history[-_MAX_LAG:]
    if not target.any():
        return _MAX_LAG
    scores = np.correlate(history, target, "valid")[:-_MIN_LAG]
    energy = np.convolve(np.square(history), np.ones(_MAX_LAG, np.float32), "valid")
    scores = scores / np.sqrt(np.maximum(energy[: len(scores)], 1.0))
    return int(_HISTORY - _MAX_LAG - int(np.argmax(scores)))

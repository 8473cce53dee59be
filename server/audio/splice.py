"""Leaves out or repeats a little sound where it repeats itself. PURE.

A voice is nearly periodic: one period more or less is not heard, when the seam is laid
where the sound is most like itself a period away.
"""

import numpy as np
from numpy.typing import NDArray

from server.audio.format import Pcm, ms_to_samples

MIN_LAG = ms_to_samples(2.5)
MAX_LAG = ms_to_samples(12.5)
"""400 Hz down to 80 Hz."""
FADE_SAMPLES = ms_to_samples(5)
QUIET_PEAK = 164
"""-46 dBFS: below it there is no voice to damage."""

_FADE_IN = np.linspace(0.0, 1.0, FADE_SAMPLES, dtype=np.float32)
_STEP = 2


def is_quiet(pcm: Pcm) -> bool:
    """Whether nobody would miss these samples."""
    return pcm.size == 0 or bool(pcm.max() < QUIET_PEAK and pcm.min() > -QUIET_PEAK)


def best_lag(sound: Pcm, shortest: int = MIN_LAG, longest: int = MAX_LAG) -> int:
    """The lag at which the beginning of `sound` is most like itself.

    Args:
        sound: at least `longest` + FADE_SAMPLES samples.
        shortest, longest: lags tried, in samples.
    """
    samples = sound[: longest + FADE_SAMPLES].astype(np.float32)
    here = samples[:FADE_SAMPLES:_STEP]
    starts = np.arange(shortest, longest + 1, 3)
    others = samples[starts[:, None] + np.arange(0, FADE_SAMPLES, _STEP)]
    energy = 1.0 + np.einsum("ij,ij->i", others, others)
    likeness: NDArray[np.float32] = others @ here / np.sqrt(energy)
    return int(starts[int(np.argmax(likeness))])


def cross_fade(old: Pcm, new: Pcm) -> Pcm:
    """From one to the other; both have FADE_SAMPLES samples."""
    return np.rint(old * (1 - _FADE_IN) + new * _FADE_IN).astype(np.int16)


def without_quiet(sound: Pcm, n_samples: int, block: int) -> Pcm:
    """The sound shorter by `n_samples`: quiet blocks go first, then the oldest."""
    n_blocks = sound.size // block
    peaks = np.abs(sound[: n_blocks * block].reshape(n_blocks, block)).max(axis=1)
    quiet = np.flatnonzero((peaks >= 0) & (peaks < QUIET_PEAK))
    gone = quiet[: -(-n_samples // block)]
    if gone.size:
        keep = np.ones(sound.size, bool)
        for at in gone:
            keep[at * block : (at + 1) * block] = False
        shorter = sound[keep]
        spare = sound.size - n_samples - shorter.size
        if spare >= 0:
            # The last block was needed in part only: quiet is as good as quiet.
            return np.concatenate((np.zeros(spare, np.int16), shorter))
        return shorter[-spare:]
    return sound[n_samples:]

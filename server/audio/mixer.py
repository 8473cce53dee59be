"""Sum of several voices without wrap-around.

A sum, never a mean: one talker among six must keep their level. Above a knee the sum
is bent smoothly towards full scale, so that loud talkers at once do not crackle; below
the knee the result is exact to the bit.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.audio.format import FRAME_SAMPLES, FULL_SCALE, Pcm

Sum = NDArray[np.int32]
"""Unlimited sum of frames, int32, shape (n_samples,)."""

KNEE = 29_204
"""-1 dBFS: a single talker practically never gets here."""

_ROOM = FULL_SCALE - 1 - KNEE


def add_up(frames: Sequence[Pcm], n_samples: int = FRAME_SAMPLES) -> Sum:
    """The exact sum of frames of n_samples each; silence when there are none."""
    total = np.zeros(n_samples, np.int32)
    for frame in frames:
        total += frame
    return total


def limit(total: Sum) -> Pcm:
    """The sum as int16: exact up to KNEE, bent towards full scale above it."""
    if total.size == 0 or (total.max() <= KNEE and total.min() >= -KNEE):
        return total.astype(np.int16)
    excess = np.abs(total) - KNEE
    bent = KNEE + _ROOM * np.tanh(np.maximum(excess, 0) / _ROOM)
    limited = np.where(excess > 0, np.sign(total) * bent, total)
    return np.rint(limited).astype(np.int16)


def amplify(frame: Pcm, gain: float) -> Pcm:
    """One frame louder or quieter, limited like a sum; silent at 0."""
    return limit(np.rint(frame * gain).astype(np.int32))


def mix(frames: Sequence[Pcm], n_samples: int = FRAME_SAMPLES) -> Pcm:
    """Everybody at once: add_up, then limit. One frame comes back unchanged."""
    return limit(add_up(frames, n_samples))


def mix_minus(total: Sum, own: Pcm | None, extra: Pcm | None = None) -> Pcm:
    """What one participant hears: all others, plus `extra` (the assistant).

    Args:
        total: add_up of every participant's frame.
        own: the participant's own frame inside total, or None when it is not in it.
        extra: added on top, or None.
    """
    heard = total
    if own is not None:
        heard = heard - own
    if extra is not None:
        heard = heard + extra
    return limit(heard)

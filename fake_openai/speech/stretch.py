"""Speech at another tempo, pitch or length. Pure functions on arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fake_openai.speech.resample import resample
from fake_openai.utterances.model import SAMPLE_RATE_HZ, Word

_MS = SAMPLE_RATE_HZ // 1000
_FRAME = 30 * _MS
_HOP = _FRAME // 2
_SEARCH = 8 * _MS
"""Grains may move this far to meet in phase: a period of a voice of 125 Hz."""
FADE_MS = 10
REPEAT_PAUSE_MS = 300
LEAST_FACTOR, MOST_FACTOR = 0.5, 2.0
"""Tempo changes beyond these no longer sound like speech."""

Floats = NDArray[np.float64]


def stretch(samples: Floats, n_samples: int) -> Floats:
    """The same speech slower or faster at its own pitch.

    Grains of 30 ms are laid at a new spacing, each moved by up to 8 ms to where it
    continues the last one best (WSOLA, Verhelst and Roelands 1993).

    Args:
        samples: float, shape (n,), mono, 24 kHz.
        n_samples: length wanted.

    Returns:
        float64, shape (n_samples,).
    """
    if n_samples == samples.size:
        return samples.astype(np.float64)
    if samples.size == 0 or n_samples == 0:
        return np.zeros(n_samples)
    window = np.hanning(_FRAME + 1)[:-1]
    n_grains = -(-n_samples // _HOP) + 1
    # Room for the grains before the first sample and, when much is skipped, far after
    # the last.
    step = (samples.size - 1) / max(1, n_samples - 1) * _HOP
    room = round(n_grains * step) - samples.size + 3 * _FRAME
    source = np.pad(samples, (_HOP + _SEARCH, max(3 * _FRAME, room)))
    result = np.zeros(n_grains * _HOP + _FRAME)
    natural: Floats | None = None
    for grain in range(n_grains):
        ideal = round(grain * step) + _SEARCH
        start = ideal if natural is None else _best_start(source, natural, ideal)
        at = grain * _HOP
        result[at : at + _FRAME] += source[start : start + _FRAME] * window
        natural = source[start + _HOP : start + _HOP + _FRAME]
    return result[_HOP : _HOP + n_samples]


def _best_start(source: Floats, natural: Floats, ideal: int) -> int:
    """Where near `ideal` the source looks most like the natural continuation."""
    first = min(max(0, ideal - _SEARCH), source.size - natural.size)
    area = source[first : ideal + _SEARCH + natural.size]
    likeness = np.correlate(area, natural, "valid")
    return first + int(likeness.argmax()) if likeness.any() else ideal


def shift_pitch(samples: Floats, factor: float) -> Floats:
    """The same speech at another pitch, tempo kept.

    Args:
        samples: float, shape (n,), mono, 24 kHz.
        factor: new pitch over old; formants move with it (a larger or smaller head).

    Returns:
        float64, shape (n,).
    """
    if factor == 1.0 or samples.size == 0:
        return samples.astype(np.float64)
    longer = stretch(samples, round(samples.size * factor))
    shifted = resample(longer, round(SAMPLE_RATE_HZ * factor / 100) * 100, 24_000)
    return np.pad(shifted, (0, max(0, samples.size - shifted.size)))[: samples.size]


def fit(
    samples: Floats, words: Sequence[Word], duration_ms: int
) -> tuple[Floats, tuple[Word, ...]]:
    """Speech of exactly a wanted length.

    Between half and double its natural length it is stretched. Beyond, it is said
    again and again with pauses of 300 ms, or broken off, at its own tempo: a voice
    that must talk for a minute, or stop in mid-word.

    Args:
        samples: float, shape (n,), mono, 24 kHz.
        words: what is said in them.
        duration_ms: length wanted, 0 or more.

    Returns:
        float64, shape (duration_ms * 24,), and the words that are heard in it, as
        often as they are said; one that is broken off ends with the audio.
    """
    wanted = duration_ms * _MS
    if samples.size == 0:
        return np.zeros(wanted), ()
    factor = wanted / samples.size
    if LEAST_FACTOR <= factor <= MOST_FACTOR:
        scaled = (
            Word(w.text, round(w.start_ms * factor), round(w.end_ms * factor))
            for w in words
        )
        return stretch(samples, wanted), tuple(scaled)
    round_samples = samples.size + REPEAT_PAUSE_MS * _MS
    n_rounds = max(1, -(-wanted // round_samples))
    once = np.pad(samples, (0, round_samples - samples.size))
    result = np.tile(once, n_rounds)[:wanted].astype(np.float64)
    ramp = min(FADE_MS * _MS, result.size)
    result[result.size - ramp :] *= np.linspace(1, 0, ramp)
    said = _repeated(words, n_rounds, round_samples // _MS, duration_ms)
    return result, tuple(said)


def _repeated(
    words: Sequence[Word], n_rounds: int, round_ms: int, duration_ms: int
) -> Iterator[Word]:
    for number in range(n_rounds):
        for word in words:
            start_ms = word.start_ms + number * round_ms
            if start_ms < duration_ms:
                end_ms = min(duration_ms, word.end_ms + number * round_ms)
                yield Word(word.text, start_ms, end_ms)

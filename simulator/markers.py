"""Where a known sound is in a recording: matched filters that survive a codec.

Speech itself is the marker. Both sides are band-limited to where speech codecs keep the
waveform and flattened by one fixed whitening filter, which turns speech's broad
correlation into a peak a fraction of a millisecond wide; the correlation is normalised,
so that its height (0..1) says how surely this is the same sound, at any level.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from simulator.analysis import vertex
from simulator.speech import to_float
from simulator.timeline import RATE_HZ, Pcm, Samples

LOW_HZ = 150.0
HIGH_HZ = 4200.0
"""Band compared: above it Opus at speech rates keeps the energy, not the waveform."""

PIECE_SAMPLES = int(0.8 * RATE_HZ)
"""Longest stretch correlated at once: a longer one would fade with every skip and with
a clock that drifts by as little as 100 ppm."""

CONFIDENT = 0.5
"""Correlation from which a match of a piece is believed. After Opus at 16 kbit/s a
piece of speech reaches 0.9, other speech 0.1 (median) to 0.44 (the same voice saying
the same words: 500 pairs of the prepared utterances)."""


@dataclass(frozen=True, slots=True)
class Match:
    """Where a known sound begins in a recording."""

    at: float
    """Sample of the recording at which the sound's first sample is, fractional."""
    confidence: float
    """Normalised correlation of the surest piece, 0..1."""


def flatten(pcm: Pcm) -> Samples:
    """Band-limited and whitened: the form in which sounds are compared.

    First difference (speech falls by about 6 dB per octave, the difference rises by
    it), then a band-pass with soft edges. Linear phase: nothing moves in time.

    Args:
        pcm: int16, shape (n_samples,), 24 kHz.

    Returns:
        float64, shape (n_samples,).
    """
    if pcm.size == 0:
        return np.zeros(0)
    samples = to_float(pcm)
    size = fast_length(samples.size + RATE_HZ // 50)
    hz = np.fft.rfftfreq(size, 1 / RATE_HZ)
    rise = np.clip((hz - LOW_HZ / 2) / (LOW_HZ / 2), 0, 1)
    fall = np.clip((HIGH_HZ * 1.15 - hz) / (HIGH_HZ * 0.15), 0, 1)
    # |f| and not 2*sin: symmetric in time, so it adds no half-sample of delay.
    weight = rise * fall * (hz / 1000.0)
    return np.asarray(np.fft.irfft(np.fft.rfft(samples, size) * weight, size))[
        : samples.size
    ]


def fast_length(n: int) -> int:
    """Smallest 2^a·3^b·5^c >= n: a length the FFT is quick at."""
    best = 1 << max(0, int(n - 1).bit_length())
    five = 1
    while five < best:
        three = five
        while three < best:
            twos = -(-n // three)
            best = min(best, three * (1 << max(0, int(twos - 1).bit_length())))
            three *= 3
        five *= 5
    return best


def correlate(template: Samples, recording: Samples) -> Samples:
    """Normalised correlation at every place where the template overlaps.

    Args:
        template: shape (n,), from `flatten`.
        recording: shape (m,), from `flatten`.

    Returns:
        shape (m + n - 1,): entry k is the similarity (-1..1) when the template's first
        sample lies at recording sample k - (n - 1). The recording counts as silence
        outside its ends; a place with too little energy reads 0.
    """
    n, m = template.size, recording.size
    if n == 0 or m == 0:
        return np.zeros(max(0, n + m - 1))
    size = fast_length(n + m - 1)
    cross = np.fft.irfft(
        np.fft.rfft(recording, size) * np.fft.rfft(template[::-1], size), size
    )[: n + m - 1]
    energy = np.concatenate([[0.0], np.cumsum(np.square(recording))])
    starts = np.arange(-(n - 1), m)
    held = energy[np.clip(starts + n, 0, m)] - energy[np.clip(starts, 0, m)]
    own = float(np.sum(np.square(template)))
    # A place that holds almost nothing must not look like a perfect match of nothing.
    held = np.maximum(held, 1e-4 * own)
    return np.asarray(cross / np.sqrt(held * own)) if own else np.zeros(n + m - 1)


def locate(
    sound: Pcm,
    recording: Pcm,
    *,
    least: float = CONFIDENT,
    earliest: float = -math.inf,
) -> Match | None:
    """Find a known sound in a recording.

    It is looked for in pieces, and the surest piece tells where the whole lies.

    Args:
        sound: int16, shape (n,), 24 kHz: what to look for, at least 50 ms.
        recording: int16, shape (m,), 24 kHz.
        least: confidence below which the answer is "not there".
        earliest: sample before which the sound's first one cannot lie.

    Returns:
        The best match to a fraction of a sample, or None. A steady tone matches at
        every period: use `analysis.read_tone` for those.
    """
    flat_sound, flat_recording = flatten(sound), flatten(recording)
    if flat_sound.size == 0 or flat_recording.size == 0:
        return None
    n_pieces = -(-flat_sound.size // PIECE_SAMPLES)
    edges = np.linspace(0, flat_sound.size, n_pieces + 1).astype(int)
    matches = [
        _best(flat_sound[start:end], flat_recording, start, earliest)
        for start, end in itertools.pairwise(edges)
    ]
    best = max(matches, key=lambda match: match.confidence)
    return best if best.confidence >= least else None


def _best(piece: Samples, recording: Samples, start: int, earliest: float) -> Match:
    """Best place of a piece that begins at sample `start` of its sound."""
    similarity = correlate(piece, recording)
    if earliest > -math.inf:
        too_early = math.ceil(earliest + start + piece.size - 1)
        similarity[: max(0, min(too_early, similarity.size))] = 0.0
    peak = int(np.argmax(similarity))
    offset = 0.0
    if 0 < peak < similarity.size - 1:
        left, middle, right = (float(v) for v in similarity[peak - 1 : peak + 2])
        offset = vertex(left, middle, right)
    at = peak - (piece.size - 1) + offset - start
    return Match(at=float(at), confidence=float(similarity[peak]))

"""How intelligible speech still is: STOI. Pure.

Short-time objective intelligibility after C. H. Taal, R. C. Hendriks, R. Heusdens and
J. Jensen, "An Algorithm for Intelligibility Prediction of Time-Frequency Weighted Noisy
Speech", IEEE TASLP 19(7), 2011; written from the paper, free of any licence but ours.
It compares the envelopes of 15 third-octave bands over 384 ms, so a codec costs it
little, noise and lost pieces much. It is no MOS and says nothing about delay.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from simulator.speech import to_float
from simulator.timeline import RATE_HZ, Pcm, Samples

ANALYSIS_HZ = 10_000
FRAME = 256
HOP = 128
FFT_SIZE = 512
BANDS = 15
LOWEST_HZ = 150.0
SEGMENT_FRAMES = 30
SILENT_BELOW_DB = 40.0
"""Frames of the reference weaker than its loudest by more are left out."""
CLIP_DB = -15.0
"""Lower bound of the signal-to-distortion ratio, per band and frame."""


def stoi(reference: Pcm, heard: Pcm) -> float | None:
    """Intelligibility of speech as heard, about 0 (none) to 1 (as the reference).

    Args:
        reference: what was spoken, int16, shape (n,), 24 kHz.
        heard: the same speech as heard, aligned with it, same shape; any level.

    Returns:
        The score, or None for less than 0.4 s of speech.

    Raises:
        ValueError: the shapes differ.
    """
    if reference.shape != heard.shape:
        raise ValueError(f"shapes {reference.shape} and {heard.shape} differ")
    if reference.size < SEGMENT_FRAMES * HOP * RATE_HZ // ANALYSIS_HZ:
        return None
    clean, noisy = _without_silence(_resampled(reference), _resampled(heard))
    if clean.shape[0] < SEGMENT_FRAMES:
        return None
    x, y = _band_envelopes(clean), _band_envelopes(noisy)
    scores = [
        _segment_score(x[:, at : at + SEGMENT_FRAMES], y[:, at : at + SEGMENT_FRAMES])
        for at in range(x.shape[1] - SEGMENT_FRAMES + 1)
    ]
    return float(np.mean(scores))


def _resampled(pcm: Pcm) -> Samples:
    """24 kHz to 10 kHz, by cutting the spectrum."""
    n_out = pcm.size * ANALYSIS_HZ // RATE_HZ
    spectrum = np.fft.rfft(to_float(pcm))[: n_out // 2 + 1]
    return np.asarray(np.fft.irfft(spectrum, n_out)) * ANALYSIS_HZ / RATE_HZ


def _without_silence(clean: Samples, noisy: Samples) -> tuple[Samples, Samples]:
    """Windowed frames of both, those left out in which the clean one is silent."""
    window = np.hanning(FRAME + 2)[1:-1]
    starts = np.arange(0, clean.size - FRAME + 1, HOP)
    if starts.size == 0:
        return np.zeros((0, FRAME)), np.zeros((0, FRAME))
    at = starts[:, np.newaxis] + np.arange(FRAME)
    frames = clean[at] * window
    level_db = 20 * np.log10(np.linalg.norm(frames, axis=1) + 1e-12)
    kept = level_db > level_db.max() - SILENT_BELOW_DB
    return frames[kept], (noisy[at] * window)[kept]


def _band_envelopes(frames: Samples) -> Samples:
    """Third-octave magnitudes, shape (BANDS, n_frames)."""
    power = np.square(np.abs(np.fft.rfft(frames, FFT_SIZE, axis=1)))
    return np.asarray(np.sqrt(_bands() @ power.T))


@cache
def _bands() -> NDArray[np.float64]:
    """Which bins of the spectrum belong to which band, shape (BANDS, n_bins)."""
    hz = np.fft.rfftfreq(FFT_SIZE, 1 / ANALYSIS_HZ)
    centres = LOWEST_HZ * 2.0 ** (np.arange(BANDS) / 3)
    bands = np.zeros((BANDS, hz.size))
    for band, centre in enumerate(centres):
        low = int(np.argmin(np.abs(hz - centre * 2 ** (-1 / 6))))
        high = int(np.argmin(np.abs(hz - centre * 2 ** (1 / 6))))
        bands[band, low:high] = 1.0
    return bands


def _segment_score(x: Samples, y: Samples) -> float:
    """Mean correlation of the bands over one segment, shapes (BANDS, frames)."""
    tiny = np.finfo(np.float64).eps
    norm_x = np.linalg.norm(x, axis=1, keepdims=True)
    norm_y = np.linalg.norm(y, axis=1, keepdims=True)
    scaled = y * (norm_x / (norm_y + tiny))
    clipped = np.minimum(scaled, x * (1 + 10 ** (-CLIP_DB / 20)))
    x = x - x.mean(axis=1, keepdims=True)
    clipped = clipped - clipped.mean(axis=1, keepdims=True)
    dot = np.sum(x * clipped, axis=1)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(clipped, axis=1)
    return float(np.mean(dot / (norms + tiny)))

"""Speech as a picture: what the recogniser compares. Pure functions on arrays.

A cell says how much louder or softer a band is than its neighbours at that moment,
with everything that a line changes taken out: overall gain (cells are relative to the
loudest frames), colour (each band's mean is subtracted) and faint noise (frames 20 dB
below the loudest are empty). Compression by the cube root of power, as perceptual
linear prediction does it (Hermansky 1990), keeps loud cells in charge: the ones that
survive noise, a codec or a second talker.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fake_openai.utterances.model import SAMPLE_RATE_HZ, Pcm

HOP_SAMPLES = 240
"""One frame every 10 ms."""
WINDOW_SAMPLES = 768
"""32 ms: resolves the harmonics of a low voice no more, its formants still."""
N_BANDS = 32
LOWEST_HZ, HIGHEST_HZ = 150.0, 5_000.0
"""Above 5 kHz a codec at 16 kbit/s keeps little that can be relied on."""
LOUD_DB, FAINT_DB = 10.0, 20.0
"""Frames this far below the loudest ones count in full, or not at all; in between they
fade, so that a line's small changes of level change little."""
LOUD_FRAMES = 20
"""The loudest 200 ms (at most a quarter of all) are what "loudest" means."""
COMPRESSION = 1 / 3
CHUNK_FRAMES = 48
"""Frames at a time: a product small enough (48 x 161 x 32) for OpenBLAS to stay in
this thread. Its worker threads spin, and the fake has calls to keep time for."""
SILENCE_POWER = 1e-7
"""Band power, full scale 1.0, below which a recording holds nothing: a few LSB."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """A recording as cells, from its first to its last active frame."""

    cells: NDArray[np.float32]
    """Shape (n_frames, N_BANDS); rows of frames that are not active are zero."""
    active: NDArray[np.bool_]
    """Shape (n_frames,)."""
    start_frame: int
    """Frame of the recording that row 0 is: its first active one."""

    @property
    def n_frames(self) -> int:
        return int(self.active.size)

    def parts(self, least_pause_frames: int) -> list[tuple[int, int]]:
        """First and one past last frame of each stretch of speech between pauses.

        Args:
            least_pause_frames: inactive frames in a row that part two stretches.

        Returns:
            Frames of the recording (not of `cells`), in order.
        """
        frames = np.flatnonzero(self.active) + self.start_frame
        if frames.size == 0:
            return []
        after = np.flatnonzero(np.diff(frames) > least_pause_frames)
        firsts = [frames[0], *frames[after + 1]]
        lasts = [*frames[after], frames[-1]]
        return [(int(a), int(b) + 1) for a, b in zip(firsts, lasts, strict=True)]


EMPTY = Spectrum(np.zeros((0, N_BANDS), np.float32), np.zeros(0, np.bool_), 0)


def spectrum(pcm: Pcm) -> Spectrum:
    """The picture of a recording.

    Args:
        pcm: int16, shape (n_samples,), mono, 24 kHz; any length.

    Returns:
        A spectrum; EMPTY for silence and for nothing.
    """
    powers = _band_powers(pcm)
    totals = powers.sum(axis=1)
    n_loud = max(1, min(LOUD_FRAMES, totals.size // 4))
    loudest = float(np.sort(totals)[-n_loud:].mean())
    if loudest < SILENCE_POWER:
        return EMPTY
    below_db = -10 * np.log10(totals / loudest + 1e-12)
    presence = ((FAINT_DB - below_db) / (FAINT_DB - LOUD_DB)).clip(0, 1)
    frames = np.flatnonzero(presence)
    kept = slice(int(frames[0]), int(frames[-1]) + 1)
    presence = presence[kept, np.newaxis]
    cells = np.power(powers[kept] * (N_BANDS / loudest), COMPRESSION)
    cells -= cells.mean(axis=1, keepdims=True)
    cells -= (cells * presence).sum(axis=0) / presence.sum()
    cells *= presence
    active = presence[:, 0] >= 0.5
    return Spectrum(cells.astype(np.float32), active, kept.start)


def _band_powers(pcm: Pcm) -> NDArray[np.float32]:
    """Power per frame and mel band, shape (n_frames, N_BANDS), n_frames >= 1."""
    samples = np.pad(pcm.astype(np.float32) / np.float32(32768), WINDOW_SAMPLES // 2)
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SAMPLES)
    frames = windows[::HOP_SAMPLES]
    starts = range(0, frames.shape[0], CHUNK_FRAMES)
    return np.concatenate([_of_frames(frames[s : s + CHUNK_FRAMES]) for s in starts])


def _of_frames(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    bins = np.fft.rfft(frames * _WINDOW, axis=1)[:, : _MEL.shape[0]]
    powers: NDArray[np.float32] = np.abs(bins).astype(np.float32) ** 2
    return powers @ _MEL


def _mel_weights() -> NDArray[np.float32]:
    """Triangles evenly spaced on the mel scale, shape (n_bins, N_BANDS), sums 1.

    Bins above the highest band are left out.
    """
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, HIGHEST_HZ))
    edges = 700 * (10 ** (np.linspace(low, high, N_BANDS + 2) / 2595) - 1)
    bins_hz = np.fft.rfftfreq(WINDOW_SAMPLES, 1 / SAMPLE_RATE_HZ)[:, np.newaxis]
    rising = (bins_hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins_hz) / (edges[2:] - edges[1:-1])
    weights: NDArray[np.float64] = np.minimum(rising, falling).clip(0, None)
    sums: NDArray[np.float64] = weights.sum(axis=0)
    n_bins = int(np.flatnonzero(weights.any(axis=1))[-1]) + 1
    return (weights / sums).astype(np.float32)[:n_bins]


_MEL = _mel_weights()
_WINDOW = np.hanning(WINDOW_SAMPLES).astype(np.float32)

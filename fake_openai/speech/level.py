"""How loud speech is, and where it starts and ends. Pure functions on arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fake_openai.utterances.model import SAMPLE_RATE_HZ

SPEECH_LEVEL_DBFS = -20.0
"""Active level of everything the fake's voices say."""

SPEECH_THRESHOLD_DBFS = -45.0
"""A 5 ms window above this is speech, in recordings at SPEECH_LEVEL_DBFS."""

ACTIVE_RANGE_DB = 20.0
"""Frames further below the loudest one than this do not count as active speech."""

SILENCE_DBFS = -96.0

_WINDOW_MS = 5
_MS = SAMPLE_RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class SpeechExtent:
    """Where speech is inside a recording, in whole milliseconds from its start."""

    start_ms: int
    end_ms: int
    longest_pause_ms: int


def active_level_dbfs(samples: NDArray[np.floating]) -> float:
    """Level while somebody speaks: RMS over the active 10 ms frames.

    A simple stand-in for ITU-T P.56: frames within ACTIVE_RANGE_DB of the loudest.

    Args:
        samples: float, shape (n_samples,), mono, 24 kHz, full scale 1.0.

    Returns:
        dBFS (a full-scale sine reads -3.01); SILENCE_DBFS for silence or nothing.
    """
    frame = 10 * _MS
    n_frames = samples.size // frame
    if n_frames == 0:
        return _power_dbfs(_mean_power(samples))
    powers = np.square(samples[: n_frames * frame]).reshape(n_frames, frame).mean(1)
    floor = powers.max() / 10 ** (ACTIVE_RANGE_DB / 10)
    return _power_dbfs(float(powers[powers >= floor].mean()))


def normalise(
    samples: NDArray[np.floating], level_dbfs: float = SPEECH_LEVEL_DBFS
) -> NDArray[np.float64]:
    """The same speech at another active level, peaks held below -1 dBFS.

    Args:
        samples: float, shape (n_samples,), mono, 24 kHz, full scale 1.0.
        level_dbfs: active level wanted. Less is given when a peak would clip.

    Returns:
        float64, same shape. Silence stays silence.
    """
    result = samples.astype(np.float64)
    level = active_level_dbfs(result)
    if level <= SILENCE_DBFS:
        return result
    gain = 10 ** ((level_dbfs - level) / 20)
    peak = float(np.abs(result).max()) * gain
    limit = 10 ** (-1 / 20)
    return result * (gain * min(1.0, limit / peak))


def speech_extent(
    samples: NDArray[np.floating], threshold_dbfs: float = SPEECH_THRESHOLD_DBFS
) -> SpeechExtent | None:
    """First and last millisecond of speech, and the longest pause between them.

    A millisecond is speech when the RMS of the 5 ms window centred on it reaches the
    threshold.

    Args:
        samples: float, shape (n_samples,), mono, 24 kHz, full scale 1.0.
        threshold_dbfs: level of the quietest window that counts.

    Returns:
        The extent, or None when nothing reaches the threshold.
    """
    n_ms = samples.size // _MS
    if n_ms == 0:
        return None
    powers = np.square(samples[: n_ms * _MS]).reshape(n_ms, _MS).mean(axis=1)
    smooth = np.convolve(powers, np.full(_WINDOW_MS, 1 / _WINDOW_MS))
    smooth = smooth[_WINDOW_MS // 2 :][:n_ms]
    active = np.flatnonzero(smooth >= 10 ** (threshold_dbfs / 10))
    if active.size == 0:
        return None
    gaps = np.diff(active) - 1
    pause = int(gaps.max()) if gaps.size else 0
    return SpeechExtent(int(active[0]), int(active[-1]) + 1, pause)


def to_pcm(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """Float samples, full scale 1.0, as int16; clipped, not wrapped."""
    scaled: NDArray[np.float64] = np.rint(samples.astype(np.float64) * 32768.0)
    return scaled.clip(-32768, 32767).astype(np.int16)


def from_pcm(pcm: NDArray[np.int16]) -> NDArray[np.float64]:
    """int16 samples as float64 with full scale 1.0."""
    return pcm.astype(np.float64) / 32768.0


def _mean_power(samples: NDArray[np.floating]) -> float:
    return float(np.mean(np.square(samples))) if samples.size else 0.0


def _power_dbfs(power: float) -> float:
    return max(SILENCE_DBFS, 10 * float(np.log10(power))) if power > 0 else SILENCE_DBFS

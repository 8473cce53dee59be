"""A pure tone in place of speech: the simplest proof of a line's pitch and level. PURE.

A sine has one frequency, one level and one length, so whoever receives it can say
exactly what the way did to it.
"""

from __future__ import annotations

import numpy as np

from fake_openai.utterances.model import SAMPLE_RATE_HZ, Pcm

FADE_MS = 5
"""Half a raised cosine at both ends: a hard edge is a click with energy everywhere."""


def tone_pcm(hz: float, *, duration_ms: int, dbfs: float) -> Pcm:
    """A sine.

    Args:
        hz: frequency, above 0 and below 12 000.
        duration_ms: length with both fades, which are cut short below 10 ms.
        dbfs: RMS level without the fades, relative to full scale: a sine at full scale
            has -3.01 dBFS, and more is clipped.

    Returns:
        int16, shape (duration_ms * 24,), mono, 24 kHz.
    """
    n_samples = duration_ms * SAMPLE_RATE_HZ // 1000
    t = np.arange(n_samples) / SAMPLE_RATE_HZ
    wave = 32_768 * 10 ** (dbfs / 20) * np.sqrt(2) * np.sin(2 * np.pi * hz * t)
    n_fade = min(FADE_MS * SAMPLE_RATE_HZ // 1000, n_samples // 2)
    fade = 0.5 - 0.5 * np.cos(np.pi * np.arange(n_fade) / max(1, n_fade))
    wave[:n_fade] *= fade
    wave[n_samples - n_fade :] *= fade[::-1]
    pcm: Pcm = np.clip(np.rint(wave), -32_768, 32_767).astype(np.int16)
    return pcm

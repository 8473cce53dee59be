"""Tones that went through a live path, measured where the path left them whole.

A machine that stalls makes every live path fill, conceal and leave out. That is by
design and counted by the product, and says nothing of pitch and level: these are judged
in pieces of 10 ms that hold the tones and nothing else. How much of a tone came through
is its amplitude over time, however many pauses were put in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.sounds import RATE_HZ

PIECE = RATE_HZ // 100
PIECE_S = 0.01
MAX_STRANGE = 0.1
"""Of a whole piece's energy, what is not the tones: coding noise, no join or edge."""
AUDIBLE_PEAK = 400.0
FILLS_AFTER_MS = 60
"""A lone speaker who is later than this is filled up; nobody counts with what."""

Sound = NDArray[Any]


def tone(hz: float, seconds: float, peak: float = 8000) -> NDArray[np.int16]:
    """A sine."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return np.rint(peak * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def silence(seconds: float) -> NDArray[np.int16]:
    """Zeros."""
    return np.zeros(int(seconds * RATE_HZ), np.int16)


class Heard:
    """A recording in which sines of known frequencies are looked for."""

    def __init__(self, pcm: Sound, hz: Sequence[float]) -> None:
        """
        Args:
            pcm: int16 at 24 kHz.
            hz: every tone that may be in it.
        """
        n_pieces = pcm.size // PIECE
        pieces = pcm[: n_pieces * PIECE].reshape(n_pieces, PIECE).astype(float)
        phase = 2 * np.pi * np.outer(np.arange(PIECE) / RATE_HZ, hz)
        basis = np.hstack((np.cos(phase), np.sin(phase)))
        parts = pieces @ np.linalg.pinv(basis).T
        strange = ((pieces - parts @ basis.T) ** 2).sum(axis=1)
        energy = (pieces**2).sum(axis=1)
        self._hz = list(hz)
        self._peaks = np.hypot(parts[:, : len(hz)], parts[:, len(hz) :])
        self._phases = np.arctan2(-parts[:, len(hz) :], parts[:, : len(hz)])
        is_audible = energy > PIECE * AUDIBLE_PEAK**2 / 2
        self._is_whole = is_audible & (strange <= MAX_STRANGE * energy)

    def peak(self, hz: float) -> float:
        """Usual amplitude of a tone, 0 to 32767; 0 when nothing at all is heard.

        The upper quartile: what is made up for a gap fades, and is never louder.
        """
        if not self._is_whole.any():
            return 0.0
        return float(np.percentile(self._peaks[self._is_whole, self._hz.index(hz)], 75))

    def pitch_hz(self, hz: float) -> float:
        """What a tone of about this frequency really has; NaN when it is not heard.

        From how far its phase gets in 10 ms; usually, so a join does not count.
        """
        follows = self._is_whole[1:] & self._is_whole[:-1]
        turned = np.diff(self._phases[:, self._hz.index(hz)])[follows]
        more = np.angle(np.exp(1j * (turned - 2 * np.pi * hz * PIECE_S)))
        return hz + float(np.median(more)) / (2 * np.pi * PIECE_S)

    def level_db(self, hz: float, sent_peak: float) -> float:
        """Level of a tone against what was sent."""
        return float(20 * np.log10(max(self.peak(hz), 1e-6) / sent_peak))

    def onset_s(self, hz: float) -> float:
        """When a tone begins: the first piece that holds half of its usual level."""
        loud = self._peaks[:, self._hz.index(hz)] > self.peak(hz) / 2
        return float(np.argmax(loud) * PIECE_S)

    def sounding_s(self, hz: float) -> float:
        """So long is what there is of a tone, all pauses taken out.

        A piece that a pause cuts short holds as much less of the tone.
        """
        if not (usual := self.peak(hz)):
            return 0.0
        return float(self._peaks[:, self._hz.index(hz)].sum() / usual * PIECE_S)


def assert_all_came(
    heard: Heard, hz: float, sent_s: float, counts: Mapping[str, Any]
) -> None:
    """As much as was sent, but for what a late machine made the bridge do, counted.

    Args:
        heard: where the tone was looked for.
        hz: the tone.
        sent_s: its length, of a sender that sends no bursts and gives up nothing.
        counts: of the bridge's line about the call.
    """
    dropped_s = (counts["mic_dropped_ms"] + counts["mic_lost_ms"]) / 1000
    joins_s = PIECE_S * counts["mic_underruns"]
    came_s = heard.sounding_s(hz)
    assert came_s >= 0.98 * sent_s - dropped_s - joins_s, (came_s, counts)
    if counts["tick_worst_ms"] < FILLS_AFTER_MS:
        made_up_s = counts["mic_concealed_ms"] / 1000
        assert came_s <= 1.02 * sent_s + made_up_s, (came_s, counts)

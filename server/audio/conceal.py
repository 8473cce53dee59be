"""Fills in for frames that were lost: the last one again, each time quieter."""

import numpy as np

from server.audio.format import FRAME_SAMPLES, SILENCE, Pcm
from server.audio.pcm import bytes_to_pcm

FADE_PER_FRAME = 0.5
"""-6 dB per repeated frame: three repetitions and the voice is practically gone."""
MAX_REPEATS = 4

_RAMPS = [
    np.linspace(
        FADE_PER_FRAME**n, FADE_PER_FRAME ** (n + 1), FRAME_SAMPLES, dtype=np.float32
    )
    for n in range(MAX_REPEATS - 1)
] + [np.linspace(FADE_PER_FRAME**3, 0.0, FRAME_SAMPLES, dtype=np.float32)]


class Concealer:
    """Remembers the last good frame of one stream.

    It is played backwards and forwards in turn: where it is joined to itself it then
    runs on without a step.
    """

    def __init__(self) -> None:
        self._last: Pcm = SILENCE
        self._repeated = 0
        self.concealed_frames = 0

    def good(self, frame: Pcm) -> Pcm:
        """Note a frame that did arrive; returns it."""
        self._last, self._repeated = frame, 0
        return frame

    def lost(self) -> Pcm:
        """A stand-in for a frame that did not arrive, FRAME_SAMPLES long."""
        self.concealed_frames += 1
        n = self._repeated
        self._repeated += 1
        if n >= MAX_REPEATS or self._last.size != FRAME_SAMPLES:
            return SILENCE
        last = self._last[::-1] if n % 2 == 0 else self._last
        faded: Pcm = (last * _RAMPS[n]).astype(np.int16)
        return faded


class PcmDecoder:
    """Payloads of PCM16 to samples, losses filled in by repeating."""

    def __init__(self) -> None:
        self._concealer = Concealer()

    def decode(self, payload: bytes) -> Pcm | None:
        """The samples, or None when they are not whole."""
        if len(payload) % 2:
            return None
        return self._concealer.good(bytes_to_pcm(payload))

    def conceal(self, following: bytes | None = None) -> Pcm:
        """The last frame again, more quietly."""
        del following
        return self._concealer.lost()

"""Fills in for frames that were lost: the last one again, each time quieter."""

from server.audio.format import SILENCE, Pcm

FADE_PER_FRAME = 0.5
"""-6 dB per repeated frame: three repetitions and the voice is practically gone."""

_GIVE_UP_AFTER = 4


class Concealer:
    """Remembers the last good frame of one stream."""

    def __init__(self) -> None:
        self._last: Pcm = SILENCE
        self._repeated = 0
        self.concealed_frames = 0

    def good(self, frame: Pcm) -> Pcm:
        """Note a frame that did arrive; returns it."""
        self._last, self._repeated = frame, 0
        return frame

    def lost(self) -> Pcm:
        """A stand-in for a frame that did not arrive."""
        self.concealed_frames += 1
        self._repeated += 1
        if self._repeated > _GIVE_UP_AFTER:
            return SILENCE
        gain = FADE_PER_FRAME**self._repeated
        faded: Pcm = (self._last * gain).astype("int16")
        return faded

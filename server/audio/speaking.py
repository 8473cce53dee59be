"""Who is speaking: a level with hysteresis and hang-over. PURE."""

import numpy as np

from server.audio.format import FULL_SCALE, Pcm

ON_DBFS, OFF_DBFS = -42.0, -48.0
"""Speaking begins above the one and goes on above the other."""
ON_FRAMES = 3
"""60 ms: a cough or a key pressed is shorter."""
HANG_OVER_FRAMES = 25
"""500 ms: pauses between words are shorter."""

_ON = (FULL_SCALE * 10 ** (ON_DBFS / 20)) ** 2
_OFF = (FULL_SCALE * 10 ** (OFF_DBFS / 20)) ** 2


class SpeakingMeter:
    """Follows one microphone, one frame per 20 ms."""

    def __init__(self) -> None:
        self.is_speaking = False
        self._loud = 0
        self._quiet = 0

    def hear(self, frame: Pcm | None) -> bool:
        """One frame, None for silence; whether the person is speaking now."""
        power = 0.0
        if frame is not None and frame.size:
            samples = frame.astype(np.float32)
            power = float(np.dot(samples, samples)) / frame.size
        if power >= (_OFF if self.is_speaking else _ON):
            self._quiet = 0
            self._loud += 1
            if self._loud >= ON_FRAMES:
                self.is_speaking = True
        else:
            self._loud = 0
            self._quiet += 1
            if self._quiet >= HANG_OVER_FRAMES:
                self.is_speaking = False
        return self.is_speaking

    def reset(self) -> None:
        """Nobody listens to this microphone any more."""
        self.__init__()  # type: ignore[misc]

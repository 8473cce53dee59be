"""The assistant's voice between the model leg and the browsers. SANS-IO."""

import numpy as np

from server.audio.format import FRAME_SAMPLES, Pcm
from server.audio.playout import PlayoutBuffer

HOLD_S = 0.2
"""After a flush, what the service had already put on the wire is not played."""


class AssistantVoice:
    """Two ways out: whole frames as they come, or one frame per tick.

    A single data-channel browser gets frames as they come: it has a playout buffer of
    its own, and a second one here would only add delay. Everybody else is on the tick.
    """

    def __init__(self) -> None:
        self._rest: Pcm = np.zeros(0, np.int16)
        self._buffer = PlayoutBuffer()
        self._held_until_s = float("-inf")
        self.held_samples = 0
        self.frames = 0

    def frames_of(self, pcm: Pcm, now_s: float) -> list[Pcm]:
        """Whole frames out of what came, silenced while held."""
        if now_s < self._held_until_s:
            self.held_samples += pcm.size
            pcm = np.zeros_like(pcm)
        if self._rest.size:
            pcm = np.concatenate((self._rest, pcm))
        elif pcm.size == FRAME_SAMPLES:
            self.frames += 1
            return [pcm]
        whole = pcm.size - pcm.size % FRAME_SAMPLES
        self._rest = pcm[whole:]
        self.frames += whole // FRAME_SAMPLES
        return [pcm[i : i + FRAME_SAMPLES] for i in range(0, whole, FRAME_SAMPLES)]

    def keep(self, frame: Pcm, *, lead_ms: float) -> None:
        """Keep a frame for the tick."""
        self._buffer.push(frame, lead_ms=lead_ms)

    def pull(self) -> Pcm | None:
        """The frame for this tick, or None for silence."""
        return self._buffer.pull()

    @property
    def delay_ms(self) -> float:
        """How long a frame waits for its tick, averaged."""
        return self._buffer.delay_ms

    def drain(self) -> list[Pcm]:
        """What waits for the tick, because nobody is on it any more."""
        frames = []
        while len(self._buffer):
            if (frame := self._buffer.pull()) is None:
                break
            frames.append(frame)
        self._buffer.flush()
        return frames

    def holds_packet(self, now_s: float) -> bool:
        """Whether a packet of 20 ms, undecoded, is not to be heard."""
        self.frames += 1
        if now_s < self._held_until_s:
            self.held_samples += FRAME_SAMPLES
            return True
        return False

    def flush(self, now_s: float) -> None:
        """Forget what waits, and silence what is still on its way."""
        self._buffer.flush()
        self._rest = self._rest[:0]
        self._held_until_s = now_s + HOLD_S

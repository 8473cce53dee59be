"""The input audio buffer: samples of the microphone, by their place in the session."""

from collections import deque

import numpy as np

from fake_openai.wire.audio import Pcm


class InputAudio:
    """Samples counted from the first one ever written; the oldest are let go.

    Args:
        max_samples: kept at most.
    """

    def __init__(self, max_samples: int) -> None:
        self._chunks: deque[Pcm] = deque()
        self._max_samples = max_samples
        self.start = 0
        """First sample still there."""
        self.end = 0
        """One after the last sample written."""

    def append(self, pcm: Pcm) -> None:
        """Write samples, int16, shape (n_samples,), mono, 24 kHz."""
        if pcm.size:
            self._chunks.append(pcm)
            self.end += pcm.size
            self.forget_before(self.end - self._max_samples)

    def cut(self, start: int, end: int) -> Pcm:
        """A copy of the samples from start to end, as far as they are there."""
        parts, at = [], self.start
        for chunk in self._chunks:
            lower, upper = max(start - at, 0), min(end - at, chunk.size)
            if lower < upper:
                parts.append(chunk[lower:upper])
            at += chunk.size
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int16)

    def forget_before(self, sample: int) -> None:
        """Let go of every sample before this one."""
        while self._chunks and sample > self.start:
            chunk = self._chunks[0]
            n = min(chunk.size, sample - self.start)
            if n == chunk.size:
                self._chunks.popleft()
            else:
                self._chunks[0] = chunk[n:]
            self.start += n

"""Samples in a queue, with the few things a playout buffer does to them.

One array, filled at the end and taken from the front; moved back when it is full. There
is always room before the front for samples that are to be played once more.
"""

import numpy as np

from server.audio import splice
from server.audio.format import FRAME_SAMPLES, Pcm, ms_to_samples

_ROOM_BEFORE = FRAME_SAMPLES
_BLOCK = ms_to_samples(5)


class WaitingSamples:
    """At most `capacity` samples, int16."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._store: Pcm = np.zeros(2 * capacity + _ROOM_BEFORE, np.int16)
        self._start = self._end = _ROOM_BEFORE

    def __len__(self) -> int:
        """Samples waiting."""
        return self._end - self._start

    def append(self, pcm: Pcm) -> int:
        """Add samples; how many had to go for it: quiet ones, then the oldest."""
        overflow = self._end - self._start + pcm.size - self._capacity
        if overflow > 0:
            everything = np.concatenate((self._store[self._start : self._end], pcm))
            pcm = splice.without_quiet(everything, overflow, _BLOCK)
            self.clear()
        elif self._end + pcm.size > self._store.size:
            self._move_to(_ROOM_BEFORE)
        self._store[self._end : self._end + pcm.size] = pcm
        self._end += pcm.size
        return max(0, overflow)

    def take(self, n_samples: int) -> Pcm:
        """The first samples (a copy), at least one frame; padded with silence."""
        end = self._start + n_samples
        if end <= self._end:
            taken = self._store[self._start : end].copy()
            self._start = end
            return taken
        taken = np.zeros(n_samples, np.int16)
        taken[: self._end - self._start] = self._store[self._start : self._end]
        self._start = self._end
        return taken

    def head(self, n_samples: int) -> Pcm:
        """The first samples, to be looked at or changed in place."""
        return self._store[self._start : self._start + n_samples]

    def leave_out(self, n_samples: int) -> None:
        """Drop samples at the front."""
        self._start += n_samples

    def put_before(self, pcm: Pcm) -> None:
        """Put samples in front, at most one frame."""
        if self._start < pcm.size:
            self._move_to(_ROOM_BEFORE)
        self._start -= pcm.size
        self._store[self._start : self._start + pcm.size] = pcm

    def clear(self) -> None:
        """Forget everything."""
        self._start = self._end = _ROOM_BEFORE

    def shorten(self, wanted: int) -> int:
        """Splice out up to `wanted` samples, where it is not heard; how many."""
        lag = self._lag(wanted)
        if lag:
            here = self.head(splice.FADE_SAMPLES)
            there = self.head(lag + splice.FADE_SAMPLES)[lag:]
            there[:] = splice.cross_fade(here, there)
            self.leave_out(lag)
        return lag

    def stretch(self, wanted: int) -> int:
        """Play up to `wanted` samples twice where the sound repeats itself."""
        lag = self._lag(wanted)
        if lag:
            again = self.head(lag).copy()
            here = self.head(splice.FADE_SAMPLES)
            there = self.head(lag + splice.FADE_SAMPLES)[lag:]
            here[:] = splice.cross_fade(there, here)
            self.put_before(again)
        return lag

    def _lag(self, wanted: int) -> int:
        """The length of the next splice; 0: too little is wanted, or waits."""
        room = splice.MAX_LAG + splice.FADE_SAMPLES
        if wanted < splice.MIN_LAG or len(self) < room:
            return 0
        if wanted <= splice.MAX_LAG:
            return wanted
        longest = min(splice.MAX_LAG, wanted - splice.MIN_LAG)
        return splice.best_lag(self.head(room), splice.MIN_LAG, longest)

    def _move_to(self, start: int) -> None:
        waiting = len(self)
        self._store[start : start + waiting] = self._store[
            self._start : self._end
        ].copy()
        self._start, self._end = start, start + waiting

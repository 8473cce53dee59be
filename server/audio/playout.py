"""A bounded buffer between a sender's clock and our 20 ms tick.

It starts when one frame has come, gives one frame per pull and None (silence) when it
has run dry. A frame that comes after its tick costs one frame of silence and thereby
buys one frame of delay, so the buffer grows by itself exactly as far as the sender's
jitter demands. Two things keep it from staying there:

- hard bound: beyond `capacity` the oldest samples go;
- slow correction: every arrival has a *slack*, the time until the tick that needs it.
  When over a whole window nobody came with less than `margin` to spare even after
  removing k frames, these k frames are cut out with a short cross-fade. That undoes
  bursts and a sender whose clock is fast alike.
"""

from dataclasses import dataclass

import numpy as np

from server.audio.format import FRAME_MS, FRAME_SAMPLES, Pcm, ms_to_samples

CROSSFADE_SAMPLES = ms_to_samples(5)
_FADE_IN = np.linspace(0.0, 1.0, CROSSFADE_SAMPLES, dtype=np.float32)
_SMALLEST_CUT = ms_to_samples(2.5)


@dataclass(slots=True)
class PlayoutCounters:
    """What happened to the samples, in samples, and how often it ran dry."""

    pushed: int = 0
    pulled: int = 0
    dropped: int = 0
    """Cut by the hard bound."""
    trimmed: int = 0
    """Cut out by the slow correction."""
    flushed: int = 0
    underruns: int = 0


class PlayoutBuffer:
    """Samples of one sender on their way to the tick. Not thread-safe; one loop."""

    def __init__(
        self,
        *,
        margin_ms: float = 5.0,
        capacity_ms: float = 200.0,
        window_frames: int = 50,
    ) -> None:
        """
        Args:
            margin_ms: slack that every arrival should keep.
            capacity_ms: hard bound of what is kept; at least two frames.
            window_frames: pulls over which slack is watched before anything is cut.
        """
        if capacity_ms < 2 * FRAME_MS:
            raise ValueError(f"capacity_ms must be at least {2 * FRAME_MS}")
        self._margin_ms = margin_ms
        self._capacity = ms_to_samples(capacity_ms)
        self._window_frames = window_frames
        self._store: Pcm = np.zeros(2 * self._capacity, np.int16)
        self._start = self._end = 0
        self._playing = False
        self._window_left = window_frames
        self._low_water = self._capacity
        self._least_slack_ms = float("inf")
        self.counters = PlayoutCounters()

    def __len__(self) -> int:
        """Samples waiting."""
        return self._end - self._start

    def push(self, pcm: Pcm, *, lead_ms: float) -> None:
        """Append samples; the oldest go when there is no room (counted).

        Args:
            pcm: any number of samples.
            lead_ms: time until the next pull, 0 when it is due or overdue.
        """
        slack_ms = lead_ms + len(self) // FRAME_SAMPLES * FRAME_MS
        self._least_slack_ms = min(self._least_slack_ms, slack_ms)
        self.counters.pushed += pcm.size
        if pcm.size > self._capacity:
            self.counters.dropped += pcm.size - self._capacity
            pcm = pcm[-self._capacity :]
        overflow = len(self) + pcm.size - self._capacity
        if overflow > 0:
            self._start += overflow
            self.counters.dropped += overflow
        if self._end + pcm.size > self._store.size:
            waiting = len(self)
            self._store[:waiting] = self._store[self._start : self._end].copy()
            self._start, self._end = 0, waiting
        self._store[self._end : self._end + pcm.size] = pcm
        self._end += pcm.size

    def pull(self) -> Pcm | None:
        """The next frame (a copy), or None: nothing to play at this tick.

        Samples short of a whole frame are handed out padded with silence when the
        buffer was playing: the tail of a burst is not kept for later.
        """
        waiting = len(self)
        if waiting < FRAME_SAMPLES and not (self._playing and waiting):
            if self._playing:
                self._playing = False
                self.counters.underruns += 1
                self._restart_window()
            return None
        self._playing = True
        frame: Pcm = np.zeros(FRAME_SAMPLES, np.int16)
        take = min(FRAME_SAMPLES, waiting)
        frame[:take] = self._store[self._start : self._start + take]
        self._start += take
        self.counters.pulled += take
        self._correct()
        return frame

    def flush(self) -> int:
        """Forget everything; the number of samples that were waiting."""
        waiting = len(self)
        self._start = self._end = 0
        self._playing = False
        self._restart_window()
        self.counters.flushed += waiting
        return waiting

    def _restart_window(self) -> None:
        self._window_left = self._window_frames
        self._low_water = self._capacity
        self._least_slack_ms = float("inf")

    def _correct(self) -> None:
        self._low_water = min(self._low_water, len(self))
        self._window_left -= 1
        if self._window_left > 0:
            return
        spare_ms = self._least_slack_ms - self._margin_ms
        if spare_ms == float("inf"):
            spare_ms = 0.0  # nothing came: what waits is the end of a burst
        frames = max(0, int(spare_ms // FRAME_MS))
        surplus = frames * FRAME_SAMPLES + self._low_water % FRAME_SAMPLES
        surplus = min(surplus, self._low_water)
        self._restart_window()
        if surplus >= _SMALLEST_CUT:
            self._cut(surplus)

    def _cut(self, n_samples: int) -> None:
        """Remove n_samples at the front, cross-fading over the seam."""
        fade = min(CROSSFADE_SAMPLES, len(self) - n_samples)
        if fade == CROSSFADE_SAMPLES:
            old = self._store[self._start : self._start + fade].astype(np.float32)
            at = self._start + n_samples
            new = self._store[at : at + fade]
            new[:] = np.rint(old * (1 - _FADE_IN) + new * _FADE_IN).astype(np.int16)
        self._start += n_samples
        self.counters.trimmed += n_samples

"""A bounded buffer between a sender's clock and our 20 ms tick.

It starts when one frame has come and gives one frame per pull. When it runs dry in mid
sound it makes up a few frames, then says None (silence). A frame that comes after its
tick thereby buys one frame of delay, so the buffer grows by itself exactly as far as
the sender's jitter demands. What keeps it from staying there, and from drifting:

- hard bound: beyond `capacity` samples go, quiet ones first, then the oldest;
- while it is quiet, what a burst left behind is dropped at once, all of it;
- slow correction: every arrival has a *slack*, the time until the tick that needs it.
  When over a whole window nobody came with less than `margin` to spare even after
  removing k frames, these k frames are spliced out, a pitch period at a time. When
  somebody nearly came too late, a frame is spliced in. That follows wrong clocks.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from server.audio import splice
from server.audio.conceal import MAX_REPEATS, Concealer
from server.audio.format import FRAME_MS, FRAME_SAMPLES, Pcm, ms_to_samples

SPLICE_EVERY_FRAMES = 2
QUIET_SPARE_FRAMES = 2
"""So much may wait in silence, besides what jitter was seen to need."""
JITTER_MEMORY_FRAMES = 500
"""After an underrun, one more frame of spare is granted for so many pulls."""
_SHORT_OF_MS = 2.0
_SMALLEST_CUT = splice.MIN_LAG
_ROOM_BEFORE = splice.MAX_LAG
_BLOCK = ms_to_samples(5)


@dataclass(slots=True)
class PlayoutCounters:
    """What happened to the samples, in samples, and how often it ran dry.

    pushed + stretched = pulled + dropped + trimmed + flushed + what waits.
    """

    pushed: int = 0
    pulled: int = 0
    dropped: int = 0
    """Cut by the hard bound."""
    trimmed: int = 0
    """Left out to undo a burst or a fast clock."""
    stretched: int = 0
    """Played twice, for a slow clock."""
    concealed: int = 0
    """Made up because nothing was there."""
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
        conceal: Callable[[], Pcm] | None = None,
    ) -> None:
        """
        Args:
            margin_ms: slack that every arrival should keep.
            capacity_ms: hard bound of what is kept; at least two frames.
            window_frames: pulls over which slack is watched before anything is cut.
            conceal: makes up a frame; by default the last one is repeated.
        """
        if capacity_ms < 2 * FRAME_MS:
            raise ValueError(f"capacity_ms must be at least {2 * FRAME_MS}")
        self._margin_ms = margin_ms
        self._capacity = ms_to_samples(capacity_ms)
        self._window_frames = window_frames
        self._conceal = conceal
        self._concealer = Concealer()
        self._store: Pcm = np.zeros(2 * self._capacity + _ROOM_BEFORE, np.int16)
        self._start = self._end = _ROOM_BEFORE
        self._playing = False
        self._rests = False
        self._splice_in = 0
        self._least_slack_ms = float("inf")
        self._jitter_frames = 0
        self._jitter_left = 0
        self.delay_ms = 0.0
        """From push to pull, averaged over some 16 pushes."""
        self.dry_frames = 0
        """Pulls since the last push that found nothing."""
        self.counters = PlayoutCounters()
        self._restart_window()

    def __len__(self) -> int:
        """Samples waiting."""
        return self._end - self._start

    @property
    def waiting_ms(self) -> float:
        """How much sound waits."""
        return (self._end - self._start) * FRAME_MS / FRAME_SAMPLES

    def push(self, pcm: Pcm, *, lead_ms: float) -> None:
        """Append samples; some go when there is no room (counted).

        Args:
            pcm: any number of samples.
            lead_ms: time until the next pull, 0 when it is due or overdue.
        """
        waiting = self._end - self._start
        wait_ms = lead_ms + waiting * FRAME_MS / FRAME_SAMPLES
        self.delay_ms += (wait_ms - self.delay_ms) / 16
        if self._playing:
            slack_ms = lead_ms + waiting // FRAME_SAMPLES * FRAME_MS
            self._least_slack_ms = min(self._least_slack_ms, slack_ms)
        self.counters.pushed += pcm.size
        self.dry_frames = 0
        self._rests = False
        overflow = waiting + pcm.size - self._capacity
        if overflow > 0:
            everything = np.concatenate((self._store[self._start : self._end], pcm))
            pcm = splice.without_quiet(everything, overflow, _BLOCK)
            self.counters.dropped += overflow
            self._start = self._end = _ROOM_BEFORE
        elif self._end + pcm.size > self._store.size:
            self._move_to(_ROOM_BEFORE)
        self._store[self._end : self._end + pcm.size] = pcm
        self._end += pcm.size

    def rest(self) -> None:
        """The sender pauses: running dry is silence now, nothing is made up."""
        self._rests = True

    def pull(self) -> Pcm | None:
        """The next frame (a copy), or None: nothing to play at this tick.

        Samples short of a whole frame are handed out padded with silence when the
        buffer was playing: the tail of a burst is not kept for later.
        """
        waiting = self._end - self._start
        if waiting < FRAME_SAMPLES and not (self._playing and waiting):
            return self._run_dry()
        self._playing = True
        if waiting >= FRAME_SAMPLES:
            self._correct()
            take = FRAME_SAMPLES
            frame = self._store[self._start : self._start + take].copy()
        else:
            take = waiting
            frame = np.zeros(FRAME_SAMPLES, np.int16)
            frame[:take] = self._store[self._start : self._end]
        self._start += take
        self.counters.pulled += take
        if self._conceal is None:
            self._concealer.good(frame)
        self._observe()
        return frame

    def flush(self) -> int:
        """Forget everything; the number of samples that were waiting."""
        waiting = len(self)
        self._start = self._end = _ROOM_BEFORE
        self._playing = False
        self._rests = True
        self._restart_window()
        self.counters.flushed += waiting
        return waiting

    # --- running dry

    def _run_dry(self) -> Pcm | None:
        if self._playing:
            self._playing = False
            self._restart_window()
            if not self._rests:
                self.counters.underruns += 1
                self._jitter_frames = min(self._jitter_frames + 1, 4)
                self._jitter_left = JITTER_MEMORY_FRAMES
            self.dry_frames = 0
        self.dry_frames += 1
        if self._rests or self.dry_frames > MAX_REPEATS:
            return None
        frame = self._concealer.lost() if self._conceal is None else self._conceal()
        if splice.is_quiet(frame):
            return None
        self.counters.concealed += FRAME_SAMPLES
        return frame

    # --- correction

    def _restart_window(self) -> None:
        self._window_left = self._window_frames
        self._low_water = self._capacity
        self._least_slack_ms = float("inf")
        self._surplus = 0
        """Samples to leave out; below zero: to play twice."""

    def _observe(self) -> None:
        if self._jitter_left:
            self._jitter_left -= 1
            if not self._jitter_left and self._jitter_frames:
                self._jitter_frames -= 1
                self._jitter_left = JITTER_MEMORY_FRAMES
        self._low_water = min(self._low_water, self._end - self._start)
        self._window_left -= 1
        if self._window_left > 0:
            return
        least_ms, low_water = self._least_slack_ms, self._low_water
        self._restart_window()
        if least_ms == float("inf"):
            least_ms = self._margin_ms  # nothing came: what waits is a burst's end
        if least_ms < _SHORT_OF_MS:
            self._surplus = -FRAME_SAMPLES
            return
        frames = max(0, int((least_ms - self._margin_ms) // FRAME_MS))
        surplus = frames * FRAME_SAMPLES + low_water % FRAME_SAMPLES
        surplus = min(surplus, low_water)
        if surplus >= _SMALLEST_CUT:
            self._surplus = surplus

    def _correct(self) -> None:
        """Before a whole frame is taken: leave out or repeat what should be."""
        waiting = self._end - self._start
        allowed = (1 + QUIET_SPARE_FRAMES + self._jitter_frames) * FRAME_SAMPLES
        if waiting > allowed:
            self._drain(waiting - allowed)
        if not self._surplus:
            return
        self._splice_in -= 1
        head = self._store[self._start : self._start + FRAME_SAMPLES]
        if splice.is_quiet(head):
            self._correct_in_silence()
        elif self._splice_in <= 0:
            self._splice_in = SPLICE_EVERY_FRAMES
            self._splice()

    def _drain(self, n_samples: int) -> None:
        """Leave out frames at the front for as long as they are quiet."""
        for _ in range(n_samples // FRAME_SAMPLES):
            if not splice.is_quiet(
                self._store[self._start : self._start + FRAME_SAMPLES]
            ):
                return
            self._leave_out(FRAME_SAMPLES)

    def _correct_in_silence(self) -> None:
        if self._surplus < 0:
            self._move_to(_ROOM_BEFORE + FRAME_SAMPLES)
            self._start -= FRAME_SAMPLES
            self._store[self._start : self._start + FRAME_SAMPLES] = 0
            self.counters.stretched += FRAME_SAMPLES
            self._restart_window()
            return
        spare = self._end - self._start - FRAME_SAMPLES
        n = min(self._surplus, FRAME_SAMPLES, spare)
        if n > 0:
            self._leave_out(n)
            self._owe(self._surplus - n)

    def _owe(self, surplus: int) -> None:
        """What is left to do; when nothing is, a new look at arrivals begins."""
        self._surplus = surplus
        if not surplus:
            self._restart_window()

    def _leave_out(self, n_samples: int) -> None:
        self._start += n_samples
        self.counters.trimmed += n_samples

    def _splice(self) -> None:
        waiting = self._end - self._start
        wanted = abs(self._surplus)
        if self._surplus > 0:
            wanted = min(wanted, waiting - FRAME_SAMPLES)
        room = splice.MAX_LAG + splice.FADE_SAMPLES
        if wanted < splice.MIN_LAG:
            self._owe(0)
            return
        if waiting < room:
            return
        sound = self._store[self._start : self._start + room]
        if wanted <= splice.MAX_LAG:
            lag = wanted
        else:
            longest = min(splice.MAX_LAG, wanted - splice.MIN_LAG)
            lag = splice.best_lag(sound, splice.MIN_LAG, longest)
        here = sound[: splice.FADE_SAMPLES]
        there = sound[lag : lag + splice.FADE_SAMPLES]
        if self._surplus > 0:
            there[:] = splice.cross_fade(here, there)
            self._leave_out(lag)
            self._owe(self._surplus - lag)
        else:
            again = sound[:lag].copy()
            here[:] = splice.cross_fade(there, here)
            if self._start < lag:
                self._move_to(_ROOM_BEFORE)
            self._start -= lag
            self._store[self._start : self._start + lag] = again
            self.counters.stretched += lag
            self._owe(self._surplus + lag)

    def _move_to(self, start: int) -> None:
        waiting = self._end - self._start
        self._store[start : start + waiting] = self._store[
            self._start : self._end
        ].copy()
        self._start, self._end = start, start + waiting

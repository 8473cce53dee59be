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

from server.audio import splice
from server.audio.conceal import MAX_REPEATS, Concealer
from server.audio.format import FRAME_MS, FRAME_SAMPLES, SILENCE, Pcm, ms_to_samples
from server.audio.waiting import WaitingSamples

SPLICE_EVERY_FRAMES = 2
QUIET_SPARE_FRAMES = 2
"""So much may wait in silence, besides what jitter was seen to need."""
JITTER_MEMORY_FRAMES = 500
"""After an underrun, one more frame of spare is granted for so many pulls."""
_SHORT_OF_MS = 2.0
_SMALLEST_CUT = splice.MIN_LAG


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
        self._waiting = WaitingSamples(self._capacity)
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
        return len(self._waiting)

    @property
    def waiting_ms(self) -> float:
        """How much sound waits."""
        return len(self._waiting) * FRAME_MS / FRAME_SAMPLES

    def push(self, pcm: Pcm, *, lead_ms: float) -> None:
        """Append samples; some go when there is no room (counted).

        Args:
            pcm: any number of samples.
            lead_ms: time until the next pull, 0 when it is due or overdue.
        """
        waiting = len(self._waiting)
        wait_ms = lead_ms + waiting * FRAME_MS / FRAME_SAMPLES
        self.delay_ms += (wait_ms - self.delay_ms) / 16
        if self._playing:
            slack_ms = lead_ms + waiting // FRAME_SAMPLES * FRAME_MS
            self._least_slack_ms = min(self._least_slack_ms, slack_ms)
        self.counters.pushed += pcm.size
        self.dry_frames = 0
        self._rests = False
        self.counters.dropped += self._waiting.append(pcm)

    def rest(self) -> None:
        """The sender pauses: running dry is silence now, nothing is made up."""
        self._rests = True

    def pull(self) -> Pcm | None:
        """The next frame (a copy), or None: nothing to play at this tick.

        Samples short of a whole frame are handed out padded with silence when the
        buffer was playing: the tail of a burst is not kept for later.
        """
        waiting = len(self._waiting)
        if waiting < FRAME_SAMPLES and not (self._playing and waiting):
            return self._run_dry()
        self._playing = True
        if waiting >= FRAME_SAMPLES:
            self._correct()
            waiting = FRAME_SAMPLES
        frame = self._waiting.take(FRAME_SAMPLES)
        self.counters.pulled += waiting
        if self._conceal is None:
            self._concealer.good(frame)
        self._observe()
        return frame

    def flush(self) -> int:
        """Forget everything; the number of samples that were waiting."""
        waiting = len(self)
        self._waiting.clear()
        self._playing = False
        self._rests = True
        self._restart_window()
        self.counters.flushed += waiting
        return waiting

    def close(self) -> None:
        """Nothing comes any more; whoever made up frames is let go."""
        self.flush()
        self._conceal = None
        self._waiting = WaitingSamples(FRAME_SAMPLES)  # its array is 20 kB

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
        self._low_water = min(self._low_water, len(self._waiting))
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
        allowed = (1 + QUIET_SPARE_FRAMES + self._jitter_frames) * FRAME_SAMPLES
        if len(self._waiting) > allowed:
            self._drain((len(self._waiting) - allowed) // FRAME_SAMPLES)
        if not self._surplus:
            return
        self._splice_in -= 1
        if splice.is_quiet(self._waiting.head(FRAME_SAMPLES)):
            self._correct_in_silence()
        elif self._splice_in <= 0:
            self._splice_in = SPLICE_EVERY_FRAMES
            self._correct_in_sound()

    def _drain(self, n_frames: int) -> None:
        """Leave out frames at the front for as long as they are quiet."""
        for _ in range(n_frames):
            if not splice.is_quiet(self._waiting.head(FRAME_SAMPLES)):
                return
            self._leave_out(FRAME_SAMPLES)

    def _correct_in_silence(self) -> None:
        if self._surplus < 0:
            self._waiting.put_before(SILENCE)
            self.counters.stretched += FRAME_SAMPLES
            self._owe(0)
            return
        spare = len(self._waiting) - FRAME_SAMPLES
        n = min(self._surplus, FRAME_SAMPLES, spare)
        if n > 0:
            self._leave_out(n)
            self._owe(self._surplus - n)

    def _correct_in_sound(self) -> None:
        if self._surplus < 0:
            n = self._waiting.stretch(-self._surplus)
            self.counters.stretched += n
            self._owe(self._surplus + n)
            return
        wanted = min(self._surplus, len(self._waiting) - FRAME_SAMPLES)
        if wanted < _SMALLEST_CUT:
            self._owe(0)
            return
        n = self._waiting.shorten(wanted)
        self.counters.trimmed += n
        self._owe(self._surplus - n)

    def _owe(self, surplus: int) -> None:
        """What is left to do; when nothing is, a new look at arrivals begins."""
        self._surplus = surplus
        if not surplus:
            self._restart_window()

    def _leave_out(self, n_samples: int) -> None:
        self._waiting.leave_out(n_samples)
        self.counters.trimmed += n_samples

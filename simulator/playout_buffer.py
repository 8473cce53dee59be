"""The page's playout buffer (web/audio/playout-buffer.js), rule by rule. Pure.

Names, constants and rules are the page's, in the page's order, so that the two files
can be read side by side; a test runs both on the same arrivals and compares every
sample. What each rule is for stands there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.timeline import RATE_HZ, Pcm

SPLICE_MS = 5.0
TAIL_MS = 10.0
WINDOW_MS = 400.0
SPARE_MS = 6.0
SPARE_WINDOWS = 4
FAR_TOO_MUCH_MS = 30.0
NEARLY_DRY_MS = 4.0
QUIET_DBFS = -48.0
MIN_LAG_MS = 2.5
MAX_LAG_MS = 12.5
CORRELATION_MS = 10.0
SPLICE_EVERY_MS = 40.0
WANTED_LIKENESS = 0.9
PATIENCE_MS = 500.0
STALL_MS = 500.0
RESUME_MS = 10.0
FLUSH_HOLD_OFF_MS = 40.0
TARGET_STEP_MS = 20.0
TARGET_DECAY_MS = 8000.0
QUANTUM = 128
"""Samples the sound card takes at once (Web Audio's render quantum)."""


@dataclass(frozen=True, slots=True)
class PlayoutConfig:
    """DEFAULT_PLAYOUT of the page."""

    target_ms: float = 40.0
    max_target_ms: float = 120.0
    max_ms: float = 200.0
    drift_ppm: float = 0.0
    """How much faster than nominal the sound card's clock runs."""


@dataclass(slots=True)
class PlayoutCounts:
    """What the buffer had to do to keep the sound going, in samples."""

    pushed: int = 0
    played: int = 0
    skipped: int = 0
    stretched: int = 0
    flushed: int = 0
    concealed: int = 0
    underruns: int = 0
    overflows: int = 0


class PlayoutBuffer:
    """`push` what arrives, `pull` what is played, in order. Not bounded in memory:
    it keeps everything pushed, for one call."""

    def __init__(self, config: PlayoutConfig | None = None) -> None:
        config = config or PlayoutConfig()
        self.counts = PlayoutCounts()
        self._base_target = _samples(config.target_ms)
        self._max_target = _samples(config.max_target_ms)
        self._max = _samples(config.max_ms)
        self._target: float = self._base_target
        self._sound = np.zeros(RATE_HZ, dtype=np.float32)
        self._write = self._read = self.clock = 0
        self._playing = False
        self._waiting_since = 0
        self._start_level: float = self._target
        self._tail = np.zeros(0, dtype=np.float32)
        self._tail_at = 0
        self._fade_in = self._fade_in_at = 0
        self._window_end = 0
        self._window_min = math.inf
        self._frame = 0
        self._correction = 0.0
        self._past_mins: list[float] = []
        self._next_splice = 0
        self._starved_at = -math.inf
        self._starved_in_sound = False
        self._hold_off_until = -math.inf
        self._target_decay_at = 0

    @property
    def buffered(self) -> int:
        """Samples waiting."""
        return self._write - self._read

    @property
    def write_position(self) -> int:
        """Samples taken in so far (those dropped on arrival not counted)."""
        return self._write

    @property
    def read_position(self) -> int:
        """The next of them to be played."""
        return self._read

    @property
    def is_playing(self) -> bool:
        """Whether samples are being played."""
        return self._playing

    @property
    def is_idle(self) -> bool:
        """Whether nothing can be heard before the next push."""
        return (
            not self._playing
            and self.buffered == 0
            and self._tail_at >= self._tail.size
        )

    def push(self, pcm: Pcm) -> None:
        """Take what arrived."""
        self.counts.pushed += pcm.size
        if self.clock < self._hold_off_until:
            self.counts.flushed += pcm.size
            return
        self._note_arrival(pcm.size)
        dropped = 0
        if self.buffered + pcm.size > self._max:
            self.counts.overflows += 1
            surplus = int(self.buffered + pcm.size - self._target)
            from_buffer = min(surplus, self.buffered)
            self._skip(from_buffer, _samples(SPLICE_MS))
            dropped = surplus - from_buffer
            self.counts.skipped += dropped
            self._reset_window()
        self._append(pcm[dropped:].astype(np.float32) / np.float32(32768))

    def pull(self, n_samples: int) -> NDArray[np.float32]:
        """The next samples to play; silence where there are none."""
        if not self._playing:
            self._maybe_start()
        if self._playing:
            self._correct()
        out = np.zeros(n_samples, dtype=np.float32)
        n = min(n_samples, self.buffered) if self._playing else 0
        out[:n] = self._sound[self._read : self._read + n]
        self._apply_fade_in(out[:n])
        self._read += n
        self.counts.played += n
        if self._playing and n < n_samples:
            self._starve()
        self._mix_tail(out, n)
        self.clock += n_samples
        if self._playing:
            self._observe()
        return out

    def skip_idle(self, n_samples: int) -> None:
        """As many pulls of `QUANTUM` as fit, when `is_idle`: nothing but time."""
        self.clock += n_samples
        self._waiting_since = self.clock - QUANTUM

    def flush(self) -> None:
        """Empty at once, letting the sound under way fade out."""
        if self._playing:
            self._fade_away(min(_samples(SPLICE_MS), self.buffered))
        self.counts.flushed += self.buffered
        self._read = self._write
        self._playing = False
        self._starved_in_sound = False
        self._hold_off_until = self.clock + _samples(FLUSH_HOLD_OFF_MS)

    def _append(self, samples: NDArray[np.float32]) -> None:
        end = self._write + samples.size
        if end > self._sound.size:
            longer = np.zeros(max(end, 2 * self._sound.size), dtype=np.float32)
            longer[: self._write] = self._sound[: self._write]
            self._sound = longer
        self._sound[self._write : end] = samples
        self._write = end

    def _at(self, start: int, n_samples: int) -> NDArray[np.float32]:
        """Samples from an absolute position; zeros before the first."""
        if start >= 0:
            return self._sound[start : start + n_samples]
        head = np.zeros(min(-start, n_samples), dtype=np.float32)
        return np.concatenate([head, self._sound[: max(0, start + n_samples)]])

    # --- starting and running dry

    def _maybe_start(self) -> None:
        if self.buffered == 0:
            self._waiting_since = self.clock
            return
        waited = self.clock - self._waiting_since
        if self.buffered < self._start_level and waited < 2 * self._target:
            return
        self._playing = True
        self._begin_fade_in(_samples(SPLICE_MS) // 2)
        self._reset_window()

    def _starve(self) -> None:
        length = _samples(TAIL_MS)
        last = self._at(self._read - length, length)[::-1]
        self._tail = (last * _fade_out(length)).astype(np.float32)
        self._tail_at = 0
        self._playing = False
        self._waiting_since = self.clock
        self._starved_at = self.clock
        rms = math.sqrt(float(np.sum(np.square(last, dtype=np.float64))) / length)
        self._starved_in_sound = _dbfs(rms) > QUIET_DBFS

    def _note_arrival(self, n_samples: int) -> None:
        self._frame = max(self._frame, n_samples)
        if self._playing or self.buffered > 0:
            return
        gap = self.clock - self._starved_at
        if not self._starved_in_sound or gap > _samples(STALL_MS):
            self._start_level = self._target
            return
        self._start_level = _samples(RESUME_MS)
        self.counts.underruns += 1
        self.counts.concealed += int(gap)
        step = min(max(gap, _samples(TARGET_STEP_MS / 4)), self._frame)
        self._target = min(self._max_target, self._target + step)
        self._target_decay_at = self.clock + _samples(TARGET_DECAY_MS)

    # --- holding the target

    def _reset_window(self) -> None:
        self._window_end = self.clock + _samples(WINDOW_MS)
        self._window_min = math.inf
        self._past_mins = []
        self._correction = 0.0

    def _observe(self) -> None:
        self._window_min = min(self._window_min, self.buffered)
        if self.clock < self._window_end:
            return
        self._past_mins = [self._window_min, *self._past_mins][:SPARE_WINDOWS]
        wanted = self._wanted_correction()
        if wanted != 0 and self._correction == 0:
            self._next_splice = self.clock
        self._correction = wanted
        self._window_end = self.clock + _samples(WINDOW_MS)
        self._window_min = math.inf
        self._frame = 0
        self._decay_target()

    def _wanted_correction(self) -> float:
        reserve = max(self._target - self._frame, self._target / 4)
        spare = min(self._past_mins) - reserve
        is_settled = len(self._past_mins) == SPARE_WINDOWS
        if is_settled and spare > _samples(SPARE_MS):
            return spare
        spare_now = self._window_min - reserve
        if spare_now > _samples(FAR_TOO_MUCH_MS):
            return spare_now
        return spare_now if self._window_min < _samples(NEARLY_DRY_MS) else 0.0

    def _decay_target(self) -> None:
        if self._target == self._base_target or self.clock < self._target_decay_at:
            return
        lower = self._target - _samples(TARGET_STEP_MS / 4)
        self._target = max(self._base_target, lower)
        self._target_decay_at = self.clock + _samples(TARGET_DECAY_MS / 8)

    def _correct(self) -> None:
        if self._correction == 0 or self.clock < self._next_splice:
            return
        if self._tail_at < self._tail.size or self._fade_in_at < self._fade_in:
            return
        direction = 1 if self._correction > 0 else -1
        look_ahead_ms = MAX_LAG_MS + (CORRELATION_MS if direction > 0 else 0)
        if self.buffered < _samples(look_ahead_ms):
            return
        lag, likeness, rms = self._repetition(direction)
        is_quiet = _dbfs(rms) < QUIET_DBFS
        patience = (self.clock - self._next_splice) / _samples(PATIENCE_MS)
        if not is_quiet and likeness < WANTED_LIKENESS - patience:
            return
        if direction > 0:
            self._skip(lag, lag)
        else:
            self._repeat(lag)
        rest = self._correction - direction * lag
        self._correction = rest if rest * direction > 0 else 0.0
        self._next_splice = self.clock + _samples(SPLICE_EVERY_MS)

    def _repetition(self, direction: int) -> tuple[int, float, float]:
        """Where the voice repeats itself (web/audio/pitch.js): lag, likeness, rms."""
        length = _samples(CORRELATION_MS)
        shortest, longest = _samples(MIN_LAG_MS), _samples(MAX_LAG_MS)
        here = self._at(self._read, length).astype(np.float64)
        energy = 1e-9 + float(np.sum(np.square(here)))
        lags = np.arange(shortest, longest + 1)
        lowest = self._read + (shortest if direction > 0 else -longest)
        around = self._at(lowest, longest - shortest + length).astype(np.float64)
        starts = self._read + direction * lags - lowest
        others = around[starts[:, np.newaxis] + np.arange(0, length, 2)]
        product = others @ here[::2]
        there = 1e-9 + np.sum(np.square(others), axis=1)
        likeness = product / np.sqrt((energy / 2) * there)
        best = int(np.argmax(likeness))
        return int(lags[best]), float(likeness[best]), math.sqrt(energy / length)

    # --- splices

    def _skip(self, n_samples: int, fade: int) -> None:
        if self._playing:
            self._fade_away(min(fade, n_samples))
            self._begin_fade_in(fade)
        self._read += n_samples
        self.counts.skipped += n_samples

    def _repeat(self, n_samples: int) -> None:
        self._fade_away(n_samples)
        self._begin_fade_in(n_samples)
        self._read -= n_samples
        self.counts.stretched += n_samples

    def _fade_away(self, n_samples: int) -> None:
        tail = self._at(self._read, n_samples) * _fade_out(n_samples)
        rest = self._tail[self._tail_at :][:n_samples]
        tail[: rest.size] += rest
        self._tail = tail.astype(np.float32)
        self._tail_at = 0

    def _begin_fade_in(self, n_samples: int) -> None:
        self._fade_in = n_samples
        self._fade_in_at = 0

    def _apply_fade_in(self, out: NDArray[np.float32]) -> None:
        n = min(out.size, self._fade_in - self._fade_in_at)
        if n > 0:
            gains = 1 - _fade_out(self._fade_in)[self._fade_in_at :][:n]
            out[:n] = out[:n] * gains
            self._fade_in_at += n

    def _mix_tail(self, out: NDArray[np.float32], n_played: int) -> None:
        is_concealment = not self._playing and self._starved_at == self.clock
        into = out[n_played if is_concealment else 0 :]
        rest = self._tail[self._tail_at :][: into.size]
        into[: rest.size] += rest
        self._tail_at += rest.size


def _samples(milliseconds: float) -> int:
    return math.floor(milliseconds * RATE_HZ / 1000 + 0.5)


def _fade_out(n_samples: int) -> NDArray[np.float64]:
    """Raised cosine from 1 to 0; 1 minus it is the fade-in."""
    at = np.arange(n_samples) + 0.5
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * at / max(1, n_samples)))


def _dbfs(amplitude: float) -> float:
    return max(-96.0, 20 * math.log10(amplitude)) if amplitude > 0 else -96.0

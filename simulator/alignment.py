"""How a known sound lies in a recording, window by window: the ruler for gaps.

One correlation says where an answer begins. Whether all of it arrived, at one pace,
needs the lag of every short window. The lags are chosen together (Viterbi): staying is
free, a jump has a price, so that a periodic vowel does not make the path hop by a pitch
period, while a real stall or skip, supported by several windows, is followed.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.analysis import vertex
from simulator.markers import fast_length, flatten
from simulator.timeline import RATE_HZ, Pcm, Samples

STEP = 2
"""Lags are compared at 12 kHz: the compared band ends far below its half."""

WINDOW_MS = 80.0
HOP_MS = 20.0
SUPPORT = 0.55
"""A window supports a lag with its similarity above this: different speech of the same
pitch reaches about 0.5 in 80 ms."""
JUMP_COST = 0.9
"""What a jump of lag must gain: about three windows of clear support."""
DRIFT_COST = 0.02
"""What a step of one lag (83 us) per hop costs: clocks drift, time-scaling glides."""
STEADY_MS = 1.5
"""Lags of neighbouring windows closer than this are one pace (codec, drift)."""
LEAST_WINDOWS = 3
"""A lag held by fewer windows is a chance match, not a jump there and back."""
ACTIVE_BELOW_PEAK_DB = 30.0
"""A window quieter than the loudest by more carries nothing to compare."""


@dataclass(frozen=True, slots=True)
class Run:
    """Matched windows of one pace, in order; at least one."""

    windows: tuple[int, ...]

    @property
    def first(self) -> int:
        """Its first window."""
        return self.windows[0]

    @property
    def last(self) -> int:
        """Its last window."""
        return self.windows[-1]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Lag of each active window of a sound in a recording."""

    centres: Samples
    """Middle of each window, samples of the sound, shape (n_windows,)."""
    lags: Samples
    """Recording sample minus sound sample there, shape (n_windows,)."""
    similarity: Samples
    """Normalised correlation at that lag, shape (n_windows,)."""

    @property
    def matched(self) -> NDArray[np.bool_]:
        """Which windows are like the recording at their lag; some by chance."""
        return np.asarray(self.similarity >= SUPPORT)

    @property
    def trusted(self) -> NDArray[np.bool_]:
        """Which windows are surely there: matched, and in a run of one pace."""
        trusted = np.zeros(self.centres.size, dtype=np.bool_)
        for run in self.runs():
            trusted[list(run.windows)] = True
        return trusted

    def lag_ms(self, window: int) -> float:
        """Lag of a window in milliseconds."""
        return float(self.lags[window]) * 1000 / RATE_HZ

    def lag_at(self, sample: float) -> float:
        """Lag of the trusted window nearest to a sample of the sound.

        Raises:
            ValueError: there is none.
        """
        trusted = self.trusted
        if not trusted.any():
            raise ValueError("nothing of the sound is in the recording")
        distance = np.abs(self.centres[trusted] - sample)
        return float(self.lags[trusted][int(np.argmin(distance))])

    def runs(self) -> list[Run]:
        """Stretches of matched windows whose lag does not jump, in order; those too
        short to be believed are left out, and what they divided is joined again."""
        runs: list[Run] = []
        for window in np.flatnonzero(self.matched):
            self._join(runs, Run((int(window),)))
        joined: list[Run] = []
        for run in runs:
            if len(run.windows) >= LEAST_WINDOWS:
                self._join(joined, run)
        return joined

    def _join(self, runs: list[Run], run: Run) -> None:
        """Add a run to its predecessor if that has the same pace, else behind it."""
        if runs and abs(self._step_ms(runs[-1], run)) <= STEADY_MS:
            runs[-1] = Run(runs[-1].windows + run.windows)
        else:
            runs.append(run)

    def _step_ms(self, before: Run, after: Run) -> float:
        return self.lag_ms(after.first) - self.lag_ms(before.last)

    def heard_as(self, sound_size: int, recording: Pcm) -> Pcm:
        """The recording brought into the sound's own time, shape (sound_size,).

        Each part is taken from where its nearest trusted window lies; silence where
        the recording does not reach. Stalls and skips vanish, what was lost does not.
        """
        out = np.zeros(sound_size, dtype=np.int16)
        trusted = self.trusted
        centres, lags = self.centres[trusted], self.lags[trusted]
        if centres.size == 0:
            return out
        middles = (centres[1:] + centres[:-1]) / 2
        edges = [0, *(int(m) for m in middles), sound_size]
        for (first, last), lag in zip(itertools.pairwise(edges), lags, strict=True):
            start, end = first + round(float(lag)), last + round(float(lag))
            start, end = max(0, start), min(recording.size, end)
            if end > start:
                at = start - round(float(lag))
                out[at : at + end - start] = recording[start:end]
        return out


def align(
    sound: Pcm, recording: Pcm, *, at: float, early_ms: float, late_ms: float
) -> Alignment:
    """Follow a sound through a recording.

    Args:
        sound: int16, shape (n,), 24 kHz.
        recording: int16, shape (m,), 24 kHz.
        at: where the sound's first sample is expected (`markers.locate`).
        early_ms: how far before the expected lag to look.
        late_ms: how far after it.

    Returns:
        One lag per active window; no windows for a silent or very short sound.
    """
    window, hop = _step(WINDOW_MS), _step(HOP_MS)
    flat_sound = flatten(sound)[::STEP]
    flat_recording = flatten(recording)[::STEP]
    starts = _active_starts(flat_sound, window, hop)
    if starts.size == 0:
        return Alignment(np.zeros(0), np.zeros(0), np.zeros(0))
    first_lag = round(at / STEP) - _step(early_ms)
    n_lags = _step(early_ms) + _step(late_ms) + 1
    scores = _scores(flat_sound, flat_recording, starts, window, first_lag, n_lags)
    path = _best_path(scores)
    rows = np.arange(starts.size)
    lags = first_lag + path + _refined(scores, rows, path)
    return Alignment(
        centres=np.asarray((starts + window / 2) * STEP, dtype=np.float64),
        lags=lags * STEP,
        similarity=scores[rows, path].astype(np.float64),
    )


def _step(milliseconds: float) -> int:
    return round(milliseconds * RATE_HZ / STEP / 1000)


def _active_starts(flat: Samples, window: int, hop: int) -> NDArray[np.int64]:
    starts = np.arange(0, flat.size - window + 1, hop, dtype=np.int64)
    if starts.size == 0:
        return starts
    energy = np.concatenate([[0.0], np.cumsum(np.square(flat))])
    power = (energy[starts + window] - energy[starts]) / window
    loudest = float(power.max())
    if loudest <= 0:
        return starts[:0]
    floor = loudest * 10 ** (-ACTIVE_BELOW_PEAK_DB / 10)
    return np.asarray(starts[power >= floor])


def _scores(
    sound: Samples,
    recording: Samples,
    starts: NDArray[np.int64],
    window: int,
    first_lag: int,
    n_lags: int,
) -> NDArray[np.float32]:
    """Similarity of each window at each lag, shape (n_windows, n_lags)."""
    reach = window + n_lags - 1
    size = fast_length(reach + window - 1)
    scores = np.empty((starts.size, n_lags), dtype=np.float32)
    for row, start in enumerate(starts):
        piece = sound[start : start + window]
        around = _cut(recording, int(start) + first_lag, reach)
        cross = np.fft.irfft(
            np.fft.rfft(around, size) * np.conj(np.fft.rfft(piece, size)), size
        )[:n_lags]
        energy = np.concatenate([[0.0], np.cumsum(np.square(around))])
        held = energy[window:] - energy[:-window]
        own = float(np.sum(np.square(piece)))
        scores[row] = cross / np.sqrt(np.maximum(held, 1e-4 * own) * own)
    return scores


def _cut(samples: Samples, start: int, n: int) -> Samples:
    """`samples[start:start + n]`, with zeros where the recording does not reach."""
    out = np.zeros(n)
    first, last = max(0, start), min(samples.size, start + n)
    if last > first:
        out[first - start : last - start] = samples[first:last]
    return out


def _best_path(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Viterbi over lags: most support, least movement. Shape (n_windows,)."""
    n_windows, n_lags = scores.shape
    gain = np.maximum(scores - SUPPORT, 0.0) / (1 - SUPPORT)
    total = gain[0].astype(np.float64)
    came_from = np.empty((n_windows, n_lags), dtype=np.int32)
    stay = np.arange(n_lags, dtype=np.int32)
    for row in range(1, n_windows):
        best = int(np.argmax(total))
        choice, value = stay.copy(), total.copy()
        for shift in (-1, 1):
            moved = np.full(n_lags, -np.inf)
            if shift < 0:
                moved[:-1] = total[1:] - DRIFT_COST
            else:
                moved[1:] = total[:-1] - DRIFT_COST
            better = moved > value
            choice[better] = (stay - shift)[better]
            value[better] = moved[better]
        jump = total[best] - JUMP_COST
        leaps = jump > value
        choice[leaps] = best
        value[leaps] = jump
        came_from[row] = choice
        total = value + gain[row]
    path = np.empty(n_windows, dtype=np.int64)
    path[-1] = int(np.argmax(total))
    for row in range(n_windows - 1, 0, -1):
        path[row - 1] = came_from[row, path[row]]
    return path


def _refined(
    scores: NDArray[np.float32], rows: NDArray[np.int64], path: NDArray[np.int64]
) -> Samples:
    """Fraction of a lag by which the true peak is off the path, shape (n_windows,)."""
    offsets = np.zeros(path.size)
    for row, lag in zip(rows, path, strict=True):
        if 0 < lag < scores.shape[1] - 1:
            left, middle, right = (float(v) for v in scores[row, lag - 1 : lag + 2])
            if middle >= max(left, right):
                offsets[row] = vertex(left, middle, right)
    return offsets

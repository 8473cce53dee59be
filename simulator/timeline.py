"""When a sample was where: recordings of several clocks on one monotonic axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 24_000
"""Rate of every recording here: the Realtime API's own PCM rate."""

FRAME_SAMPLES = 480
"""Samples in one 20 ms frame."""

FRAME_S = FRAME_SAMPLES / RATE_HZ

Pcm: TypeAlias = NDArray[np.int16]
Samples: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Anchors (sample index, seconds): "this sample passed here at that time".

    Between two anchors time runs on at the sample rate from the earlier one, which is
    what a frame does: its first sample has the frame's time, the others follow. A jump
    in time between two anchors therefore belongs to the later frame.
    """

    indices: NDArray[np.int64]
    times_s: NDArray[np.float64]
    rate_hz: float = RATE_HZ

    @classmethod
    def from_anchors(
        cls, anchors: list[tuple[int, float]], rate_hz: float = RATE_HZ
    ) -> Timeline:
        """A timeline of anchors in any order; an empty list gives an empty timeline."""
        ordered = sorted(anchors)
        return cls(
            indices=np.array([i for i, _ in ordered], dtype=np.int64),
            times_s=np.array([t for _, t in ordered], dtype=np.float64),
            rate_hz=rate_hz,
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing was anchored, so that no time is known."""
        return self.indices.size == 0

    def time_at(self, sample: float) -> float:
        """Seconds at which a (fractional) sample passed.

        Before the first anchor time is extrapolated backwards at the sample rate.

        Raises:
            ValueError: the timeline is empty.
        """
        if self.is_empty:
            raise ValueError("a timeline without anchors knows no time")
        at = int(np.searchsorted(self.indices, sample, side="right")) - 1
        at = max(at, 0)
        offset = (sample - float(self.indices[at])) / self.rate_hz
        return float(self.times_s[at]) + offset

    def sample_at(self, time_s: float) -> float:
        """The sample passing at a time: the inverse of `time_at`, without its jumps."""
        if self.is_empty:
            raise ValueError("a timeline without anchors knows no sample")
        at = int(np.searchsorted(self.times_s, time_s, side="right")) - 1
        at = max(at, 0)
        return float(self.indices[at]) + (time_s - float(self.times_s[at])) * (
            self.rate_hz
        )


@dataclass(frozen=True, slots=True)
class Recording:
    """Samples and when each of them passed the point where they were recorded."""

    pcm: Pcm
    """int16, shape (n_samples,), mono, 24 kHz."""
    timeline: Timeline

    @property
    def n_samples(self) -> int:
        """Length of the recording."""
        return int(self.pcm.size)

    @property
    def start_s(self) -> float:
        """When its first sample passed."""
        return self.timeline.time_at(0)

    def on_axis(self, start_s: float, n_samples: int) -> Pcm:
        """The sound laid on a clock of constant rate from `start_s` on.

        Every anchored piece is put where its anchor says; where two overlap the later
        one is heard. Shape (n_samples,), silence where nothing passed.
        """
        out = np.zeros(n_samples, dtype=np.int16)
        indices = self.timeline.indices
        ends = np.append(indices[1:], self.n_samples)
        for first, end, at_s in zip(indices, ends, self.timeline.times_s, strict=True):
            place = round((float(at_s) - start_s) * RATE_HZ)
            piece = self.pcm[first:end][max(0, -place) :]
            place = max(0, place)
            out[place : place + piece.size] = piece[: max(0, n_samples - place)]
        return out

    def window(self, start_s: float, end_s: float) -> tuple[int, Pcm]:
        """First index and samples of what passed between two times.

        Returns:
            (first, samples); samples is empty when nothing was recorded then.
        """
        if self.timeline.is_empty:
            return 0, self.pcm[:0]
        first = max(0, int(self.timeline.sample_at(start_s)))
        last = min(self.n_samples, int(self.timeline.sample_at(end_s)) + 1)
        return first, self.pcm[first : max(first, last)]


def joined(recordings: Sequence[Recording]) -> Recording:
    """Several recordings of one place, one after the other, each with its own times.

    What one of them has from before the end of the one before is left out: a session
    that is made ready beside another one hears silence.
    """
    pieces: list[Pcm] = []
    anchors: list[tuple[int, float]] = []
    n_samples, end_s = 0, float("-inf")
    for recording in recordings:
        timeline = recording.timeline
        if not recording.n_samples or timeline.is_empty:
            continue
        kept = timeline.times_s >= end_s
        if not kept.any():
            continue
        first = int(timeline.indices[kept][0])
        pieces.append(recording.pcm[first:])
        anchors += [
            (n_samples + int(index) - first, float(time_s))
            for index, time_s in zip(
                timeline.indices[kept], timeline.times_s[kept], strict=True
            )
        ]
        n_samples += recording.n_samples - first
        end_s = timeline.time_at(recording.n_samples)
    pcm = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int16)
    return Recording(pcm, Timeline.from_anchors(anchors))

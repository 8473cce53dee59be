"""The mouth: turns a part and what is heard into frames of speech. Sans-IO."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np

from simulator.scenario import HearAnswer, HearSome, Mute, Part, Say, Step, Wait
from simulator.timeline import FRAME_S, FRAME_SAMPLES, Pcm

SILENT_FRAME: Pcm = np.zeros(FRAME_SAMPLES, dtype=np.int16)
SILENT_FRAME.setflags(write=False)

LONG_WAIT_S = 5.0
"""A question still without any answer after this time counts when we hang up."""


@dataclass(frozen=True, slots=True)
class Said:
    """One sound that left the mouth: samples [start, end) of the mouth's recording."""

    what: str
    start: int
    end: int
    over_answer: bool = False
    """Whether an answer was being heard when it began."""


@dataclass(slots=True)
class _Hearing:
    since_s: float | None = None
    last_s: float = -1e9
    busy: bool = False


class Mouth:
    """Turns a part and what is heard into 20 ms frames.

    Call `next_frame` once per frame in order of time; tell it what the ear gets with
    `heard` and what the bridge's `state` says with `busy`.
    """

    def __init__(
        self,
        part: Part,
        prepare: Callable[[str], Pcm],
        *,
        last_word_s: float = float("inf"),
    ) -> None:
        """Args:
        part: what to do.
        prepare: gives the samples of a named sound, int16, 24 kHz.
        last_word_s: no sound begins after this time.
        """
        self._steps = self._steps_of(part)
        self._prepare = prepare
        self._last_word_s = last_word_s
        self._step: Step | None = next(self._steps, None)
        self._since_s: float | None = None
        self._hearing = _Hearing()
        self._sound: Pcm | None = None
        self._offset = 0
        self._n_frames = 0
        self.said: list[Said] = []
        self.unanswered = 0
        """Questions after which nothing was heard within the time a person waits."""

    @staticmethod
    def _steps_of(part: Part) -> Iterator[Step]:
        if part.repeats and part.steps:
            return chain.from_iterable(repeat(part.steps))
        return iter(part.steps)

    def unanswered_at(self, now_s: float) -> int:
        """Questions nobody answered, the last one too if it waits for very long."""
        waits = isinstance(self._step, HearAnswer | HearSome)
        if not waits or self._since_s is None or self._hearing.since_s is not None:
            return self.unanswered
        return self.unanswered + (now_s - self._since_s >= LONG_WAIT_S)

    @property
    def is_done(self) -> bool:
        """Whether every step of a scenario without repetition is behind us."""
        return self._step is None

    @property
    def is_muted(self) -> bool:
        """Whether the microphone is muted just now."""
        return isinstance(self._step, Mute)

    def heard(self, now_s: float) -> None:
        """The ear got sound at this time."""
        if self._hearing.since_s is None:
            self._hearing.since_s = now_s
        self._hearing.last_s = now_s

    def busy(self, is_busy: bool) -> None:
        """The bridge says the model is still thinking, speaking or using a tool."""
        self._hearing.busy = is_busy

    def next_frame(self, now_s: float) -> Pcm:
        """The next 480 samples: speech or silence. Never blocks, never empty."""
        frame = self._speak(now_s) if self._sound is not None else self._act(now_s)
        self._n_frames += 1
        return frame

    def _act(self, now_s: float) -> Pcm:
        for _ in range(8):  # a scenario of zero waits must not spin for ever
            step = self._step
            if step is None:
                return SILENT_FRAME
            if self._since_s is None:
                self._since_s = now_s
            if isinstance(step, Say):
                if now_s > self._last_word_s:
                    return SILENT_FRAME
                self._begin(step, now_s)
                return self._speak(now_s)
            if not self._is_over(step, now_s - self._since_s, now_s):
                return SILENT_FRAME
            self._advance()
        return SILENT_FRAME

    def _is_over(self, step: Step, waited_s: float, now_s: float) -> bool:
        if isinstance(step, Wait | Mute):
            return waited_s >= step.seconds - FRAME_S / 2
        hearing = self._hearing
        if hearing.since_s is None:
            if isinstance(step, HearAnswer | HearSome) and waited_s >= step.timeout_s:
                self.unanswered += 1
                return True
            return False
        if isinstance(step, HearSome):
            return now_s - hearing.since_s >= step.seconds - FRAME_S / 2
        if isinstance(step, HearAnswer):
            quiet_s = now_s - hearing.last_s
            patience_s = step.timeout_s if hearing.busy else step.quiet_s
            return quiet_s >= patience_s
        return True

    def _begin(self, step: Say, now_s: float) -> None:
        hearing = self._hearing
        over = hearing.since_s is not None and now_s - hearing.last_s < 0.1
        self._sound = self._prepare(step.what)
        self._offset = 0
        start = self._n_frames * FRAME_SAMPLES
        self.said.append(Said(step.what, start, start + self._sound.size, over))

    def _speak(self, now_s: float) -> Pcm:
        assert self._sound is not None
        frame = self._sound[self._offset : self._offset + FRAME_SAMPLES]
        self._offset += FRAME_SAMPLES
        if self._offset >= self._sound.size:
            self._sound = None
            # What is heard from here on is the answer to this.
            self._hearing = _Hearing(busy=self._hearing.busy)
            self._advance()
        if frame.size < FRAME_SAMPLES:
            frame = np.concatenate([frame, SILENT_FRAME[frame.size :]])
        return frame

    def _advance(self) -> None:
        self._step = next(self._steps, None)
        self._since_s = None

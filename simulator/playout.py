"""The page's playout buffer as a model: frames and flushes in, what the ear hears out.

Sans-IO and lazy: every input carries its time, and the sound card's clock is caught up
to that time first. No ticker is needed, so a hundred ears cost no wake-ups, and what
is heard depends on when frames arrived, not on when this process was scheduled next.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from simulator.timeline import RATE_HZ, Pcm


@dataclass(frozen=True, slots=True)
class PlayoutConfig:
    """How a playout buffer behaves; the defaults are the page's."""

    target_ms: float = 40.0
    """Sound kept in hand before playing starts, and after it ran dry."""
    limit_ms: float = 1000.0
    """Most it may hold; on overflow the oldest sound is dropped down to the target."""
    slack_ms: float = 25.0
    """Surplus over the target which is tolerated for a whole `settle_ms`."""
    settle_ms: float = 1000.0
    """A surplus that never vanished for this long is standing delay: it is skipped."""
    quantum: int = 128
    """Samples the sound card takes at once (Web Audio's render quantum)."""
    drift_ppm: float = 0.0
    """How much faster than nominal the sound card's clock runs."""


@dataclass(slots=True)
class PlayoutCounts:
    """What the buffer had to do to keep the sound going."""

    underruns: int = 0
    """Times it ran dry while sound was expected to go on."""
    skipped_ms: float = 0.0
    """Standing delay removed by skipping."""
    overflow_ms: float = 0.0
    """Sound dropped because the buffer was full."""
    flushed_ms: float = 0.0
    """Sound dropped because the bridge said so (barge-in)."""


class PlayoutBuffer:
    """Ring, clock and recorder of one ear.

    Give it `push` and `flush` in order of time, `advance` at the end, then read
    `recording()`. Sample j of the recording is heard at `start_s + j / rate_hz`.
    """

    def __init__(self, start_s: float, config: PlayoutConfig | None = None) -> None:
        self._config = config or PlayoutConfig()
        self.start_s = start_s
        self.rate_hz = RATE_HZ * (1 + self._config.drift_ppm * 1e-6)
        self.counts = PlayoutCounts()
        self.waits_ms: list[tuple[int, float]] = []
        """(ear sample, ms its first sample lay in the buffer), one per pushed frame."""
        self._queue: deque[tuple[Pcm, float, bool]] = deque()
        self._held = 0
        self._playing = False
        self._lowest = 0
        self._lowest_since = 0
        self._heard: list[Pcm] = []
        self._n_heard = 0

    @property
    def held_ms(self) -> float:
        """Sound in hand right now."""
        return self._held * 1000 / RATE_HZ

    def push(self, pcm: Pcm, now_s: float) -> None:
        """Take a frame that arrived at `now_s`."""
        self.advance(now_s)
        if pcm.size == 0:
            return
        self._queue.append((pcm, now_s, True))
        self._held += int(pcm.size)
        limit = _samples(self._config.limit_ms)
        if self._held > limit:
            dropped = self._held - _samples(self._config.target_ms)
            self._drop(dropped)
            self.counts.overflow_ms += dropped * 1000 / RATE_HZ
        if not self._playing and self._held >= _samples(self._config.target_ms):
            self._start()

    def flush(self, now_s: float) -> None:
        """Drop everything not yet heard, as the page does on `flush`."""
        self.advance(now_s)
        self.counts.flushed_ms += self._held * 1000 / RATE_HZ
        self._drop(self._held)
        self._playing = False

    def advance(self, now_s: float) -> None:
        """Let the sound card take every quantum that is due before `now_s`."""
        quantum = self._config.quantum
        due = int((now_s - self.start_s) * self.rate_hz // quantum) + 1
        wanted = due * quantum - self._n_heard
        while wanted > 0:
            wanted -= self._render(wanted)

    def recording(self) -> Pcm:
        """Everything heard so far, silence included, int16, shape (n_samples,)."""
        if not self._heard:
            return np.zeros(0, dtype=np.int16)
        if len(self._heard) > 1:
            self._heard = [np.concatenate(self._heard)]
        return self._heard[0]

    def _render(self, wanted: int) -> int:
        if not self._playing:
            self._hear(np.zeros(wanted, dtype=np.int16))
            return wanted
        if self._held == 0:
            # Whether this is the end of an answer or a stall is for the analysis to
            # say: the buffer only knows that it must gather its target again.
            self.counts.underruns += 1
            self._playing = False
            return 0
        self._settle()
        pcm, arrived_s, is_head = self._queue[0]
        taken = min(wanted, int(pcm.size))
        if is_head:
            heard_s = self.start_s + self._n_heard / self.rate_hz
            self.waits_ms.append((self._n_heard, (heard_s - arrived_s) * 1000))
        self._hear(pcm[:taken])
        self._drop(taken)
        self._lowest = min(self._lowest, self._held)
        return taken

    def _settle(self) -> None:
        if self._n_heard - self._lowest_since < _samples(self._config.settle_ms):
            return
        surplus = self._lowest - _samples(self._config.target_ms)
        if surplus > _samples(self._config.slack_ms):
            self._drop(surplus)
            self.counts.skipped_ms += surplus * 1000 / RATE_HZ
        self._watch()

    def _start(self) -> None:
        self._playing = True
        self._watch()

    def _watch(self) -> None:
        self._lowest = self._held
        self._lowest_since = self._n_heard

    def _hear(self, pcm: Pcm) -> None:
        self._heard.append(pcm)
        self._n_heard += int(pcm.size)

    def _drop(self, n_samples: int) -> None:
        self._held -= n_samples
        while n_samples > 0:
            pcm, arrived_s, _ = self._queue.popleft()
            if pcm.size > n_samples:
                self._queue.appendleft((pcm[n_samples:], arrived_s, False))
                return
            n_samples -= int(pcm.size)


def _samples(milliseconds: float) -> int:
    return int(milliseconds * RATE_HZ / 1000)

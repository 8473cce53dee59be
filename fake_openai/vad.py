"""Where speech is in an endless stream of samples. Pure, exact, independent of chunks.

An energy detector with an adaptive noise floor and hysteresis, on 5 ms hops of 24 kHz
mono audio that came through Opus. It answers two questions to within one hop: at which
sample did somebody begin to speak, and at which did they stop. How long a silence must
last before a turn is over is the caller's decision, and may change between two events.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 24_000
HOP_SAMPLES: Final = RATE_HZ // 200
"""5 ms: four hops per 20 ms frame, so an edge is known well within a frame."""

SILENCE_DBFS: Final = -96.0
ONSET_HOPS: Final = 10
ONSET_LOUD: Final = 6
"""Speech begins when 6 of 10 hops (30 of 50 ms) are loud: a click is shorter."""
KEEP_HOPS: Final = 3
KEEP_LOUD: Final = 2
"""Speech goes on while 2 of 3 hops are above the lower threshold."""
GAP_HOPS: Final = 24
"""Faint hops before the onset belong to it unless 120 ms of quiet lie between."""

FLOOR_BLOCK_HOPS: Final = 60
FLOOR_BLOCKS: Final = 8
"""The noise floor is the quietest hop of the last 8 blocks of 300 ms."""
FLOOR_LOWEST_DBFS: Final = -75.0
FLOOR_HIGHEST_DBFS: Final = -35.0
FLOOR_ASSUMED_DBFS: Final = -50.0
"""Before anything was heard: a noisy room, so that noise is not taken for speech."""
NOTHING_DBFS: Final = -90.0
LOST_HOPS: Final = 30
"""Digital silence shorter than 150 ms is a lost packet, not a quiet room."""
FLOOR_FIRST_HOPS: Final = 20
"""After 100 ms the floor is what was heard, not what was assumed."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    start_sample: int
    """First sample of the speech."""
    at_sample: int
    """Sample after which this was known."""


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """Silence has lasted `EnergyVad.pause_samples`; said once per pause."""

    end_sample: int
    at_sample: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    end_sample: int
    """First sample after the speech: the silence before the decision is not in it."""
    at_sample: int
    """end_sample plus the silence that was asked for."""


VadEvent: TypeAlias = SpeechStarted | SpeechPaused | SpeechStopped


def hop_levels_dbfs(pcm: NDArray[np.int16]) -> NDArray[np.float64]:
    """Level of each 5 ms hop, its mean taken away (so DC and mains hum count little).

    Args:
        pcm: int16, shape (n_hops * HOP_SAMPLES,), mono, 24 kHz.

    Returns:
        float64, shape (n_hops,), dBFS (a full-scale sine reads -3.01), never below
        SILENCE_DBFS.
    """
    hops = pcm.reshape(-1, HOP_SAMPLES).astype(np.float64)
    power = hops.var(axis=1) / 32768.0**2
    levels: NDArray[np.float64] = 10.0 * np.log10(power + 10 ** (SILENCE_DBFS / 10))
    return levels


class NoiseFloor:
    """Level of the background, in dBFS: what is there when nobody speaks."""

    def __init__(self) -> None:
        self._blocks: deque[float] = deque(maxlen=FLOOR_BLOCKS)
        self._block_min = 0.0
        self._block_hops = 0
        self._hops = 0
        self._nothing_hops = 0
        self.dbfs = FLOOR_ASSUMED_DBFS

    def hear(self, level_dbfs: float) -> None:
        """Take in the level of one hop."""
        self._nothing_hops = self._nothing_hops + 1 if level_dbfs < NOTHING_DBFS else 0
        if 0 < self._nothing_hops < LOST_HOPS:
            return
        self._block_min = min(self._block_min, level_dbfs)
        self._block_hops += 1
        self._hops += 1
        if self._block_hops == FLOOR_BLOCK_HOPS:
            self._blocks.append(self._block_min)
            self._block_min, self._block_hops = 0.0, 0
        if self._hops < FLOOR_FIRST_HOPS:
            return
        quietest = min(self._block_min, *self._blocks) if self._blocks else 0.0
        quietest = min(quietest, self._block_min)
        self.dbfs = min(max(quietest, FLOOR_LOWEST_DBFS), FLOOR_HIGHEST_DBFS)


class EnergyVad:
    """Finds speech in a stream; feed it every sample once, in order.

    Args:
        threshold: 0 (anything is speech) to 1 (only what is far above the noise), as
            `turn_detection.threshold`. 0.5 asks for 10 dB above the noise floor and
            for more than -60 dBFS.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        self._floor = NoiseFloor()
        self._rest = np.zeros(0, dtype=np.int16)
        self._hop = 0
        self._onset: deque[bool] = deque(maxlen=ONSET_HOPS)
        self._keep: deque[bool] = deque(maxlen=KEEP_HOPS)
        self._cluster_hop: int | None = None
        self._faint_hop = -GAP_HOPS
        self._end_hop = 0
        self._paused = False
        self.speaking = False
        self.silence_samples = RATE_HZ // 5
        """Silence after which speech has stopped; may be changed between events."""
        self.pause_samples: int | None = None
        """Silence after which SpeechPaused is said; None = never."""
        self.set_threshold(threshold)

    @property
    def heard_samples(self) -> int:
        """Samples decided upon so far; up to one hop less than were fed."""
        return self._hop * HOP_SAMPLES

    @property
    def noise_floor_dbfs(self) -> float:
        return self._floor.dbfs

    def set_threshold(self, threshold: float) -> None:
        """Change the sensitivity; takes effect with the next hop."""
        self._above_floor_db = 5.0 + 10.0 * threshold
        self._lowest_dbfs = -72.0 + 24.0 * threshold

    def stop(self) -> None:
        """Forget that somebody speaks: what was heard belongs to nobody's turn."""
        self.speaking = False
        self._paused = False
        self._onset.clear()
        self._keep.clear()
        self._cluster_hop = None

    def feed(self, pcm: NDArray[np.int16]) -> Iterator[VadEvent]:
        """Hear the next samples.

        Args:
            pcm: int16, shape (n_samples,), mono, 24 kHz, any length.

        Yields:
            What was found, in order. The iterator must be exhausted; the caller may
            change `silence_samples`, or call `stop`, between two events.
        """
        joined = np.concatenate((self._rest, pcm)) if self._rest.size else pcm
        whole = joined.size // HOP_SAMPLES * HOP_SAMPLES
        self._rest = joined[whole:].copy()
        for level in hop_levels_dbfs(joined[:whole]).tolist():
            yield from self._decide(level)

    def _decide(self, level_dbfs: float) -> Iterator[VadEvent]:
        hop = self._hop
        self._hop += 1
        self._floor.hear(level_dbfs)
        upper = max(self._floor.dbfs + self._above_floor_db, self._lowest_dbfs)
        faint = level_dbfs > upper - 4.0
        if self.speaking:
            yield from self._keep_or_stop(hop, faint)
        elif self._begins(hop, faint, loud=level_dbfs > upper):
            start = hop if self._cluster_hop is None else self._cluster_hop
            self.speaking, self._paused = True, False
            self._end_hop = hop + 1
            self._keep.clear()
            yield SpeechStarted(start * HOP_SAMPLES, self.heard_samples)

    def _begins(self, hop: int, faint: bool, *, loud: bool) -> bool:
        self._onset.append(loud)
        if faint:
            if self._cluster_hop is None or hop - self._faint_hop > GAP_HOPS:
                self._cluster_hop = hop
            self._faint_hop = hop
        return sum(self._onset) >= ONSET_LOUD

    def _keep_or_stop(self, hop: int, faint: bool) -> Iterator[VadEvent]:
        self._keep.append(faint)
        if faint:
            self._faint_hop = hop
            if sum(self._keep) >= KEEP_LOUD:
                self._end_hop = hop + 1
                self._paused = False
        end = self._end_hop * HOP_SAMPLES
        silence = self.heard_samples - end
        pause = self.pause_samples
        if pause is not None and silence >= pause and not self._paused:
            self._paused = True
            yield SpeechPaused(end, self.heard_samples)
        if self.speaking and self.heard_samples - end >= self.silence_samples:
            self.stop()
            yield SpeechStopped(end, self.heard_samples)

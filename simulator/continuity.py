"""Whether all of a sound arrived, at one pace: missing, stalled, repeated. Pure."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.alignment import HOP_MS, WINDOW_MS, Alignment, Run
from simulator.analysis import block_levels_dbfs
from simulator.timeline import RATE_HZ, Pcm, Samples

BLOCK = 240
"""Presence is judged in blocks of 10 ms."""
BLOCK_MS = BLOCK * 1000 / RATE_HZ
ABSENT_DB = 12.0
"""A block weaker than expected by more than this is not there."""
AUDIBLE_BELOW_PEAK_DB = 30.0


@dataclass(frozen=True, slots=True)
class Hole:
    """One place where the sound was not as it should be."""

    at: int
    """Sample of the sound where it lies."""
    ms: float
    """How long; blocks in which nothing was to be heard, between two that are
    missing, count in it."""
    stalled: bool
    """True: the rest came later by this; False: this much never came."""


@dataclass(frozen=True, slots=True)
class Continuity:
    """How much of a sound came through whole."""

    missing_ms: float
    """Sound of the reference that never was heard."""
    stalled_ms: float
    """Time by which the rest came later: silence or repeated sound put in."""
    glide_ms: float
    """Lag at the end minus lag at the start, without the jumps: drift, scaling."""
    gain_db: float
    """Level there minus level of the reference, over what is there."""
    holes: tuple[Hole, ...] = ()
    """Where it was missing or stalled, in order."""

    @property
    def gap_ms(self) -> float:
        """What a listener misses or waits for."""
        return self.missing_ms + self.stalled_ms


def continuity(sound: Pcm, recording: Pcm, alignment: Alignment) -> Continuity:
    """Judge one sound.

    Args:
        sound: the reference, int16, shape (n,), 24 kHz.
        recording: where it was looked for, int16, shape (m,).
        alignment: how it lies there (`alignment.align`).

    Returns:
        For a sound of which nothing matched: all its audible blocks missing.
    """
    runs = alignment.runs()
    reference = block_levels_dbfs(sound, BLOCK)
    audible = _audible(reference)
    if not runs:
        missing_ms = float(np.count_nonzero(audible)) * BLOCK_MS
        nothing = tuple(_absent_holes(audible, audible))
        return Continuity(missing_ms, 0.0, 0.0, 0.0, nothing)
    levels = _best_levels(recording, reference.size, alignment, runs)
    difference = levels - reference
    gain_db = float(np.median(difference[audible])) if audible.any() else 0.0
    # Half-lost answers must not drag the expected level down to that of nothing.
    present = audible & (difference > -40)
    if present.any():
        gain_db = float(np.median(difference[present]))
    absent = audible & (difference < gain_db - ABSENT_DB)
    holes: list[Hole] = []
    jumps_ms = 0.0
    for before, after in itertools.pairwise(runs):
        jump_ms = alignment.lag_ms(after.first) - alignment.lag_ms(before.last)
        jumps_ms += jump_ms
        at = int(alignment.centres[before.last] + alignment.centres[after.first]) // 2
        if jump_ms > 0:
            holes.append(Hole(at, jump_ms, stalled=True))
        else:
            near = _near(alignment, before, after)
            absent_ms = float(np.count_nonzero(absent[near])) * BLOCK_MS
            holes.append(Hole(at, max(-jump_ms, absent_ms), stalled=False))
            absent[near] = False
    skipped_ms = sum(hole.ms for hole in holes if not hole.stalled)
    absent_ms = float(np.count_nonzero(absent)) * BLOCK_MS
    holes += _absent_holes(absent, audible)
    whole_ms = alignment.lag_ms(runs[-1].last) - alignment.lag_ms(runs[0].first)
    return Continuity(
        missing_ms=skipped_ms + absent_ms,
        stalled_ms=sum(hole.ms for hole in holes if hole.stalled),
        glide_ms=whole_ms - jumps_ms,
        gain_db=gain_db,
        holes=tuple(sorted(holes, key=lambda hole: hole.at)),
    )


def _absent_holes(absent: NDArray[np.bool_], audible: NDArray[np.bool_]) -> list[Hole]:
    """Blocks that are not there; neighbours with nothing audible between are one."""
    edges = np.flatnonzero(np.diff(absent.astype(np.int8), prepend=0, append=0))
    spans: list[tuple[int, int]] = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if spans and not audible[spans[-1][1] : start].any():
            spans[-1] = (spans[-1][0], int(end))
        else:
            spans.append((int(start), int(end)))
    return [
        Hole(start * BLOCK, (end - start) * BLOCK_MS, stalled=False)
        for start, end in spans
    ]


def _audible(levels: Samples) -> NDArray[np.bool_]:
    if levels.size == 0:
        return np.zeros(0, dtype=np.bool_)
    return np.asarray(levels >= float(levels.max()) - AUDIBLE_BELOW_PEAK_DB)


def _best_levels(
    recording: Pcm, n_blocks: int, alignment: Alignment, runs: list[Run]
) -> Samples:
    """Level of each block where it should lie, by the pace before or after it."""
    best = np.full(n_blocks, -200.0)
    half = WINDOW_MS * RATE_HZ / 2000
    for number, run in enumerate(runs):
        start = 0.0 if number == 0 else alignment.centres[runs[number - 1].last] - half
        end = (
            float(n_blocks * BLOCK)
            if number == len(runs) - 1
            else alignment.centres[runs[number + 1].first] + half
        )
        first, last = max(0, int(start // BLOCK)), min(n_blocks, int(end // BLOCK) + 1)
        centres = alignment.centres[run.first : run.last + 1]
        lags = alignment.lags[run.first : run.last + 1]
        for block in range(first, last):
            lag = round(float(np.interp((block + 0.5) * BLOCK, centres, lags)))
            begin = block * BLOCK + lag
            if begin < 0 or begin + BLOCK > recording.size:
                continue
            level = block_levels_dbfs(recording[begin : begin + BLOCK], BLOCK)[0]
            best[block] = max(best[block], level)
    return best


def _near(alignment: Alignment, before: Run, after: Run) -> slice:
    """Blocks around a skip: what is absent there is the skip itself."""
    reach = (WINDOW_MS + HOP_MS) * RATE_HZ / 1000
    first = int((alignment.centres[before.last] - reach) // BLOCK)
    last = int((alignment.centres[after.first] + reach) // BLOCK) + 1
    return slice(max(0, first), last)

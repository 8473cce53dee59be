"""What is wrong with a call, by name: muted, half speed, too quiet, a gap. Pure.

Figures tell how much; a person who reads a report wants to know *what*. Every defect
names its leg (`uplink`: mouth to model, `downlink`: model to ear), its size and, where
it has one, its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from simulator.alignment import STEADY_MS
from simulator.analysis import active_length_s
from simulator.markers import locate
from simulator.passage import LATE_S, Passage
from simulator.speech import to_float, to_pcm
from simulator.timeline import RATE_HZ, Pcm, Recording, Samples

Leg: TypeAlias = Literal["uplink", "downlink"]
Kind: TypeAlias = Literal["muted", "lost", "speed", "level", "gap", "drift"]

GAP_MS = 40.0
"""A hole from two frames on is heard as one; shorter ones add up in `gaps_ms`."""
MOST_GAPS = 8
"""More are told as one number."""
LEVEL_DB = 3.0
"""A change of level which people notice in speech."""
PITCH_RATIO = 0.01
"""A tone this much off is played at another rate."""
DRIFT_PPM = 200.0
"""Delay that grows by more than this gains a frame in 100 s."""
DRIFT_OVER_SCATTER = 4.0
"""In a short call on a busy machine chance alone moves a delay a little."""
FASTEST_MS_PER_S = 1.0
"""No two clocks differ by more than 1000 ppm: what is faster is a jump."""
DRIFT_MOVED_MS = 8.0
"""Less than this within a call is a buffer finding its level."""
DRIFT_SPAN_S = 4.0
"""A slope needs so much time."""
MOST_POINTS = 300
SPEEDS = (0.5, 2.0, 2 / 3, 1.5, 0.75, 4 / 3, 44_100 / 48_000, 48_000 / 44_100)
"""How fast sound runs when somebody takes one usual sample rate for another."""
SEARCHED_S = 2.0
"""So much of a sound is enough to know it again at another speed."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong."""

    kind: Kind
    leg: Leg
    words: str
    """For a person, with size and place."""
    size: float
    """ms of a gap, dB of a level, factor of a speed, ppm of a drift, else a count."""
    at_s: float | None = None
    """When, on the clock of the recordings."""


def find_defects(
    leg: Leg,
    passages: Sequence[Passage],
    source: Recording,
    target: Recording,
    *,
    start_s: float,
) -> list[Defect]:
    """Everything wrong with one leg of a call.

    Args:
        leg: its name.
        passages: the sounds that were to arrive.
        source: where they come from.
        target: where they were to arrive.
        start_s: moment that counts as second 0 in words.
    """
    if not passages:
        return []
    found = [p for p in passages if p.found]
    defects = []
    if not found:
        if active_length_s(target.pcm) == 0:
            n = len(passages)
            words = f"{leg} muted: silence instead of {n} sound{'s' * (n > 1)}"
            return [Defect("muted", leg, words, n)]
        speed = _speed(passages, source, target)
        if speed is not None:
            return [_wrong_speed(leg, speed)]
    lost = [p for p in passages if not p.found]
    if lost:
        names = ", ".join(p.what for p in lost)
        words = f"{leg} lost {len(lost)} of {len(passages)} sounds: {names}"
        defects.append(Defect("lost", leg, words, len(lost), lost[0].left_s[0]))
    defects += _tones(leg, found)
    defects += _level(leg, found)
    defects += _gaps(leg, found, start_s)
    drift = delay_drift(found, target)
    if drift is not None and drift.is_sure and abs(drift.ppm) > DRIFT_PPM:
        way = "grows" if drift.ppm > 0 else "shrinks"
        words = f"{leg} delay {way} by {abs(drift.ppm):.0f} ppm"
        defects.append(Defect("drift", leg, words, round(drift.ppm)))
    return defects


@dataclass(frozen=True, slots=True)
class Drift:
    """How a delay moves over a call."""

    ppm: float
    """Microseconds later per second."""
    span_s: float
    scatter_ms: float
    """How far a delay usually lies from that line: jitter."""

    @property
    def is_sure(self) -> bool:
        """Whether it moved by more than jitter makes believe, and no faster than two
        clocks can: a buffer that empties after a stall is no drift."""
        if abs(self.ppm) > FASTEST_MS_PER_S * 1000:
            return False
        moved_ms = abs(self.ppm) * self.span_s / 1000
        return moved_ms > max(DRIFT_MOVED_MS, DRIFT_OVER_SCATTER * self.scatter_ms)


def delay_drift(passages: Sequence[Passage], target: Recording) -> Drift | None:
    """How fast the delay grows over a call.

    The median of all slopes between two moments (Theil and Sen): once of the delays as
    they are, once with their jumps taken out, since a buffer that changes its mind is
    no drift. Where the two agree, the smaller counts; where they do not, nothing
    drifts. Two clocks that differ show here unless somebody corrects for them.

    Returns:
        None for less than DRIFT_SPAN_S of sound.
    """
    points = [
        (target.timeline.time_at(sample), ms)
        for p in passages
        for sample, ms in zip(p.samples, p.latencies_ms, strict=True)
    ]
    if len(points) < 2:
        return None
    if len(points) > MOST_POINTS:
        chosen = np.linspace(0, len(points) - 1, MOST_POINTS).astype(int)
        points = [points[n] for n in chosen]
    times, delays = np.array(sorted(points)).T
    span_s = float(times[-1] - times[0])
    if span_s < DRIFT_SPAN_S:
        return None
    whole, glide = _slope(times, delays), _slope(times, _without_jumps(times, delays))
    slope = min(whole, glide, key=abs) if whole * glide > 0 else 0.0
    rest = delays - slope * times
    scatter_ms = float(np.median(np.abs(rest - np.median(rest))))
    return Drift(slope * 1000, span_s, scatter_ms)


def _slope(times: Samples, delays: Samples) -> float:
    first, second = np.triu_indices(times.size, k=1)
    apart = times[second] - times[first]
    far = apart >= DRIFT_SPAN_S / 4
    return float(np.median((delays[second] - delays[first])[far] / apart[far]))


def _without_jumps(times: Samples, delays: Samples) -> Samples:
    """Delays as if they only glided, shape as given."""
    steps, apart = np.diff(delays), np.diff(times)
    steps[np.abs(steps) > STEADY_MS + FASTEST_MS_PER_S * apart] = 0.0
    return np.concatenate([[0.0], np.cumsum(steps)])


def _wrong_speed(leg: Leg, speed: float) -> Defect:
    name = "half speed" if speed == 0.5 else f"{speed:.2f} times the speed"
    return Defect("speed", leg, f"{leg} runs at {name}", round(speed, 4))


def _speed(
    passages: Sequence[Passage], source: Recording, target: Recording
) -> float | None:
    """The speed at which a sound is there after all; None when it is not."""
    for passage in passages[:2]:
        begin_s, end_s = passage.left_s
        _, sound = source.window(begin_s, min(end_s, begin_s + SEARCHED_S))
        for speed in SPEEDS:
            slow = _played_at(sound, speed)
            until_s = begin_s + slow.size / RATE_HZ + LATE_S
            _, window = target.window(begin_s, until_s)
            if locate(slow, window) is not None:
                return speed
    return None


def _played_at(sound: Pcm, speed: float) -> Pcm:
    """The sound as somebody hears it who takes its samples at another rate."""
    at = np.arange(0, sound.size - 1, speed)
    return to_pcm(np.interp(at, np.arange(sound.size), to_float(sound)))


def _tones(leg: Leg, found: Sequence[Passage]) -> list[Defect]:
    defects = []
    for passage in found:
        if passage.tone is None:
            continue
        sent, got = passage.tone
        if sent.hz is not None and got.hz is not None:
            speed = got.hz / sent.hz
            if abs(speed - 1) > PITCH_RATIO:
                known = [s for s in SPEEDS if abs(s / speed - 1) < PITCH_RATIO]
                defects.append(_wrong_speed(leg, known[0] if known else speed))
        if abs(got.dbfs - sent.dbfs) > LEVEL_DB:
            defects.append(_wrong_level(leg, got.dbfs - sent.dbfs))
    return defects


def _level(leg: Leg, found: Sequence[Passage]) -> list[Defect]:
    gains = [p.continuity.gain_db for p in found if p.continuity and p.tone is None]
    if not gains:
        return []
    gain_db = float(np.median(gains))
    return [_wrong_level(leg, gain_db)] if abs(gain_db) > LEVEL_DB else []


def _wrong_level(leg: Leg, gain_db: float) -> Defect:
    way = "loud" if gain_db > 0 else "quiet"
    words = f"{leg} {abs(gain_db):.1f} dB too {way}"
    return Defect("level", leg, words, round(gain_db, 1))


def _gaps(leg: Leg, found: Sequence[Passage], start_s: float) -> list[Defect]:
    defects = []
    for passage in found:
        if passage.continuity is None:
            continue
        # Both ends of the sound are known at the destination: lags in between are not
        # worth more than the words are precise.
        for hole in passage.continuity.holes:
            if hole.ms < GAP_MS:
                continue
            at_s = passage.came_s[0] + hole.at / RATE_HZ
            how = "stalled" if hole.stalled else "missing"
            words = (
                f"{leg} gap of {hole.ms:.0f} ms ({how}) at "
                f"{at_s - start_s:.2f} s, in {passage.what}"
            )
            defects.append(Defect("gap", leg, words, round(hole.ms, 1), at_s))
    if len(defects) <= MOST_GAPS:
        return defects
    defects.sort(key=lambda defect: -defect.size)
    rest = defects[MOST_GAPS:]
    total_ms = sum(defect.size for defect in rest)
    n = len(rest)
    words = f"{leg}: {n} more gap{'s' * (n > 1)}, together {total_ms:.0f} ms"
    last = Defect("gap", leg, words, round(total_ms, 1))
    return [*sorted(defects[:MOST_GAPS], key=lambda d: d.at_s or 0.0), last]

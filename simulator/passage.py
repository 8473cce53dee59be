"""One sound on its way: found again at the other end, with its delays. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.alignment import Alignment, align
from simulator.analysis import ToneReading, active_spans, is_tone, read_tone
from simulator.continuity import Continuity, continuity
from simulator.markers import locate
from simulator.quality import stoi
from simulator.timeline import RATE_HZ, Pcm, Recording

EARLY_S = 0.05
"""How far before its source a copy may seem to lie: anchors are frames and late."""
PIECE_S = 0.8
"""A copy may begin so much earlier than its window when its head is missing."""
LATE_S = 4.0
"""How late a copy is still looked for."""
ALIGN_EARLY_MS = 400.0
ALIGN_LATE_MS = 600.0
"""How far its parts may have moved against each other on the way."""
USUAL_S = 0.2
PIECES_SHARE = 0.35
"""Of the windows of a sound not found as a whole, this many must be there."""
JOIN_MS = 650.0
"""Pauses shorter than this are inside one sound."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One sound on its way from one recording to another."""

    what: str
    found: bool
    latencies_ms: tuple[float, ...] = ()
    """One per 20 ms of active sound."""
    samples: tuple[float, ...] = ()
    """Where at the destination each of them was measured."""
    confidence: float = 0.0
    left_s: tuple[float, float] = (0.0, 0.0)
    """First and last active sample at the source."""
    came_s: tuple[float, float] = (0.0, 0.0)
    """The same samples at the destination."""
    continuity: Continuity | None = None
    stoi: float | None = None
    """Intelligibility of what came (`quality.stoi`); None for very short sounds."""
    tone: tuple[ToneReading, ToneReading] | None = None
    """The tone as sent and as received, when it was one."""


def find_passage(
    what: str, sound: Pcm, start: int, source: Recording, target: Recording
) -> Passage:
    """Find `sound`, which begins at sample `start` of the source, in the target."""
    spans = active_spans(sound, join_ms=JOIN_MS)
    if not spans or target.timeline.is_empty:
        return Passage(what, found=False)
    first, last = spans[0].start, spans[-1].end
    left_s = (
        source.timeline.time_at(start + first),
        source.timeline.time_at(start + last),
    )
    offset, window = target.window(left_s[0] - EARLY_S - PIECE_S, left_s[1] + LATE_S)
    if is_tone(sound[first:last]):  # a tone is the same at every period: no marker
        sent, got = read_tone(sound), read_tone(window)
        return Passage(what, found=got.hz is not None, left_s=left_s, tone=(sent, got))
    active = sound[first:last]
    # Nothing arrives before it left.
    earliest = target.timeline.sample_at(left_s[0] - EARLY_S) - offset
    match = locate(active, window, earliest=earliest)
    # Sound cut into short pieces on its way has no place as a whole: its pieces are
    # looked for where an undisturbed copy would be.
    usual = target.timeline.sample_at(left_s[0] + USUAL_S) - offset
    at = usual if match is None else match.at
    lie = align(
        active,
        window,
        at=at,
        early_ms=min(ALIGN_EARLY_MS, (at - earliest) * 1000 / RATE_HZ),
        late_ms=ALIGN_LATE_MS,
    )
    whole = continuity(active, window, lie)
    trusted = lie.trusted
    share = float(trusted.mean()) if trusted.size else 0.0
    if not trusted.any() or (match is None and share < PIECES_SHARE):
        return Passage(what, found=False, left_s=left_s, continuity=whole)
    samples = offset + lie.centres[trusted] + lie.lags[trusted]
    came = [
        target.timeline.time_at(offset + edge + lie.lag_at(edge))
        for edge in (0, active.size)
    ]
    return Passage(
        what,
        found=True,
        latencies_ms=tuple(_latencies_ms(lie, start + first, offset, source, target)),
        samples=tuple(float(sample) for sample in samples),
        confidence=share if match is None else match.confidence,
        left_s=left_s,
        came_s=(came[0], came[1]),
        continuity=whole,
        stoi=stoi(active, lie.heard_as(active.size, window)),
    )


def _latencies_ms(
    lie: Alignment, start: int, offset: int, source: Recording, target: Recording
) -> list[float]:
    trusted = lie.trusted
    return [
        (
            target.timeline.time_at(offset + centre + lag)
            - source.timeline.time_at(start + centre)
        )
        * 1000
        for centre, lag in zip(lie.centres[trusted], lie.lags[trusted], strict=True)
    ]

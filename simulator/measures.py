"""From one call's recordings to its figures. Pure: the ruler of the whole project.

What the mouth said is searched in what the model heard, what the model spoke in what
the ear heard, and times are subtracted. Nothing is taken from packets or events.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from simulator.alignment import Alignment, align
from simulator.analysis import (
    ToneReading,
    active_length_s,
    active_spans,
    level_dbfs,
    read_tone,
)
from simulator.continuity import Continuity, continuity
from simulator.markers import locate
from simulator.record import CallRecord, ModelRecord
from simulator.scenario import Said
from simulator.timeline import RATE_HZ, Pcm, Recording

EARLY_S = 0.15
"""How far before its source a copy may seem to lie: anchors are a frame coarse."""
LATE_S = 4.0
"""How late a copy is still looked for."""
JOIN_MS = 650.0
"""Pauses shorter than this are inside one answer."""
SAME_ONSET_S = 0.15
"""An onset heard and one found by correlation this near are the same answer's."""
LAST_WORD_S = 1.0
"""A sound that ended less than this before hanging up may rightly not have arrived."""


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
    tone: tuple[ToneReading, ToneReading] | None = None
    """The tone as sent and as received, when it was one."""


@dataclass(slots=True)
class CallMeasures:
    """The figures of one call; a list is empty when nobody could measure it."""

    uplink: list[Passage] = field(default_factory=list)
    downlink: list[Passage] = field(default_factory=list)
    playout_ms: list[float] = field(default_factory=list)
    model_to_client_ms: list[float] = field(default_factory=list)
    """Model to ear without the playout buffer's waiting time: what the way adds."""
    response_latency_ms: list[float] = field(default_factory=list)
    model_response_ms: list[float] = field(default_factory=list)
    """The model's own share of each response latency: from the last speech at its
    input to the first at its output (endpointing and thinking)."""
    audio_heard_s: float = 0.0
    ear_level_dbfs: float | None = None
    model_side_reason: str | None = None
    """Why there are no figures from the model's side; None when there are."""

    @property
    def mouth_to_model_ms(self) -> list[float]:
        """Every window of every utterance found at the model."""
        return [ms for p in self.uplink for ms in p.latencies_ms]

    @property
    def model_to_ear_ms(self) -> list[float]:
        """Every window of every answer found at the ear."""
        return [ms for p in self.downlink for ms in p.latencies_ms]

    @property
    def gaps_ms(self) -> list[float]:
        """Missing and stalled milliseconds of each answer."""
        return [p.continuity.gap_ms for p in self.downlink if p.continuity]


def measure(
    call: CallRecord, model: ModelRecord | None, reason: str | None = None
) -> CallMeasures:
    """Analyse one call.

    Args:
        call: what the simulated browser recorded.
        model: what the fake recorded, or None.
        reason: why there is no model record.
    """
    measures = CallMeasures(model_side_reason=reason if model is None else None)
    if call.ear is None:
        return measures
    ear = call.ear.sound
    measures.audio_heard_s = active_length_s(ear.pcm)
    loud = active_spans(ear.pcm)
    if loud:
        heard = np.concatenate([ear.pcm[s.start : s.end] for s in loud])
        measures.ear_level_dbfs = level_dbfs(heard)
    measures.playout_ms = [wait_ms for _, wait_ms in call.ear.waits_ms]
    mouth = call.mouth.recording()
    if model is not None:
        measures.uplink = [
            _uplink(said, mouth, model.heard)
            for said in call.said
            if mouth.timeline.time_at(said.end) < call.hung_up_s - LAST_WORD_S
        ]
        measures.downlink = _downlink(call, model.spoken, ear)
        for passage in measures.downlink:
            for ms, sample in zip(passage.latencies_ms, passage.samples, strict=True):
                wait_ms = call.ear.wait_ms_at(sample)
                if wait_ms is not None:
                    measures.model_to_client_ms.append(ms - wait_ms)
    _responses(call, mouth, measures)
    return measures


def failures(call: CallRecord, measures: CallMeasures) -> list[str]:
    """Why a call is no good: every reason, in words. Missing audio is a failure."""
    reasons = [call.failure] if call.failure else []
    if call.ear is None:
        return reasons or ["the call never began"]
    if call.said and measures.audio_heard_s == 0:
        reasons.append("nothing was heard")
    lost = [p.what for p in measures.uplink if not p.found]
    if lost:
        reasons.append(f"the model did not hear {', '.join(lost)}")
    unheard = sum(1 for p in measures.downlink if not p.found)
    if unheard:
        n = len(measures.downlink)
        reasons.append(f"{unheard} of {n} answers did not reach the ear")
    return reasons


def _uplink(said: Said, mouth: Recording, heard: Recording) -> Passage:
    sound = mouth.pcm[said.start : said.end]
    return _passage(said.what, sound, said.start, mouth, heard)


def _downlink(call: CallRecord, spoken: Recording, ear: Recording) -> list[Passage]:
    passages = []
    for number, span in enumerate(active_spans(spoken.pcm, join_ms=JOIN_MS)):
        start, end = span.start, span.end
        left_s = spoken.timeline.time_at(start)
        cut_s = call.hung_up_s - LAST_WORD_S
        cut_s = min([cut_s, *(t for t in call.flushes_s if t > left_s)])
        # What was on its way when the buffer was flushed, or when we hung up, was
        # not to be heard.
        end = min(end, int(spoken.timeline.sample_at(cut_s - 0.2)))
        if end - start < 0.2 * RATE_HZ:
            continue
        sound = spoken.pcm[start:end]
        passages.append(_passage(f"answer {number + 1}", sound, start, spoken, ear))
    return passages


def _passage(
    what: str, sound: Pcm, start: int, source: Recording, target: Recording
) -> Passage:
    """Find `sound`, which begins at sample `start` of the source, in the target."""
    spans = active_spans(sound, join_ms=JOIN_MS)
    if not spans:
        return Passage(what, found=False)
    first, last = spans[0].start, spans[-1].end
    left_s = (
        source.timeline.time_at(start + first),
        source.timeline.time_at(start + last),
    )
    offset, window = target.window(left_s[0] - EARLY_S - 0.5, left_s[1] + LATE_S)
    if what.startswith("tone:"):
        sent, got = read_tone(sound), read_tone(window)
        return Passage(what, found=got.hz is not None, left_s=left_s, tone=(sent, got))
    match = locate(sound[first:last], window)
    if match is None:
        return Passage(what, found=False, left_s=left_s)
    active = sound[first:last]
    lie = align(active, window, at=match.at, early_ms=400.0, late_ms=600.0)
    whole = continuity(active, window, lie)
    if not lie.matched.any():
        return Passage(what, found=False, left_s=left_s, continuity=whole)
    samples = offset + lie.centres[lie.matched] + lie.lags[lie.matched]
    came = [
        target.timeline.time_at(offset + edge + lie.lag_at(edge))
        for edge in (0, active.size)
    ]
    return Passage(
        what,
        found=True,
        latencies_ms=tuple(_latencies_ms(lie, start + first, offset, source, target)),
        samples=tuple(float(sample) for sample in samples),
        confidence=match.confidence,
        left_s=left_s,
        came_s=(came[0], came[1]),
        continuity=whole,
    )


def _latencies_ms(
    lie: Alignment, start: int, offset: int, source: Recording, target: Recording
) -> list[float]:
    return [
        (
            target.timeline.time_at(offset + centre + lag)
            - source.timeline.time_at(start + centre)
        )
        * 1000
        for centre, lag in zip(
            lie.centres[lie.matched], lie.lags[lie.matched], strict=True
        )
    ]


def _responses(call: CallRecord, mouth: Recording, measures: CallMeasures) -> None:
    """Pair each question with the first answer heard before the next question."""
    if call.ear is None or not call.said:
        return
    ear, spoken = call.ear.sound, call.mouth.spoken()
    onsets_s = [
        ear.timeline.time_at(s.start) for s in active_spans(ear.pcm, join_ms=JOIN_MS)
    ]
    starts_s = [spoken.time_at(said.start) for said in call.said]
    for number, said in enumerate(call.said):
        spans = active_spans(mouth.pcm[said.start : said.end])
        if not spans or said.over_answer:
            continue
        end_s = spoken.time_at(said.start + spans[-1].end)
        until_s = (*starts_s, float("inf"))[number + 1]
        after = [t for t in onsets_s if end_s < t < until_s]
        if after:
            measures.response_latency_ms.append((after[0] - end_s) * 1000)
            share = _model_share_ms(measures, number, after[0])
            if share is not None:
                measures.model_response_ms.append(share)


def _model_share_ms(
    measures: CallMeasures, number: int, onset_s: float
) -> float | None:
    if number >= len(measures.uplink) or not measures.uplink[number].found:
        return None
    for answer in measures.downlink:
        if answer.found and abs(answer.came_s[0] - onset_s) < SAME_ONSET_S:
            return (answer.left_s[0] - measures.uplink[number].came_s[1]) * 1000
    return None

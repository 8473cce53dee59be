"""From one call's recordings to its figures. Pure: the ruler of the whole project.

What the mouth said is searched in what the model heard, what the model spoke in what
the ear heard, and times are subtracted. Nothing is taken from packets or events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from simulator.analysis import Span, active_length_s, active_spans, level_dbfs
from simulator.defects import Defect, delay_drift, find_defects
from simulator.markers import locate
from simulator.mouth import Said
from simulator.passage import JOIN_MS, Passage, find_passage
from simulator.record import CallRecord, EarTrack, LateSpell, ModelRecord
from simulator.timeline import RATE_HZ, Recording
from simulator.turns import (
    BargeIn,
    DoubleTalk,
    Response,
    barge_ins,
    double_talks,
    responses,
)

SETTLED_S = 0.3
"""After joining, so long until a caller surely hears everything."""
UNDER_WAY_S = 0.2
"""Sound that left the model so long before a flush may not have been heard."""
PAUSE_MS = 120.0
"""After a flush a sound is new when it comes after a pause like this."""
SHORTEST_S = 0.2
"""Shorter pieces are no answer."""
ECHO_S = 1.5
"""One's own voice is looked for so long after it was spoken."""
LAST_WORD_S = 1.0
"""A sound that ended less than this before hanging up may rightly not have arrived."""


@dataclass(slots=True)
class CallMeasures:
    """The figures of one call; a list is empty when nobody could measure it."""

    uplink: list[Passage] = field(default_factory=list)
    downlink: list[Passage] = field(default_factory=list)
    playout_ms: list[float] = field(default_factory=list)
    """How long each frame lay in the playout buffer."""
    model_to_client_ms: list[float] = field(default_factory=list)
    """Model to ear without the playout buffer's waiting time: what the way adds."""
    from_others: list[Passage] = field(default_factory=list)
    """What the other callers said while this one listened, searched at its ear."""
    own_echoes: list[str] = field(default_factory=list)
    """What this caller said and heard again."""
    responses: list[Response] = field(default_factory=list)
    barge_ins: list[BargeIn] = field(default_factory=list)
    double_talks: list[DoubleTalk] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)
    uplink_drift_ppm: float | None = None
    """How fast the delay grows; None for too little sound."""
    downlink_drift_ppm: float | None = None
    audio_heard_s: float = 0.0
    ear_level_dbfs: float | None = None
    late: list[LateSpell] = field(default_factory=list)
    """When the fake did not keep time during this call."""
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
    def mouth_to_other_ear_ms(self) -> list[float]:
        """Every window of what others said, from their mouth to this ear."""
        return [ms for p in self.from_others for ms in p.latencies_ms]

    @property
    def response_latency_ms(self) -> list[float]:
        """End of each question at the mouth to onset of its answer at the ear."""
        return [r.latency_ms for r in self.responses]

    @property
    def model_response_ms(self) -> list[float]:
        """The model's own share of the response latencies: endpointing, thinking."""
        return [r.model_ms for r in self.responses if r.model_ms is not None]

    @property
    def mouth_to_ear_ms(self) -> list[float]:
        """Response latencies without the model's share: the way there and back, with
        the capture frame and the playout buffer, as if it answered at once."""
        return [
            r.latency_ms - r.model_ms for r in self.responses if r.model_ms is not None
        ]

    @property
    def barge_in_stop_ms(self) -> list[float]:
        """Onset of speech over an answer to silence at the ear."""
        return [b.stop_ms for b in self.barge_ins]

    @property
    def barge_in_beyond_vad_ms(self) -> list[float]:
        """Of those, what came after the model had noticed the speech."""
        found = (b.beyond_vad_ms for b in self.barge_ins)
        return [ms for ms in found if ms is not None]

    @property
    def double_talk_onset_ms(self) -> list[float]:
        """Onset of speech over an answer to its arrival at the model."""
        return [d.onset_ms for d in self.double_talks]

    @property
    def double_talk_clipped_ms(self) -> list[float]:
        """How much of its beginning the model never got."""
        return [d.clipped_ms for d in self.double_talks]

    @property
    def uplink_gaps_ms(self) -> list[float]:
        """Missing and stalled milliseconds of each sound said."""
        return [p.continuity.gap_ms for p in self.uplink if p.continuity]

    @property
    def gaps_ms(self) -> list[float]:
        """Missing and stalled milliseconds of each answer."""
        return [p.continuity.gap_ms for p in self.downlink if p.continuity]


def measure(
    call: CallRecord,
    model: ModelRecord | None,
    reason: str | None = None,
    others: Sequence[CallRecord] = (),
) -> CallMeasures:
    """Analyse one call.

    Args:
        call: what the simulated browser recorded.
        model: what the fake recorded, or None.
        reason: why there is no model record.
        others: the other callers of the same conversation.
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
        measures.model_to_client_ms = _without_playout(measures.downlink, call.ear)
        if up := delay_drift(measures.uplink, model.heard):
            measures.uplink_drift_ppm = up.ppm
        if down := delay_drift(measures.downlink, ear):
            measures.downlink_drift_ppm = down.ppm
        start_s = call.hung_up_s - call.talk_s
        measures.late = [
            spell
            for spell in model.late
            if spell.ended_s > start_s and spell.began_s < call.hung_up_s
        ]
        measures.defects = [
            *find_defects(
                "uplink", measures.uplink, mouth, model.heard, start_s=start_s
            ),
            *find_defects(
                "downlink", measures.downlink, model.spoken, ear, start_s=start_s
            ),
        ]
    measures.from_others = [
        passage for other in others for passage in _from_other(other, call, ear)
    ]
    measures.own_echoes = _own_echoes(call, mouth, ear)
    measures.responses = responses(call, mouth, ear, measures.uplink, measures.downlink)
    measures.barge_ins = barge_ins(call, mouth, ear, measures.downlink, model)
    measures.double_talks = double_talks(call, mouth, measures.uplink)
    return measures


def _without_playout(answers: list[Passage], ear: EarTrack) -> list[float]:
    found = []
    for answer in answers:
        for ms, sample in zip(answer.latencies_ms, answer.samples, strict=True):
            wait_ms = ear.wait_ms_at(sample)
            if wait_ms is not None:
                found.append(ms - wait_ms)
    return found


def failures(call: CallRecord, measures: CallMeasures) -> list[str]:
    """Why a call is no good: every reason, in words. Missing audio is a failure."""
    reasons = [call.failure] if call.failure else []
    if call.ear is None:
        return reasons or ["the call never began"]
    if call.said and measures.audio_heard_s == 0:
        reasons.append("nothing was heard")
    elif call.unanswered:
        reasons.append(f"questions not answered: {call.unanswered}")
    lost = [p.what for p in measures.uplink if not p.found]
    if lost:
        reasons.append(f"the model did not hear {', '.join(lost)}")
    if measures.own_echoes:
        reasons.append(f"it heard itself say {', '.join(measures.own_echoes)}")
    unheard = sum(1 for p in measures.downlink if not p.found)
    if unheard:
        n = len(measures.downlink)
        reasons.append(f"{unheard} of {n} answers did not reach the ear")
    return reasons


def _uplink(said: Said, mouth: Recording, heard: Recording) -> Passage:
    sound = mouth.pcm[said.start : said.end]
    return find_passage(said.what, sound, said.start, mouth, heard)


def _downlink(call: CallRecord, spoken: Recording, ear: Recording) -> list[Passage]:
    passages: list[Passage] = []
    if spoken.timeline.is_empty:
        return passages
    for span in _answers(call, spoken):
        if spoken.timeline.time_at(span.start) < ear.start_s + SETTLED_S:
            continue  # it began before this caller had joined
        if span.seconds >= SHORTEST_S:
            sound = spoken.pcm[span.start : span.end]
            what = f"answer {len(passages) + 1}"
            passages.append(find_passage(what, sound, span.start, spoken, ear))
    return passages


def _answers(call: CallRecord, spoken: Recording) -> list[Span]:
    """What the model said and the caller was to hear.

    What was on its way when the buffer was flushed, or when the caller hung up, was
    not; what begins after a flush is another answer, however soon.
    """
    cuts_s = sorted([*call.flushes_s, call.hung_up_s - LAST_WORD_S])
    cuts = [int(spoken.timeline.sample_at(cut_s)) for cut_s in cuts_s]
    under_way = int(UNDER_WAY_S * RATE_HZ)
    answers = []
    for span in active_spans(spoken.pcm, join_ms=JOIN_MS):
        start = span.start
        for cut in cuts:
            if start < cut < span.end:
                answers.append(Span(start, cut - under_way))
                start = _next_onset(spoken, Span(cut, span.end))
        if start < cuts[-1]:
            answers.append(Span(start, span.end))
    return answers


def _next_onset(spoken: Recording, span: Span) -> int:
    """First sample of a sound that begins inside a span; its end if there is none."""
    rest = active_spans(spoken.pcm[span.start : span.end], join_ms=PAUSE_MS)
    begun = [s for s in rest if s.start * 1000 >= PAUSE_MS * RATE_HZ]
    return span.start + begun[0].start if begun else span.end


def _from_other(other: CallRecord, call: CallRecord, ear: Recording) -> list[Passage]:
    mouth, spoken = other.mouth.recording(), other.mouth.spoken()
    # By capture time: between people the capture frame counts as it does for them.
    source = Recording(mouth.pcm, spoken)
    found = []
    for said in other.said:
        begins_s, ends_s = spoken.time_at(said.start), spoken.time_at(said.end)
        if begins_s > ear.start_s + SETTLED_S and ends_s < call.hung_up_s - LAST_WORD_S:
            sound = mouth.pcm[said.start : said.end]
            found.append(find_passage(said.what, sound, said.start, source, ear))
    return found


def _own_echoes(call: CallRecord, mouth: Recording, ear: Recording) -> list[str]:
    spoken = call.mouth.spoken()
    found = []
    for said in call.said:
        if said.what.startswith("tone:"):
            continue  # a tone in an answer would be taken for one's own
        begins_s, ends_s = spoken.time_at(said.start), spoken.time_at(said.end)
        _, window = ear.window(begins_s, ends_s + ECHO_S)
        if locate(mouth.pcm[said.start : said.end], window) is not None:
            found.append(said.what)
    return found

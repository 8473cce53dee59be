"""Who waited how long for whom: responses and interruptions. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.analysis import active_spans
from simulator.passage import JOIN_MS, Passage
from simulator.record import CallRecord, ModelRecord
from simulator.timeline import RATE_HZ, Recording

SAME_ONSET_S = 0.1
"""An onset heard and one found by correlation this near are the same answer's."""
STOPPED_MS = 250.0
"""An answer is silent, not between two words, after this time."""
HEAD_S = 0.3
"""The beginning of a sentence, without which it is another."""
NOTICED_S = 2.0
"""A model that has not noticed speech after this time did not notice it."""


@dataclass(frozen=True, slots=True)
class Response:
    """A question and the onset of its answer."""

    latency_ms: float
    """End of the speech at the mouth to onset of the answer at the ear."""
    model_ms: float | None
    """The model's share: end of the speech at its input to onset at its output."""


@dataclass(frozen=True, slots=True)
class BargeIn:
    """Speech over an answer, and the answer's end."""

    stop_ms: float
    """Onset of the speech at the mouth to silence at the ear."""
    beyond_vad_ms: float | None
    """Of that, what came after the model had noticed the speech."""


@dataclass(frozen=True, slots=True)
class DoubleTalk:
    """Both speak: whether the model gets the user's first syllable meanwhile."""

    onset_ms: float
    """Onset of the speech at the mouth to the same onset at the model."""
    clipped_ms: float
    """How much of its first HEAD_S the model never got: a way that is open in one
    direction at a time cuts it off."""


def responses(
    call: CallRecord,
    mouth: Recording,
    ear: Recording,
    uplink: Sequence[Passage],
    downlink: Sequence[Passage],
) -> list[Response]:
    """Pair each question with the first answer heard before the next question.

    Args:
        call: what was said, in order.
        mouth: its sound.
        ear: what was heard.
        uplink: the first sounds said, as found at the model; may be shorter.
        downlink: the answers.
    """
    if not call.said:
        return []
    spoken = call.mouth.spoken()
    onsets_s = sorted(answer.came_s[0] for answer in downlink if answer.found)
    if not downlink:
        # Without the model's record any sound counts; somebody else's too.
        heard = active_spans(ear.pcm, join_ms=JOIN_MS)
        onsets_s = [ear.timeline.time_at(span.start) for span in heard]
    starts_s = [spoken.time_at(said.start) for said in call.said]
    found = []
    for number, said in enumerate(call.said):
        spans = active_spans(mouth.pcm[said.start : said.end])
        if not spans or said.over_answer:
            continue
        end_s = spoken.time_at(said.start + spans[-1].end)
        until_s = (*starts_s, float("inf"))[number + 1]
        onset_s = next((t for t in onsets_s if end_s < t < until_s), None)
        if onset_s is None:
            continue
        answer = _answer_at(downlink, onset_s)
        question = uplink[number] if number < len(uplink) else None
        if answer is None:
            found.append(Response((onset_s - end_s) * 1000, None))
            continue
        latency_ms = (onset_s - end_s) * 1000
        share_ms = None
        if question is not None and question.found and question.tone is None:
            share_ms = (answer.left_s[0] - question.came_s[1]) * 1000
        found.append(Response(latency_ms, share_ms))
    return found


def barge_ins(
    call: CallRecord,
    mouth: Recording,
    ear: Recording,
    downlink: Sequence[Passage],
    model: ModelRecord | None,
) -> list[BargeIn]:
    """How long an answer went on after the user had begun to speak over it.

    It went on until the last sound before the next answer, so that a pause between
    two of its sentences is not taken for its end.
    """
    over = [said for said in call.said if said.over_answer]
    if not over:
        return []
    spoken = call.mouth.spoken()
    heard = [
        (ear.timeline.time_at(span.start), ear.timeline.time_at(span.end))
        for span in active_spans(ear.pcm, join_ms=STOPPED_MS)
    ]
    begin_s = sorted(answer.came_s[0] for answer in downlink if answer.found)
    found = []
    for said in over:
        spans = active_spans(mouth.pcm[said.start : said.end])
        if not spans:
            continue
        onset_s = spoken.time_at(said.start + spans[0].start)
        next_s = next((t for t in begin_s if t > onset_s), call.hung_up_s)
        ends_s = [end for begin, end in heard if begin < next_s - SAME_ONSET_S]
        stop_s = max([onset_s, *ends_s])
        noticed_s = _noticed_s(model, onset_s)
        beyond_ms = None if noticed_s is None else (stop_s - noticed_s) * 1000
        found.append(BargeIn((stop_s - onset_s) * 1000, beyond_ms))
    return found


def double_talks(
    call: CallRecord, mouth: Recording, uplink: Sequence[Passage]
) -> list[DoubleTalk]:
    """How speech that began over an answer got to the model.

    Args:
        call: what was said, in order.
        mouth: its sound.
        uplink: the first sounds said, as found at the model; may be shorter.
    """
    spoken = call.mouth.spoken()
    found = []
    for said, passage in zip(call.said, uplink, strict=False):
        spans = active_spans(mouth.pcm[said.start : said.end])
        if not (said.over_answer and passage.found and passage.continuity and spans):
            continue
        onset_s = spoken.time_at(said.start + spans[0].start)
        head = int(HEAD_S * RATE_HZ)
        clipped_ms = sum(
            min(hole.ms, (head - hole.at) * 1000 / RATE_HZ)
            for hole in passage.continuity.holes
            if not hole.stalled and hole.at < head
        )
        found.append(DoubleTalk((passage.came_s[0] - onset_s) * 1000, clipped_ms))
    return found


def _answer_at(downlink: Sequence[Passage], onset_s: float) -> Passage | None:
    for answer in downlink:
        if answer.found and answer.came_s[0] == onset_s:
            return answer
    return None


def _noticed_s(model: ModelRecord | None, onset_s: float) -> float | None:
    """When the model's voice activity detector noticed speech begun at a time."""
    turns = model.turns if model is not None else []
    times_s = (turn.get("speech_started_s") for turn in turns)
    after = [float(t) for t in times_s if t is not None and t > onset_s]
    noticed_s = min(after, default=None)
    if noticed_s is None or noticed_s - onset_s > NOTICED_S:
        return None
    return noticed_s

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.analysis import active_spans
from simulator.measures import failures, measure
from simulator.record import CallRecord, ModelRecord
from simulator.speech import silence, tone
from simulator.timeline import Recording, Timeline
from tests.unit.simulator.calls import KnownCall
from tests.unit.simulator.sounds import sentence


def p50(values: list[float]) -> float:
    return float(np.median(values))


@given(uplink_ms=st.floats(0, 300), downlink_ms=st.floats(0, 300))
@settings(max_examples=10, deadline=None)
def test_both_delays_are_measured_to_a_tenth_of_a_millisecond(
    uplink_ms: float, downlink_ms: float
) -> None:
    call, model = KnownCall(uplink_ms, downlink_ms).record()

    measures = measure(call, model)

    assert p50(measures.mouth_to_model_ms) == pytest.approx(uplink_ms, abs=0.1)
    assert p50(measures.model_to_ear_ms) == pytest.approx(downlink_ms, abs=0.1)
    assert max(measures.gaps_ms) == 0
    assert failures(call, measures) == []


def test_response_latency_runs_from_the_end_of_the_speech_to_the_onset_heard() -> None:
    """Capture frame (20 ms), both delays and the model's thinking add up to it."""
    call, model = KnownCall(12, 34, thinking_ms=600).record()

    measures = measure(call, model)

    assert measures.response_latency_ms == [pytest.approx(20 + 12 + 34 + 600, abs=12)]
    assert measures.model_response_ms == [pytest.approx(600, abs=12)]


def test_without_a_fake_the_models_side_is_empty_with_a_reason() -> None:
    call, _ = KnownCall().record()

    measures = measure(call, None, "no fake")

    assert measures.mouth_to_model_ms == []
    assert measures.model_to_ear_ms == []
    assert measures.model_side_reason == "no fake"
    assert len(measures.response_latency_ms) == 1
    assert failures(call, measures) == []


def test_a_muted_uplink_fails_the_call() -> None:
    call, model = KnownCall(mute_uplink=True).record()

    assert failures(call, measure(call, model)) == ["the model did not hear question"]


def test_a_muted_downlink_fails_the_call() -> None:
    call, model = KnownCall(mute_downlink=True).record()

    assert failures(call, measure(call, model)) == [
        "nothing was heard",
        "1 of 1 answers did not reach the ear",
    ]


def test_another_sentence_than_the_one_spoken_is_not_hearing_it() -> None:
    call, model = KnownCall().record()
    _, other = KnownCall(question=sentence(40, 1.5)).record()

    measures = measure(call, other)

    assert failures(call, measures) == ["the model did not hear question"]
    assert model.heard.n_samples == other.heard.n_samples


def test_what_a_flush_threw_away_is_no_gap() -> None:
    call, model = KnownCall(flush_after_ms=1000).record()

    measures = measure(call, model)

    assert measures.gaps_ms == [pytest.approx(0, abs=10)]
    assert failures(call, measures) == []


def test_an_answer_right_after_a_flush_is_another_one() -> None:
    answer = np.concatenate([sentence(36, 2.0), silence(0.5), sentence(37, 1.0)])
    call, model = KnownCall(answer=answer).record()
    began_s = model.spoken.timeline.time_at(active_spans(model.spoken.pcm)[0].start)
    call.flushes_s = [began_s + 2.2]

    measures = measure(call, model)

    assert [p.what for p in measures.downlink] == ["answer 1", "answer 2"]
    assert failures(call, measures) == []


def test_a_question_nobody_answered_fails_the_call() -> None:
    call, model = KnownCall().record()
    call.unanswered = 1

    assert failures(call, measure(call, model)) == ["questions not answered: 1"]


def test_an_answer_under_way_when_we_hang_up_is_judged_as_far_as_it_got() -> None:
    call, model = KnownCall(seconds=5.0).record()

    measures = measure(call, model)

    assert failures(call, measures) == []
    assert measures.gaps_ms == [pytest.approx(0, abs=10)]


def test_an_answer_cut_into_short_pieces_was_heard_with_gaps() -> None:
    call, model = KnownCall().record()
    assert call.ear is not None
    sound, n = call.ear.sound.pcm, 2400
    begin = active_spans(sound)[0].start
    pieces = [sound[at : at + n - 480] for at in range(begin, sound.size, n)]
    late = np.concatenate([sound[:begin], silence(0.5), *pieces, silence(9.0)])
    mangled = late[: sound.size]
    call.ear = replace(call.ear, sound=Recording(mangled, call.ear.sound.timeline))

    measures = measure(call, model)

    assert failures(call, measures) == []
    assert measures.gaps_ms[0] > 200


def test_a_barge_in_runs_from_the_users_onset_to_silence_at_the_ear() -> None:
    call, model = KnownCall(flush_after_ms=1000, barge_in_ms=180).record()
    model.turns.append({"speech_started_s": call.flushes_s[0] - 0.040})

    measures = measure(call, model)

    assert measures.barge_in_stop_ms == [pytest.approx(180, abs=15)]
    assert measures.barge_in_beyond_vad_ms == [pytest.approx(40, abs=15)]
    assert len(measures.responses) == 1


def test_a_pause_between_two_sentences_is_not_the_end_of_an_answer() -> None:
    answer = np.concatenate([sentence(34, 1.0), silence(0.4), sentence(35, 2.0)])
    call, model = KnownCall(
        answer=answer, flush_after_ms=2200, barge_in_ms=1400
    ).record()

    measures = measure(call, model)

    assert measures.barge_in_stop_ms == [pytest.approx(1400, abs=25)]


def test_what_others_say_is_found_at_the_ear_and_is_not_an_echo() -> None:
    other, _ = KnownCall(question=sentence(50, 1.5)).record()
    call, model = KnownCall(answer=sentence(50, 1.5), thinking_ms=-1500).record()
    call.said = []

    measures = measure(call, model, others=[other])

    # 20 ms of capture, 12 up, 34 down: the same sentence at the same place.
    assert p50(measures.mouth_to_other_ear_ms) == pytest.approx(66, abs=0.2)
    assert failures(call, measures) == []


def test_a_model_that_heard_and_said_nothing_at_all_is_told_so() -> None:
    call, _ = KnownCall(mute_downlink=True).record()
    nothing = Recording(silence(0), Timeline.from_anchors([]))

    measures = measure(call, ModelRecord(nothing, nothing))

    assert failures(call, measures) == [
        "nothing was heard",
        "the model did not hear question",
    ]


def test_hearing_oneself_fails_the_call() -> None:
    question = sentence(31, 1.5)
    call, model = KnownCall(
        question=question, answer=question, thinking_ms=-1200
    ).record()

    measures = measure(call, model)

    assert failures(call, measures) == ["it heard itself say question"]


def test_a_tone_is_read_at_both_ends() -> None:
    call, model = KnownCall(question=tone(440, 1.5, dbfs=-12)).record()
    call.said[0] = type(call.said[0])("tone:440", call.said[0].start, call.said[0].end)

    (passage,) = measure(call, model).uplink

    assert passage.tone is not None
    for reading in passage.tone:
        assert reading.hz == pytest.approx(440, abs=0.2)
        assert reading.seconds == pytest.approx(1.5, abs=0.02)
        assert reading.dbfs == pytest.approx(-12, abs=0.1)


def test_a_call_that_never_began_says_why() -> None:
    call = CallRecord(0, "datachannel", "tag", "conversation", failure="refused")

    measures = measure(call, None, "the call never began")

    assert failures(call, measures) == ["refused"]
    assert measures.audio_heard_s == 0

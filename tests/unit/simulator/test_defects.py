"""Every injected fault is named with its leg, its size and its place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulator.continuity import Continuity, Hole
from simulator.defects import MOST_GAPS, Defect, Drift, _gaps
from simulator.measures import measure
from simulator.passage import Passage
from simulator.record import CallRecord, ModelRecord
from simulator.speech import silence, tone
from simulator.timeline import RATE_HZ, Pcm, Recording
from tests.unit.simulator.calls import KnownCall
from tests.unit.simulator.sounds import sentence


def heard_as(call: CallRecord, ear: Pcm) -> CallRecord:
    """The call with another sound at its ear, as long as before."""
    assert call.ear is not None
    n = call.ear.sound.n_samples
    whole = np.concatenate([ear, silence(n / RATE_HZ)])[:n]
    call.ear = replace(call.ear, sound=Recording(whole, call.ear.sound.timeline))
    return call


def model_hears(model: ModelRecord, pcm: Pcm) -> ModelRecord:
    n = model.heard.n_samples
    whole = np.concatenate([pcm, silence(n / RATE_HZ)])[:n]
    return replace(model, heard=Recording(whole, model.heard.timeline))


def half_speed(pcm: Pcm) -> Pcm:
    return np.interp(np.arange(0, pcm.size - 1, 0.5), np.arange(pcm.size), pcm).astype(
        np.int16
    )


def test_one_gap_too_many_is_one_more_gap() -> None:
    holes = tuple(Hole(n * RATE_HZ, 60.0, stalled=False) for n in range(MOST_GAPS + 1))
    whole = Continuity(540.0, 0.0, 0.0, 0.0, holes)

    *_, last = _gaps("uplink", [Passage("hello", found=True, continuity=whole)], 0.0)

    assert last.words == "uplink: 1 more gap, together 60 ms"


def only(call: CallRecord, model: ModelRecord) -> Defect:
    (defect,) = measure(call, model).defects
    return defect


def test_a_good_call_has_no_defect() -> None:
    assert measure(*KnownCall().record()).defects == []


@pytest.mark.parametrize("leg", ["uplink", "downlink"])
def test_a_muted_leg_is_named(leg: str) -> None:
    known = KnownCall(mute_uplink=leg == "uplink", mute_downlink=leg == "downlink")

    defect = only(*known.record())

    assert (defect.kind, defect.leg) == ("muted", leg)
    assert defect.words == f"{leg} muted: silence instead of 1 sound"


def test_a_half_speed_downlink_is_named() -> None:
    call, model = KnownCall(seconds=12.0).record()
    assert call.ear is not None
    ear = call.ear.sound.pcm
    begin = int(np.flatnonzero(np.abs(ear) > 100)[0])

    slow = np.concatenate([ear[:begin], half_speed(ear[begin:])])

    defect = only(heard_as(call, slow), model)
    assert (defect.kind, defect.size) == ("speed", 0.5)
    assert defect.words == "downlink runs at half speed"


def test_a_half_speed_uplink_is_named() -> None:
    call, model = KnownCall(seconds=12.0).record()
    heard = model.heard.pcm
    begin = int(np.flatnonzero(np.abs(heard) > 100)[0])

    slow = np.concatenate([heard[:begin], half_speed(heard[begin:])])

    defect = only(call, model_hears(model, slow))
    assert defect.words == "uplink runs at half speed"


def test_a_tone_at_half_its_pitch_is_half_speed() -> None:
    call, model = KnownCall(question=tone(440, 1.5), seconds=12.0).record()
    call.said[0] = replace(call.said[0], what="tone:440")

    slow = half_speed(model.heard.pcm[RATE_HZ // 2 :])

    (defect,) = measure(call, model_hears(model, slow)).defects
    assert defect.words == "uplink runs at half speed"


@pytest.mark.parametrize("leg", ["uplink", "downlink"])
def test_a_leg_6_db_too_quiet_is_named(leg: str) -> None:
    call, model = KnownCall().record()
    assert call.ear is not None
    if leg == "uplink":
        model = model_hears(model, model.heard.pcm // 2)
    else:
        call = heard_as(call, call.ear.sound.pcm // 2)

    defect = only(call, model)

    assert (defect.kind, defect.leg) == ("level", leg)
    assert defect.words == f"{leg} 6.0 dB too quiet"


@pytest.mark.parametrize("at_ms", [600, 1300, 1700])
def test_a_gap_of_100_ms_is_named_with_its_place(at_ms: int) -> None:
    call, model = KnownCall().record()
    assert call.ear is not None
    ear = call.ear.sound.pcm.copy()
    began = int(np.flatnonzero(np.abs(ear) > 100)[0])
    gap = began + at_ms * RATE_HZ // 1000
    ear[gap : gap + RATE_HZ // 10] = 0
    at_s = call.ear.sound.timeline.time_at(gap)

    defect = only(heard_as(call, ear), model)

    assert (defect.kind, defect.leg) == ("gap", "downlink")
    assert defect.size == pytest.approx(100, abs=20)
    assert defect.at_s == pytest.approx(at_s, abs=0.06)
    assert "missing" in defect.words
    assert "answer 1" in defect.words


def test_a_stall_of_100_ms_is_a_gap_that_stalled() -> None:
    call, model = KnownCall().record()
    assert call.ear is not None
    ear = call.ear.sound.pcm
    cut = int(np.flatnonzero(np.abs(ear) > 100)[0]) + RATE_HZ
    late = np.concatenate([ear[:cut], silence(0.1), ear[cut:]])

    defect = only(heard_as(call, late), model)

    assert defect.size == pytest.approx(100, abs=2)
    assert "stalled" in defect.words


def test_a_delay_that_grows_is_a_drift_with_its_rate() -> None:
    """The listener's clock runs 900 ppm slow: every second 0.9 ms later."""
    call, model = KnownCall(answer=sentence(32, 12.0), seconds=18.0).record()
    assert call.ear is not None
    timeline = call.ear.sound.timeline
    slow = replace(timeline, rate_hz=RATE_HZ / 1.0009)
    call.ear = replace(call.ear, sound=Recording(call.ear.sound.pcm, slow))

    measures = measure(call, model)

    assert measures.downlink_drift_ppm == pytest.approx(900, abs=30)
    assert [d.kind for d in measures.defects] == ["drift"]


def test_a_steady_delay_does_not_drift() -> None:
    call, model = KnownCall(answer=sentence(32, 6.0), seconds=14.0).record()

    measures = measure(call, model)

    assert measures.downlink_drift_ppm == pytest.approx(0, abs=5)


def test_a_buffer_that_jumps_once_does_not_drift() -> None:
    call, model = KnownCall(answer=sentence(32, 6.0), seconds=14.0).record()
    assert call.ear is not None
    ear = call.ear.sound.pcm
    middle = int(np.flatnonzero(np.abs(ear) > 100)[0]) + 3 * RATE_HZ
    later = np.concatenate([ear[:middle], silence(0.02), ear[middle:]])

    measures = measure(heard_as(call, later), model)

    assert measures.downlink_drift_ppm == pytest.approx(0, abs=20)


def test_one_of_two_sounds_that_is_not_there_is_lost() -> None:
    answer = np.concatenate([sentence(34, 1.5), silence(0.9), sentence(35, 1.5)])
    call, model = KnownCall(answer=answer, seconds=12.0).record()
    assert call.ear is not None
    ear = call.ear.sound.pcm.copy()
    began = int(np.flatnonzero(np.abs(ear) > 100)[0])
    ear[began + int(1.9 * RATE_HZ) :] = 0

    defect = only(heard_as(call, ear), model)

    assert defect.kind == "lost"
    assert defect.words == "downlink lost 1 of 2 sounds: answer 2"


def test_double_talk_begins_when_the_model_gets_the_first_syllable() -> None:
    call, model = KnownCall(flush_after_ms=1000, barge_in_ms=180, uplink_ms=12).record()

    measures = measure(call, model)

    # The capture frame counts as it does for people.
    assert measures.double_talk_onset_ms == [pytest.approx(32, abs=6)]
    assert measures.double_talk_clipped_ms == [0]


def test_a_way_that_cuts_the_first_syllable_off_in_double_talk_is_told() -> None:
    call, model = KnownCall(flush_after_ms=1000, barge_in_ms=180).record()
    heard = model.heard.pcm.copy()
    begin = call.said[1].start
    heard[begin : begin + int(0.2 * RATE_HZ)] = 0

    measures = measure(call, model_hears(model, heard))

    (clipped_ms,) = measures.double_talk_clipped_ms
    assert clipped_ms == pytest.approx(180, abs=40)


@pytest.mark.parametrize(("ppm", "is_sure"), [(900.0, True), (1768.0, False)])
def test_no_two_clocks_differ_as_much_as_a_buffer_that_empties(
    ppm: float, is_sure: bool
) -> None:
    assert Drift(ppm, span_s=20.0, scatter_ms=1.0).is_sure is is_sure

from dataclasses import replace

import pytest

from loadtests.callers.analysis import report_of
from simulator.measures import measure
from simulator.record import LateSpell
from simulator.result import CallResult
from tests.unit.simulator.calls import KnownCall


def result(**known: object) -> CallResult:
    call, model = KnownCall(**known).record()  # type: ignore[arg-type]
    return CallResult(call, measure(call, model))


def test_a_call_is_reported_with_its_values_and_steps() -> None:
    report = report_of(result(), [])

    assert report.outcome == "good"
    assert report.values["mouth_to_model_ms"]
    assert report.values["response_latency_ms"]
    assert report.steps_ms == {"session": 20.0, "hello": 30.0}


def late_call(*spells: LateSpell) -> CallResult:
    call, model = KnownCall().record()
    return CallResult(call, measure(call, replace(model, late=list(spells))))


def test_a_fake_that_stood_still_during_the_call_makes_it_inconclusive() -> None:
    report = report_of(late_call(LateSpell(1003.0, 1003.2, 200.0)), [])

    assert report.outcome == "inconclusive"
    assert report.doubts == ["the fake stood still for 200 ms (> 60)"]


def test_a_fake_that_was_late_for_long_makes_a_call_inconclusive() -> None:
    spells = [LateSpell(1001.0 + n, 1001.1 + n, 30.0) for n in range(6)]

    report = report_of(late_call(*spells), [])

    assert report.doubts == ["the fake was late for 7% of the call (> 5%)"]


@pytest.mark.parametrize(
    "spell",
    [
        LateSpell(998.0, 999.0, 900.0),  # before the call
        LateSpell(1010.0, 1011.0, 900.0),  # after it
        LateSpell(1003.0, 1003.1, 30.0),  # not long enough to be heard
    ],
)
def test_lateness_that_cannot_have_been_heard_is_no_doubt(spell: LateSpell) -> None:
    assert report_of(late_call(spell), []).outcome == "good"


def test_without_the_models_side_a_call_is_inconclusive() -> None:
    call, _ = KnownCall().record()
    unseen = CallResult(call, measure(call, None, "the fake was not asked"))

    report = report_of(unseen, [])

    assert report.outcome == "inconclusive"
    assert report.doubts == ["no model side: the fake was not asked"]


@pytest.mark.parametrize(("seconds", "outcome"), [(4.0, "abandoned"), (9.0, "failed")])
def test_silence_counts_only_when_there_was_time_for_an_answer(
    seconds: float, outcome: str
) -> None:
    """The question ends at 2.5 s; a person would wait five seconds for the answer."""
    silent = result(seconds=9.0, mute_downlink=True)
    silent.call.talk_s, silent.call.hung_up_s = seconds, 1000.0 + seconds

    report = report_of(silent, [], was_abandoned=True)

    assert report.outcome == outcome


def test_a_call_that_was_cut_short_but_heard_something_counts() -> None:
    assert report_of(result(), [], was_abandoned=True).outcome == "good"


def test_a_call_hung_up_while_connecting_proves_nothing() -> None:
    early = result()
    del early.call.steps_ms["hello"]

    assert report_of(early, [], was_abandoned=True).outcome == "abandoned"

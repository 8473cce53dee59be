from typing import Any

import pytest

from loadtests.load.limits import Limit, Limits, LimitsError, parse, read
from loadtests.load.tally import MAX_REASONS, Tally
from loadtests.load.verdict import Circumstances, judge, percentile
from reports.model import Outcome
from tests.unit.loadtests.reports_of_calls import report

LIMITS = Limits(
    "test",
    (Limit("mouth_to_model_ms", 95, 50.0, "a test", required=True),),
    failed_share=0.0,
    inconclusive_share=0.1,
)


def tally(*changes: dict[str, Any]) -> Tally:
    found = Tally()
    for change in changes:
        found.add(report(**change))
    return found


def outcome(found: Tally, *doubts: str, limits: Limits = LIMITS) -> Outcome:
    return judge(found, limits, Circumstances(doubts))[0].outcome


def test_good_calls_within_the_budget_pass() -> None:
    assert outcome(tally({}, {})) is Outcome.PASS


def test_one_failed_call_is_too_many() -> None:
    found = tally({}, {}, {"failures": ["nothing was heard"]})

    verdict, _ = judge(found, LIMITS)

    assert verdict.outcome is Outcome.FAIL
    assert "1 of 3 calls failed" in verdict.words
    assert "nothing was heard" in verdict.words


def test_a_figure_above_its_limit_fails() -> None:
    found = tally({"values": {"mouth_to_model_ms": [60.0]}})

    assert outcome(found) is Outcome.FAIL


def test_a_figure_above_its_limit_in_a_doubtful_run_is_undecided() -> None:
    found = tally({"values": {"mouth_to_model_ms": [60.0]}})

    assert outcome(found, "other programs used the machine") is Outcome.UNDECIDED


def test_nor_does_a_figure_fail_where_many_calls_are_inconclusive() -> None:
    """Five of thirty calls heard the machine stand still: who vouches for the rest?"""
    slow = [{"values": {"mouth_to_model_ms": [60.0]}}] * 25
    found = tally(*slow, *[{"doubts": ["late"]}] * 5)

    assert outcome(found) is Outcome.UNDECIDED


def test_doubtful_figures_do_not_count() -> None:
    slow = {"values": {"mouth_to_model_ms": [60.0]}, "doubts": ["late"]}

    assert outcome(tally(*[{}] * 9, slow)) is Outcome.PASS


@pytest.mark.parametrize("n_doubtful", [1, 2])
def test_many_inconclusive_calls_are_never_a_pass(n_doubtful: int) -> None:
    calls = [{}] * (10 - n_doubtful) + [{"doubts": ["late"]}] * n_doubtful

    expected = Outcome.PASS if n_doubtful == 1 else Outcome.UNDECIDED
    assert outcome(tally(*calls)) is expected


def test_no_calls_prove_nothing() -> None:
    assert outcome(Tally()) is Outcome.UNDECIDED


def test_only_abandoned_calls_prove_nothing() -> None:
    assert outcome(tally({"was_abandoned": True, "steps_ms": {}})) is Outcome.UNDECIDED


def test_a_late_fake_makes_the_run_undecided() -> None:
    assert outcome(tally({}, {}), "the fake was late") is Outcome.UNDECIDED


def test_a_failure_is_a_failure_even_when_there_are_doubts() -> None:
    found = tally({}, {"line_failure": "500", "failures": ["500"]})

    assert outcome(found, "the fake was late") is Outcome.FAIL


def test_a_lost_call_counts_as_inconclusive() -> None:
    found = tally({}, {})
    found.lose("the calling process has ended")

    verdict, _ = judge(found, LIMITS)

    assert verdict.outcome is Outcome.UNDECIDED
    assert "the calling process has ended" in verdict.words


@pytest.mark.parametrize("required", [True, False])
def test_what_must_be_measured_and_was_not_is_undecided(required: bool) -> None:
    limits = Limits("x", (Limit("gaps_ms", 95, 60.0, "a test", required=required),))

    expected = Outcome.UNDECIDED if required else Outcome.PASS
    assert outcome(tally({}), limits=limits) is expected


def test_what_need_not_be_measured_and_was_not_is_not_counted_as_kept() -> None:
    limits = Limits("x", (*LIMITS.limits, Limit("gaps_ms", 95, 60.0, "a test")))

    verdict, checks = judge(tally({}), limits)

    outcomes = {check.name: check.outcome for check in checks}
    assert outcomes["gaps p95"] is Outcome.UNDECIDED
    assert verdict.outcome is Outcome.PASS
    assert verdict.words == "All 3 checks are kept; not measured: gaps p95."


def test_a_reason_keeps_its_figures_however_often_it_came() -> None:
    late = [{"doubts": [f"the fake late by {ms} ms (p95 > 10)"]} for ms in (57, 31)]
    found = tally({}, *late, {"doubts": ["the fake late by 57 ms (p95 > 10)"]})

    verdict, _ = judge(found, LIMITS)

    assert "3 of 4 calls inconclusive" in verdict.words
    assert "the fake late by 57 ms (p95 > 10) and the like, 3 calls" in verdict.words


def test_a_reason_that_came_once_is_told_as_it_was() -> None:
    found = tally({}, {"failures": ["questions not answered: 2"]})

    verdict, _ = judge(found, LIMITS)

    assert verdict.words.endswith(": questions not answered: 2, 1 call")


def test_reasons_that_differ_in_numbers_only_are_one() -> None:
    found = tally(*({"failures": [f"questions not answered: {n}"]} for n in (1, 2, 3)))

    assert found.failures == {"questions not answered: …": 3}


def test_the_number_of_reasons_is_bounded() -> None:
    found = Tally()
    for n in range(3 * MAX_REASONS):
        word = "x" * (n + 1)
        found.add(report(failures=[word]))

    assert len(found.failures) <= MAX_REASONS + 1
    assert found.failures.total() == 3 * MAX_REASONS


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(1, 21)]

    assert percentile(values, 95) == 19
    assert percentile(values, 100) == 20
    assert percentile([3.0], 50) == 3


def test_the_budget_that_is_used_by_default_can_be_read() -> None:
    limits = read("calls")

    assert {limit.measure for limit in limits.limits} >= {
        "mouth_to_model_ms",
        "model_to_client_ms",
    }


GOOD: dict[str, Any] = {
    "budget": 1,
    "kind": "calls",
    "limits": [
        {"measure": "gaps_ms", "percentile": 95, "at_most": 5, "source": "here"}
    ],
}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"budget": 2}, "budget: 1"),
        ({"kind": "device"}, "kind"),
        ({"extra": 1}, "extra"),
        ({"failed_share": 2}, "failed_share"),
        ({"failed_share": "none"}, "failed_share"),
        ({"limits": {}}, "limits"),
        ({"limits": [{"measure": "speed"}]}, r"limits\[0\].measure"),
        ({"limits": [{**GOOD["limits"][0], "source": " "}]}, r"limits\[0\].source"),
        ({"limits": [{**GOOD["limits"][0], "at_most": True}]}, r"limits\[0\].at_most"),
        ({"limits": [{**GOOD["limits"][0], "percentil": 9}]}, "percentil"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(
    change: dict[str, Any], word: str
) -> None:
    with pytest.raises(LimitsError, match=word):
        parse({**GOOD, **change} or None)


@pytest.mark.parametrize("data", [None, [], "text", {}])
def test_a_file_that_is_no_budget_is_refused(data: object) -> None:
    with pytest.raises(LimitsError):
        parse(data)


def test_a_budget_that_is_not_there_is_refused() -> None:
    with pytest.raises(LimitsError, match="nowhere"):
        read("nowhere")

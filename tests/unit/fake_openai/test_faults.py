"""Faults as data: when a fault strikes."""

import pytest
from pydantic import ValidationError

from fake_openai.faults import ACTIONS, Fault, FaultPlan


def strikes(plan: FaultPlan, n: int = 6) -> list[bool]:
    return [plan.strike("http.calls") is not None for _ in range(n)]


def test_a_fault_strikes_at_its_point_only() -> None:
    plan = FaultPlan([Fault(at="http.calls", do="status", status=429)])

    assert plan.strike("http.client_secrets") is None
    struck = plan.strike("http.calls")
    assert struck is not None
    assert struck.status == 429


def test_it_may_skip_some_occasions_and_strike_a_number_of_times() -> None:
    plan = FaultPlan([Fault(at="http.calls", do="hang", skip=2, times=3)])

    assert strikes(plan) == [False, False, True, True, True, False]
    assert plan.faults == ()


def test_the_first_fault_that_strikes_wins_and_the_next_takes_over() -> None:
    plan = FaultPlan(
        [
            Fault(at="http.calls", do="status", status=401, times=1),
            Fault(at="http.calls", do="status", status=503, times=1),
        ]
    )

    found = [plan.strike("http.calls") for _ in range(3)]

    assert [fault and fault.status for fault in found] == [401, 503, None]


def test_an_event_fault_waits_for_its_event() -> None:
    plan = FaultPlan([Fault(at="events.output", do="drop", event="response.done")])

    assert plan.strike("events.output", event="response.created") is None
    assert plan.strike("events.output", event="response.done") is not None


def test_a_late_fault_waits_until_the_session_is_old_enough() -> None:
    plan = FaultPlan([Fault(at="media.output", do="stall", after_s=5)])

    assert plan.strike("media.output", age_s=4.9) is None
    assert plan.strike("media.output", age_s=5.0) is not None


def test_a_late_fault_does_not_miss_its_moment_by_rounding() -> None:
    plan = FaultPlan([Fault(at="session", do="expire", after_s=0.2)])

    assert plan.strike("session", age_s=5000.2 - 5000.0) is not None


def test_chance_is_seeded() -> None:
    def run(seed: int) -> list[bool]:
        fault = Fault(at="http.calls", do="hang", probability=0.5)
        return strikes(FaultPlan([fault], seed=seed), 100)

    assert run(1) == run(1) != run(2)
    assert 30 < sum(run(1)) < 70


def test_a_plan_can_be_added_to_and_cleared() -> None:
    plan = FaultPlan()
    assert not plan
    plan.add({"at": "http.calls", "do": "hang"})
    assert plan
    assert strikes(plan, 1) == [True]

    plan.clear()

    assert not plan
    assert strikes(plan, 1) == [False]


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": "nowhere", "do": "hang"},
        {"at": "ice", "do": "hang"},
        {"at": "http.calls", "do": "status", "status": 200},
        {"at": "http.calls", "do": "hang", "probability": 1.1},
        {"at": "http.calls", "do": "hang", "often": True},
    ],
)
def test_what_is_not_a_fault_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate(wrong)


def test_every_point_knows_what_it_can_do() -> None:
    points = Fault.model_json_schema()["properties"]["at"]["enum"]

    kinds = {"http" if point.startswith("http.") else point for point in points}
    assert kinds == set(ACTIONS)

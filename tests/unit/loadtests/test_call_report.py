import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.callers.report import spread
from loadtests.load.events import RequestEvent, request_events
from tests.unit.loadtests.reports_of_calls import report


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "good"),
        ({"failures": ["nothing was heard"]}, "failed"),
        ({"line_failure": "answered 500", "failures": ["answered 500"]}, "failed"),
        ({"doubts": ["the fake late"]}, "inconclusive"),
        ({"doubts": ["late"], "failures": ["nothing was heard"]}, "inconclusive"),
        ({"doubts": ["late"], "line_failure": "answered 500"}, "failed"),
        ({"line_failure": "answered 503 at_capacity: The server is busy."}, "failed"),
        ({"line_failure": "503 at_capacity", "doubts": ["late"]}, "inconclusive"),
        ({"was_abandoned": True, "line_failure": "ended before hello"}, "abandoned"),
    ],
)
def test_what_is_made_of_a_call(changes: dict[str, object], outcome: str) -> None:
    assert report(**changes).outcome == outcome


def rows(**changes: object) -> dict[str, list[RequestEvent]]:
    found: dict[str, list[RequestEvent]] = {}
    for event in request_events(report(**changes), "talk"):
        found.setdefault(event.request_type, []).append(event)
    return found


def test_every_measure_and_step_of_a_good_call_is_an_event() -> None:
    events = rows()

    assert [(e.name, e.response_time) for e in events["audio"]] == [
        ("mouth_to_model", 5.0),
        ("mouth_to_model", 7.0),
        ("model_to_client", 6.0),
    ]
    assert ("whole", 55.0) in [(e.name, e.response_time) for e in events["connect"]]
    assert [(e.name, e.exception) for e in events["call"]] == [("talk", None)]


def test_a_failed_call_is_a_failure_with_its_reasons() -> None:
    (call,) = rows(failures=["nothing was heard", "questions not answered: 2"])["call"]

    assert str(call.exception) == "nothing was heard; questions not answered: 2"


def test_a_doubtful_call_is_named_but_neither_passed_nor_mixed_with_others() -> None:
    events = rows(doubts=["the simulator stood still for 71.5 ms (> 60)"])

    assert "call" not in events
    assert "audio" not in events
    assert len(events["audio (inconclusive)"]) == 3
    (named,) = events["inconclusive"]
    assert named.name == "the simulator stood still for … ms (> …)"
    assert named.exception is None


def test_a_call_that_never_was_connected_has_no_connect_time() -> None:
    events = rows(line_failure="500", failures=["500"], steps_ms={"session": 20.0})

    assert "connect" not in events


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=2000), st.integers(2, 300))
def test_a_spread_keeps_the_ends_and_the_order(values: list[float], limit: int) -> None:
    kept = spread(values, limit)

    assert len(kept) == min(len(values), limit)
    assert kept == sorted(kept)
    assert kept[0] == round(min(values), 2)
    assert kept[-1] == round(max(values), 2)


def test_the_median_of_a_spread_is_that_of_all_values() -> None:
    assert sorted(spread([float(n) for n in range(10_001)], 101))[50] == 5000

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.measures import measure
from simulator.record import CallRecord
from simulator.result import (
    CallResult,
    GeneratorHealth,
    distribution,
    lows,
    percentiles,
    summary,
)
from tests.unit.simulator.calls import KnownCall

KEPT_TIME = GeneratorHealth(percentiles([0.5, 1.0]), percentiles([0.1]))


def good_call() -> CallResult:
    call, model = KnownCall(uplink_ms=12, downlink_ms=34).record()
    call.tools = {"call_1": "finished"}
    return CallResult(call, measure(call, model))


def failed_call() -> CallResult:
    call = CallRecord(1, "datachannel", "t", "c", failure="session answered 502")
    return CallResult(call, measure(call, None, "the call never began"))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300))
def test_a_percentile_is_a_value_that_was_measured(values: list[float]) -> None:
    found = percentiles(values, digits=12)

    ordered = [found["p50"], found["p95"], found["p99"], found["max"]]
    assert ordered == sorted(ordered)
    assert all(any(v == pytest.approx(x) for x in values) for v in ordered)
    assert found["max"] == pytest.approx(max(values))
    assert found["n"] == len(values)


def test_nearest_rank() -> None:
    found = percentiles(range(1, 101))

    assert found == {"n": 100, "p50": 50, "p95": 95, "p99": 99, "max": 100}


def test_scores_are_told_from_their_low_end() -> None:
    assert lows([0.9, None, 0.5, 0.8]) == {"n": 3, "p50": 0.8, "p5": 0.5, "min": 0.5}
    assert lows([None]) == {"n": 0, "p50": None, "p5": None, "min": None}


def test_nothing_measured_is_none_with_a_reason_and_never_a_number() -> None:
    assert distribution([], "no fake") == {
        "n": 0,
        "p50": None,
        "p95": None,
        "p99": None,
        "max": None,
        "reason": "no fake",
    }


def test_the_summary_has_every_figure_of_the_issue() -> None:
    figures = summary([good_call()], KEPT_TIME, server_cpu_s=0.45)

    assert figures["calls"] == 1
    assert figures["failed"] == 0
    assert figures["connect_ms"]["p50"] == 50
    assert figures["mouth_to_model_ms"]["p50"] == pytest.approx(12, abs=0.1)
    assert figures["model_to_ear_ms"]["p50"] == pytest.approx(34, abs=0.1)
    assert figures["response_latency_ms"]["p50"] == pytest.approx(666, abs=12)
    assert figures["audio_heard_s"]["p50"] == pytest.approx(2.3, abs=0.3)
    assert figures["gaps_ms"]["p95"] == 0
    assert figures["function_calls"] == 1
    assert figures["answer_stoi"]["min"] > 0.99
    assert figures["server_cpu_ms_per_session_s"] == 50.0
    assert figures["reliable"] is True


def test_a_failed_call_is_counted_and_says_why() -> None:
    results = [good_call(), failed_call()]

    assert summary(results, KEPT_TIME, server_cpu_s=None)["failed"] == 1
    assert results[1].to_json()["failures"] == ["session answered 502"]
    assert results[1].to_json()["ok"] is False


def test_a_generator_that_was_late_makes_the_result_unreliable() -> None:
    late = GeneratorHealth(percentiles([30.0]), percentiles([0.1]))

    figures = summary([good_call()], late, server_cpu_s=None)

    assert figures["reliable"] is False
    assert "frames late by 30 ms" in figures["doubts"][0]


def test_lines_are_plain_json() -> None:
    for result in (good_call(), failed_call()):
        assert json.loads(json.dumps(result.to_json(), allow_nan=False))

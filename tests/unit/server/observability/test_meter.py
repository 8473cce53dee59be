"""Counting: exact, declared, and bounded in what it may cost."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from server.observability.catalogue import CATALOGUE
from server.observability.exposition import exposition
from server.observability.meter import MAX_SERIES, Meter, Metric

SMALL = (
    Metric("calls", "counter", "Calls.", ("tool",)),
    Metric("plain", "counter", "Without labels."),
    Metric("now", "gauge", "A gauge."),
    Metric("wait_seconds", "histogram", "Waits.", ("hop",), (0.1, 1.0)),
)


def samples(meter: Meter) -> dict[str, float]:
    """Every sample as a Prometheus server reads it."""
    text = exposition(meter).decode()
    return {
        f"{s.name}{sorted(s.labels.items())}" if s.labels else s.name: s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def test_what_was_counted_is_what_prometheus_reads() -> None:
    meter = Meter(SMALL)
    meter.add("calls", tool="a")
    meter.add("calls", 2, tool="a")
    meter.set("now", 7)
    for value in (0.05, 0.1, 0.5, 30.0):
        meter.observe("wait_seconds", value, hop="up")

    assert samples(meter) == {
        "voicebridge_calls_total[('tool', 'a')]": 3,
        "voicebridge_plain_total": 0,
        "voicebridge_now": 7,
        "voicebridge_wait_seconds_bucket[('hop', 'up'), ('le', '0.1')]": 2,
        "voicebridge_wait_seconds_bucket[('hop', 'up'), ('le', '1.0')]": 3,
        "voicebridge_wait_seconds_bucket[('hop', 'up'), ('le', '+Inf')]": 4,
        "voicebridge_wait_seconds_count[('hop', 'up')]": 4,
        "voicebridge_wait_seconds_sum[('hop', 'up')]": pytest.approx(30.65),
    }


def test_a_name_or_label_nobody_declared_is_a_mistake() -> None:
    meter = Meter(SMALL)
    with pytest.raises(KeyError):
        meter.add("cals", tool="a")
    with pytest.raises(KeyError):
        meter.add("calls", session="a")


def test_labels_that_grow_without_end_become_one() -> None:
    meter = Meter(SMALL)
    for n in range(10_000):
        meter.add("calls", tool=f"t{n}")

    assert len(meter.numbers["calls"]) == MAX_SERIES + 1
    assert meter.value("calls", tool="other") == 10_000 - MAX_SERIES


def test_hostile_label_values_do_not_break_the_text() -> None:
    meter = Meter(SMALL)
    meter.add("calls", tool='a"b\\c\nd')

    assert samples(meter)["voicebridge_calls_total[('tool', 'a\"b\\\\c\\nd')]"] == 1


def test_what_is_not_a_number_is_left_out() -> None:
    meter = Meter(SMALL)
    meter.observe("wait_seconds", math.nan, hop="up")
    meter.observe("wait_seconds", math.inf, hop="up")

    assert meter.count("wait_seconds", hop="up") == 0


@given(st.lists(st.floats(0, 10)))
def test_buckets_hold_every_value_once(values: list[float]) -> None:
    meter = Meter(SMALL)
    for value in values:
        meter.observe("wait_seconds", value, hop="up")
    if values:
        found = samples(meter)
        prefix = "voicebridge_wait_seconds_bucket[('hop', 'up'), ('le', "
        assert found[f"{prefix}'1.0')]"] == sum(v <= 1 for v in values)
        assert found[f"{prefix}'+Inf')]"] == len(values)


def test_the_catalogue_is_what_prometheus_wants() -> None:
    meter = Meter(CATALOGUE)

    assert samples(meter)
    for metric in CATALOGUE:
        assert metric.help.endswith(".")
        assert list(metric.buckets) == sorted(metric.buckets)
        assert not {"session", "session_id", "client", "client_id", "owner"} & set(
            metric.labels
        )
        if metric.kind == "histogram":
            assert metric.name.endswith("_seconds")
            assert metric.buckets

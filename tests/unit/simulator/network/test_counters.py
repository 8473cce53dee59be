"""The histogram: exact where it can be, honest where it cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.network import Histogram


def filled(values: list[float]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


@given(st.lists(st.floats(0.0, 20_000.0), min_size=1))
def test_count_mean_and_extremes_are_exact(values: list[float]) -> None:
    histogram = filled(values)

    assert histogram.n == sum(histogram.counts) == len(values)
    assert histogram.mean_ms == pytest.approx(np.mean(values), abs=1e-6)
    assert (histogram.min_ms, histogram.max_ms) == (min(values), max(values))


@given(st.lists(st.floats(0.2, 7_000.0), min_size=1), st.floats(1.0, 100.0))
def test_a_percentile_is_true_to_a_bucket(values: list[float], percent: float) -> None:
    got = filled(values).percentile_ms(percent)

    true = np.percentile(values, percent, method="inverted_cdf")
    assert true / 1.27 <= got <= true * 1.27


def test_an_empty_histogram_has_no_extremes_in_json() -> None:
    assert Histogram().as_dict() == {
        "n": 0, "mean": 0.0, "min": None, "max": None, "p50": None, "p95": None,
        "buckets": {},
    }  # fmt: skip

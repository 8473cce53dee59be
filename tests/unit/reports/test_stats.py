"""The statistics against synthetic data whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.stats import (
    change_points,
    interval,
    next_run,
    paired_difference,
    paired_ratio,
    t_quantile,
    trimmed_mean,
    wilson,
)


@pytest.mark.parametrize(
    ("freedom", "known"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (9, 2.262), (30, 2.042)],
)
def test_students_t_is_that_of_the_tables(freedom: int, known: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(known, rel=0.012)
    assert t_quantile(0.025, freedom) == pytest.approx(-known, rel=0.012)


@pytest.mark.parametrize("n", [3, 4, 6, 12])
def test_an_interval_holds_the_truth_about_as_often_as_it_says(n: int) -> None:
    """250 experiments of n normal values: 95 %, give or take what 250 can show."""
    rng = np.random.default_rng(n)
    held = 0
    for _ in range(250):
        found = interval(list(rng.normal(5.0, 2.0, n)))
        held += found.low <= 5.0 <= found.high

    assert 0.90 <= held / 250 <= 0.99


def test_an_interval_stands_one_wild_value_out_of_ten() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(150):
        values = rng.normal(0.0, 1.0, 10)
        values[0] += 50.0
        found = interval(list(values))
        held += found.low <= 0.0 <= found.high and found.high - found.low < 25

    assert held / 150 > 0.9


@pytest.mark.parametrize("n", [1, 2])
def test_two_values_have_no_interval(n: int) -> None:
    found = interval([1.0] * n)

    assert not found.is_known
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_values_that_agree_exactly_have_an_interval_of_no_width() -> None:
    found = interval([3.0, 3.0, 3.0, 3.0])

    assert (found.low, found.value, found.high) == (3.0, 3.0, 3.0)


def test_the_same_values_give_the_same_interval() -> None:
    values = [1.0, 2.0, 4.0, 3.0, 2.5]

    assert interval(values) == interval(values)


def test_a_ratio_does_not_see_what_hits_both_of_a_pair() -> None:
    """The machine is up to five times slower in some rounds; both sides feel it."""
    rng = np.random.default_rng(4)
    slow = rng.uniform(1.0, 5.0, 6)
    base = 20.0 * slow * rng.normal(1.0, 0.01, 6)
    head = 22.0 * slow * rng.normal(1.0, 0.01, 6)

    found = paired_ratio(list(base), list(head))

    assert found.value == pytest.approx(0.1, abs=0.02)
    assert 0.06 < found.low < found.high < 0.14


def test_pairs_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="pairs"):
        paired_ratio([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="above zero"):
        paired_ratio([0.0], [1.0])
    with pytest.raises(ValueError, match="no values"):
        interval([])


def test_a_difference_is_head_minus_base() -> None:
    assert paired_difference([1, 2, 3], [11, 12, 13]).value == pytest.approx(10)


def test_a_trimmed_mean_leaves_out_a_fifth_at_either_end() -> None:
    assert trimmed_mean(np.array([0.0, 1, 2, 3, 1000])) == pytest.approx(2)
    assert trimmed_mean(np.array([0.0, 4])) == pytest.approx(2)


def test_another_run_lands_where_it_was_said_to() -> None:
    """Pairs of runs of 5 calls: the second one's median and the first one's word."""
    rng = np.random.default_rng(5)
    landed = 0
    for _ in range(400):
        said = next_run(list(rng.normal(30.0, 3.0, 5)))
        assert said is not None
        landed += said[0] <= np.median(rng.normal(30.0, 3.0, 5)) <= said[1]

    assert 0.92 <= landed / 400 <= 0.995
    assert next_run([1.0, 2.0]) is None


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Table in Newcombe, Statistics in Medicine 17 (1998), method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)],
)
def test_a_rates_interval_is_wilsons(
    hits: int, n: int, low: float, high: float
) -> None:
    found = wilson(hits, n)

    assert (found.low, found.high) == (
        pytest.approx(low, abs=1e-4),
        pytest.approx(high, abs=1e-4),
    )


def test_a_change_of_level_is_found_where_it_was() -> None:
    rng = np.random.default_rng(6)
    levels = ((20, 15), (25, 15), (30, 12))
    series = [v for level, n in levels for v in rng.normal(level, 1, n)]

    found = change_points(series)

    assert len(found) == 2
    assert found[0] == pytest.approx(15, abs=1)
    assert found[1] == pytest.approx(30, abs=2)


def test_noise_with_wild_values_rarely_has_a_change_point() -> None:
    rng = np.random.default_rng(7)
    alarms = sum(bool(change_points(list(rng.standard_t(2, 16)))) for _ in range(30))

    assert alarms <= 2


@given(st.lists(st.floats(-1e6, 1e6), max_size=12))
@settings(max_examples=25, deadline=None)
def test_change_points_of_anything_are_places_in_it(values: list[float]) -> None:
    found = change_points(values)

    assert found == sorted(set(found))
    assert all(4 <= at <= len(values) - 4 for at in found)


def test_a_steady_series_never_changes() -> None:
    assert change_points([5.0] * 30) == []
    assert change_points([1.0, 2.0, 9.0]) == []

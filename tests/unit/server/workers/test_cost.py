"""Lasting cost and one-time cost are told apart."""

from __future__ import annotations

import random

import pytest

from server.workers.cost import ASSUMED_SESSION_CPU, CostEstimate, Reading


def estimate_of(*readings: tuple[float, float, float]) -> CostEstimate:
    estimate = CostEstimate()
    for cores, sessions, starts_per_s in readings:
        estimate.add(Reading(cores, sessions, starts_per_s))
    return estimate


def test_nothing_is_known_before_the_first_session() -> None:
    estimate = estimate_of(*[(0.01, 0, 0)] * 10)
    assert not estimate.is_known
    assert estimate.session_cpu == ASSUMED_SESSION_CPU
    assert estimate.idle_cpu == 0.01


def test_what_an_idle_process_uses_is_no_session_s_cost() -> None:
    estimate = estimate_of(*[(0.05, 0, 0)] * 10, *[(0.13, 4, 0)] * 20)
    assert estimate.session_cpu == pytest.approx(0.02, rel=0.05)


def test_a_stream_of_handshakes_does_not_raise_the_lasting_cost() -> None:
    """One session per second for 30 s: more than half of the CPU is handshakes."""
    ramp = [(0.006 * n + 0.2, n, 1.0) for n in (0.5 * i for i in range(1, 60))]
    estimate = estimate_of(*ramp)
    assert estimate.is_known
    assert estimate.session_cpu == pytest.approx(0.006, rel=0.15)
    assert estimate.start_cpu_s == pytest.approx(0.2, rel=0.15)


def test_a_cold_first_call_is_an_exception() -> None:
    estimate = estimate_of((1.6, 1, 0.5), (0.9, 2, 1), *[(0.02, 2, 0)] * 12)
    assert estimate.session_cpu == pytest.approx(0.01, abs=0.004)


def test_cost_that_changes_is_followed() -> None:
    """They all begin to record: twice as dear half a minute later."""
    estimate = estimate_of(*[(0.1, 10, 0)] * 60, *[(0.2, 10, 0)] * 60)
    assert estimate.session_cpu == pytest.approx(0.02, rel=0.05)


def test_noise_evens_out() -> None:
    chance = random.Random(1)
    readings = [(0.3 * chance.uniform(0.7, 1.3), 30, 0) for _ in range(40)]
    assert estimate_of(*readings).session_cpu == pytest.approx(0.01, rel=0.07)


def test_costs_are_never_negative() -> None:
    estimate = estimate_of(*[(0.5, 0, 0)] * 5, *[(0.1, 3, n % 3) for n in range(20)])
    assert estimate.session_cpu > 0
    assert estimate.start_cpu_s >= 0

"""Whether what runs state about the next one is held against it. No calls are made."""

from __future__ import annotations

import random
from typing import Any

import pytest

from loadtests import agree_bench
from loadtests.agree_bench import agreements, judge, misses_allowed
from reports.calls import CallsAtLoad
from reports.model import Outcome


def run_of(shift_ms: float, rng: random.Random, n_calls: int) -> CallsAtLoad:
    """A run whose calls differ by chance, and all from 30 ms by the shift."""

    def delay_ms() -> float:
        return 30 + shift_ms + rng.gauss(0, 2)

    calls: list[dict[str, Any]] = [
        {
            "connect_ms": delay_ms(),
            "samples": {name: [delay_ms()] for name in agree_bench.COMPARED},
        }
        for _ in range(n_calls)
    ]
    return CallsAtLoad(n_calls, calls, {"doubts": []})


def runs(*shifts_ms: float, seed: int = 3) -> list[CallsAtLoad]:
    rng = random.Random(seed)
    return [run_of(shift_ms, rng, 6) for shift_ms in shifts_ms]


def outcome(made: list[CallsAtLoad], *doubts: str) -> Outcome:
    return judge(agreements(made), doubts)[0].outcome


def test_runs_of_the_same_thing_agree() -> None:
    assert outcome(runs(0, 0, 0)) is Outcome.PASS


def test_a_run_that_lies_elsewhere_does_not_agree() -> None:
    assert outcome(runs(0, 0, 25)) is Outcome.FAIL
    assert outcome(runs(25, 0, 0)) is Outcome.FAIL


@pytest.mark.parametrize("shift_ms", [0, 25])
def test_on_a_machine_that_kept_no_time_nothing_is_decided(shift_ms: float) -> None:
    assert outcome(runs(0, 0, shift_ms), "run 1: late") is Outcome.UNDECIDED


def test_each_statement_is_held_against_every_later_run() -> None:
    (first, *_) = agreements(runs(0, 0, 0, 25))

    assert first.n == 6
    # The three before it agree with each other, and nobody with the last.
    assert first.hits == 3


def test_a_figure_that_one_run_lacks_is_left_out() -> None:
    made = runs(0, 0, 0)
    for call in made[1].calls:
        del call["samples"]["mouth_to_ear_ms"]

    assert "mouth_to_ear_ms" not in [a.figure for a in agreements(made)]


def test_what_one_run_did_not_measure_is_named_and_not_taken_for_agreement() -> None:
    made = runs(0, 0, 0)
    for call in made[1].calls:
        del call["samples"]["mouth_to_ear_ms"]

    verdict, check = judge(agreements(made), ())

    assert verdict.outcome is Outcome.UNDECIDED
    assert check.words.endswith("; not measured in every run: mouth to ear")


def test_without_any_figure_nothing_is_decided() -> None:
    assert outcome([]) is Outcome.UNDECIDED


@pytest.mark.parametrize(("n", "allowed"), [(1, 1), (3, 1), (15, 3), (100, 10)])
def test_as_many_may_miss_as_chance_explains(n: int, allowed: int) -> None:
    assert misses_allowed(n) == allowed


def test_runs_that_agree_are_rarely_said_not_to() -> None:
    wrong = sum(outcome(runs(0, 0, 0, seed=n)) is Outcome.FAIL for n in range(200))

    assert wrong <= 10  # 2 % are meant

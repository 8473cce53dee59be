"""How many times the sessions of one worker."""

from __future__ import annotations

from loadtests.workers_bench import scaling


def run(workers: int, sessions: int) -> dict[str, int]:
    return {"workers": workers, "sessions": sessions}


def test_medians_are_compared() -> None:
    runs = [run(1, 10), run(2, 18), run(1, 12), run(2, 30), run(1, 11), run(2, 19)]
    assert scaling(runs) == {2: 1.727}


def test_nothing_is_said_without_one_worker() -> None:
    assert scaling([run(2, 18)]) == {}


def test_a_bridge_that_takes_nothing_has_no_scaling() -> None:
    assert scaling([run(1, 0), run(2, 5)]) == {}

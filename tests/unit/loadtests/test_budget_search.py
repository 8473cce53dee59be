from collections.abc import Callable
from pathlib import Path

import pytest

from loadtests.budget import cli
from loadtests.budget.load import Load
from loadtests.budget.measuring import MeasuringPlan


def search(
    monkeypatch: pytest.MonkeyPatch, load: Callable[[int], Load], *sessions: int
) -> tuple[list[int], str | None]:
    monkeypatch.setattr(cli, "measure_load", lambda plan, n: load(n))
    plan = MeasuringPlan(out=Path())
    loads, broke = cli.measure_all(plan, sessions, until_break=True)
    return [found.sessions for found in loads], broke


def good(n: int) -> Load:
    return Load(n, 10.0, good_calls=n)


def test_more_sessions_are_tried_until_calls_suffer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(n: int) -> Load:
        return good(n) if n < 30 else Load(n, 10.0, delays_ms={"gaps_ms": 99.0})

    tried, broke = search(monkeypatch, load, 1, 5, 10)

    assert tried == [1, 5, 10, 15, 22, 33]
    assert broke == (
        "22 sessions were carried on this machine; at 33: gaps p95 99 ms (> 60)."
    )


def test_a_generator_that_gives_out_first_is_not_the_bridges_break(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(n: int) -> Load:
        return good(n) if n < 20 else Load(n, 10.0, doubts=("the fake was late",))

    tried, broke = search(monkeypatch, load, 10)

    assert tried == [10, 15, 22]
    assert broke is not None
    assert "at 22 nothing can be said: the fake was late" in broke


def test_a_bridge_that_breaks_early_is_not_loaded_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(n: int) -> Load:
        return Load(n, 10.0, failed_calls=1, failures=("nothing was heard",))

    tried, broke = search(monkeypatch, load, 1, 5, 10)

    assert tried == [1]
    assert broke is not None
    assert "nothing was heard" in broke


def test_what_a_busy_machine_did_is_no_break(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(n: int) -> Load:
        return Load(n, 10.0, delays_ms={"gaps_ms": 99.0}, doubts=("neighbours",))

    monkeypatch.setattr(cli, "measure_load", lambda plan, n: load(n))
    plan = MeasuringPlan(out=Path())

    loads, broke = cli.measure_all(plan, (1, 5, 10), until_break=False)

    assert ([found.sessions for found in loads], broke) == ([1, 5, 10], None)


def test_the_search_ends_though_nothing_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried, broke = search(monkeypatch, good, 1)

    assert max(tried) <= cli.MOST_SESSIONS
    assert broke is not None
    assert "more were not tried" in broke


def test_without_the_search_only_what_was_asked_for_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli, "measure_load", lambda plan, n: good(n))

    loads, broke = cli.measure_all(MeasuringPlan(out=Path()), (1, 5), until_break=False)

    assert ([found.sessions for found in loads], broke) == ([1, 5], None)

"""Where the next session goes, and when it is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.workers.load import LoadReport
from server.workers.placement import (
    ASSUMED_SESSION_CPU,
    PATIENCE,
    SETTLE_S,
    Budget,
    Headroom,
    choose,
)

LATE_MS = 60.0


def report(cpu_s: float, lag_ms: float = 1.0) -> LoadReport:
    return LoadReport(cpu_s, 0, lag_ms, 0, 0, 0, 0, 0.0)


def busy(cores: float, sessions: int, *, lag_ms: float = 1.0) -> Headroom:
    """A process that has used so many cores for a while."""
    headroom = Headroom()
    for _ in range(sessions):
        headroom.placed(-100.0)
    for n in range(20):
        headroom.take(report(cores * n * 0.5, lag_ms), n * 0.5, late_ms=LATE_MS)
    return headroom


def test_a_session_goes_where_the_most_cpu_is_left() -> None:
    assert choose({0: busy(0.6, 3), 1: busy(0.2, 3)}, Budget()) == 1


def test_equal_processes_fill_evenly() -> None:
    pool = {0: busy(0.01, 0), 1: busy(0.01, 0)}
    placed = []
    for _ in range(6):
        chosen = choose(pool, Budget())
        assert chosen is not None
        pool[chosen].placed(10.0)
        placed.append(chosen)
    assert placed.count(0) == placed.count(1) == 3


def test_a_process_at_its_cpu_budget_is_full() -> None:
    assert choose({0: busy(0.84, 10)}, Budget(cpu=0.85)) is None
    assert choose({0: busy(0.70, 10)}, Budget(cpu=0.85)) == 0


def test_new_sessions_count_before_their_cost_shows() -> None:
    headroom = busy(0.4, 4)  # 0.1 cores each
    budget = Budget(cpu=0.85)
    taken = 0
    while headroom.has_room(budget):
        headroom.placed(10.0)
        taken += 1
    assert taken == 4


def test_placed_sessions_are_settled_after_a_while() -> None:
    headroom = busy(0.4, 4)
    headroom.placed(10.0)
    expected = headroom.expected_cpu()
    now_s = 10.0 + SETTLE_S + 0.1
    headroom.take(report(0.4 * now_s), now_s, late_ms=LATE_MS)
    assert headroom.expected_cpu() < expected


def test_a_late_loop_takes_nothing_though_its_cpu_is_free() -> None:
    assert choose({0: busy(0.1, 1, lag_ms=LATE_MS + 1)}, Budget()) is None


def test_a_moment_of_lateness_is_forgiven() -> None:
    headroom = busy(0.1, 1)
    for n in range(PATIENCE - 1):
        headroom.take(report(1.0, LATE_MS + 1), 20.0 + n, late_ms=LATE_MS)
    assert headroom.has_room(Budget())
    headroom.take(report(1.0, LATE_MS + 1), 30.0, late_ms=LATE_MS)
    assert not headroom.has_room(Budget())


def test_an_empty_process_takes_a_session_however_busy_it_was() -> None:
    assert busy(1.0, 0, lag_ms=500).has_room(Budget())


def test_the_hard_bound_holds() -> None:
    assert not busy(0.0, 2).has_room(Budget(sessions=2))
    assert busy(0.0, 1).has_room(Budget(sessions=2))


def test_what_a_session_costs_is_learned() -> None:
    assert busy(0.5, 5).session_cpu == pytest.approx(0.1, rel=0.05)
    assert busy(0.0, 0).session_cpu == ASSUMED_SESSION_CPU


@given(st.lists(st.sampled_from(["place", "free", "report"]), max_size=60))
def test_books_never_go_below_zero(steps: list[str]) -> None:
    headroom, now_s = Headroom(), 0.0
    for step in steps:
        now_s += 0.3
        if step == "place":
            headroom.placed(now_s)
        elif step == "free":
            headroom.freed()
        else:
            headroom.take(report(now_s / 10), now_s, late_ms=LATE_MS)
        assert headroom.sessions >= 0
        assert headroom.expected_cpu() >= headroom.cpu >= 0

"""Where the next session goes, and when it is refused."""

from __future__ import annotations

import bisect
import random
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.workers.cost import ASSUMED_SESSION_CPU
from server.workers.load import LoadReport
from server.workers.placement import (
    PATIENCE,
    UNKNOWN_SESSION_CPU,
    Budget,
    Headroom,
    choose,
)

LATE_MS = 60.0
READ_S = 0.5


def report(cpu_s: float, lag_ms: float = 1.0) -> LoadReport:
    return LoadReport(cpu_s, 0, lag_ms, 0, 0, 0, 0, 0.0, 0)


def busy(
    cores: float,
    sessions: int,
    budget: Budget | None = None,
    *,
    lag_ms: float = 1.0,
) -> Headroom:
    """A process that has carried so many sessions for a while, up to second 10."""
    headroom = Headroom(budget or Budget())
    for _ in range(sessions):
        headroom.placed(-100.0)
    for n in range(21):
        headroom.take(report(cores * n * READ_S, lag_ms), n * READ_S)
    return headroom


def test_a_session_goes_where_the_most_cpu_is_left() -> None:
    assert choose({0: busy(0.6, 3), 1: busy(0.2, 3)}) == 1


def test_equal_processes_fill_evenly() -> None:
    pool = {0: busy(0.01, 0), 1: busy(0.01, 0)}
    placed = []
    for _ in range(6):
        chosen = choose(pool)
        assert isinstance(chosen, int)
        pool[chosen].placed(10.0)
        placed.append(chosen)
    assert placed.count(0) == placed.count(1) == 3


def test_a_process_at_its_cpu_budget_is_full() -> None:
    assert choose({0: busy(0.84, 10)}) == "full"
    assert choose({0: busy(0.70, 10)}) == 0


def test_one_that_should_wait_is_better_than_none() -> None:
    late = busy(0.1, 1, lag_ms=LATE_MS + 1)
    assert choose({0: busy(0.84, 10), 1: late}) == "wait"


def test_new_sessions_count_before_their_cost_shows() -> None:
    headroom = busy(0.4, 4)  # 0.1 cores each
    taken = 0
    while headroom.verdict() == "room":
        headroom.placed(10.0)
        taken += 1
    assert taken == 4


def test_a_process_may_grow_by_half_before_its_new_sessions_are_measured() -> None:
    """Beyond that they might be of a dearer kind, which is soon too much: one waits."""
    headroom = busy(0.05, 5, Budget(cpu=0.25))  # 0.01 each: 20 fit
    taken = 0
    while headroom.verdict() == "room":
        headroom.placed(10.0)
        taken += 1
    assert taken == 7
    assert headroom.verdict() == "wait"
    for n in range(8):
        headroom.take(report(0.5 + 0.12 * n * READ_S), 10.0 + n * READ_S)
    assert headroom.verdict() == "room"


def test_of_an_unknown_process_as_many_are_taken_as_a_slow_core_carries() -> None:
    headroom = Headroom(Budget(cpu=0.85))
    headroom.take(report(0), 0)
    taken = 0
    while headroom.verdict() == "room":
        headroom.placed(1.0)
        taken += 1
    assert taken == int(0.85 / UNKNOWN_SESSION_CPU)
    assert headroom.verdict() == "wait"


def test_what_is_borrowed_counts_little_against_what_was_read() -> None:
    """Sessions of another kind are soon known for what they are."""
    cheap = busy(0.02, 5)
    dear = Headroom(Budget(), lambda: [cheap])
    for _ in range(2):
        dear.placed(-100.0)
    for n in range(21):
        dear.take(report(0.1 * n * READ_S), n * READ_S)

    assert dear.session_cpu == pytest.approx(0.05, rel=0.05)


def test_handshakes_are_no_lasting_cost() -> None:
    """A burst that took a whole core for 2 s, after which there is room for more."""
    headroom = busy(0.1, 10)
    cpu_s = 1.0
    for _ in range(8):
        headroom.placed(10.0)
        headroom.started(10.0)
    for n in range(1, 5):
        cpu_s += READ_S
        headroom.take(report(cpu_s), 10.0 + n * READ_S)
    assert headroom.cpu > 0.7
    assert headroom.lasting_cpu() < 0.3
    headroom.take(report(cpu_s + 0.2), 13.0)
    assert headroom.verdict() == "room"


def test_a_late_loop_takes_nothing_for_now_though_its_cpu_is_free() -> None:
    assert busy(0.1, 1, lag_ms=LATE_MS + 1).verdict() == "wait"


def test_a_moment_of_lateness_is_forgiven() -> None:
    headroom = busy(0.1, 1)
    for n in range(PATIENCE - 1):
        headroom.take(report(1.0, LATE_MS + 1), 20.0 + n)
    assert headroom.verdict() == "room"
    headroom.take(report(1.0, LATE_MS + 1), 30.0)
    assert headroom.verdict() == "wait"


def test_a_loop_that_was_late_has_to_be_calm_again() -> None:
    headroom = busy(0.1, 1, lag_ms=LATE_MS + 1)
    headroom.take(report(1.1, LATE_MS - 5), 11.0)
    assert headroom.verdict() == "wait"
    headroom.take(report(1.2, LATE_MS / 2), 12.0)
    assert headroom.verdict() == "room"


def test_a_full_process_stays_so_until_there_is_some_leeway() -> None:
    headroom = busy(0.85, 85)
    verdicts = []
    for _ in range(7):
        verdicts.append(headroom.verdict())
        headroom.freed(10.0)
    assert verdicts == ["full"] * 6 + ["room"]
    headroom.placed(10.0)
    assert headroom.verdict() == "room"


def test_an_empty_process_takes_a_session_however_busy_it_was() -> None:
    assert busy(1.0, 0, lag_ms=500).verdict() == "room"


def test_a_busy_start_is_not_taken_for_what_an_idle_process_uses() -> None:
    """Its last readings before the first session were those of its own start."""
    headroom = Headroom(Budget(cpu=0.15))
    used_s = 0.0
    for n in range(3):
        headroom.take(report(used_s), n * READ_S)
        used_s += 0.3 * READ_S
    headroom.placed(1.0)
    for n in range(3, 23):
        headroom.take(report(used_s), n * READ_S)
        used_s += 0.01 * READ_S

    assert headroom.verdict() == "room"


def test_the_hard_bound_holds() -> None:
    assert busy(0.0, 2, Budget(sessions=2)).verdict() == "full"
    assert busy(0.0, 1, Budget(sessions=2)).verdict() == "room"


def test_what_a_session_costs_is_learned() -> None:
    assert busy(0.5, 5).session_cpu == pytest.approx(0.1, rel=0.05)
    assert busy(0.0, 0).session_cpu == ASSUMED_SESSION_CPU


@given(st.lists(st.sampled_from(["place", "free", "report"]), max_size=60))
def test_books_never_go_below_zero(steps: list[str]) -> None:
    headroom, now_s = Headroom(Budget()), 0.0
    for step in steps:
        now_s += 0.3
        if step == "place":
            headroom.placed(now_s)
        elif step == "free":
            headroom.freed(now_s)
        else:
            headroom.take(report(now_s / 10), now_s)
        assert headroom.sessions >= 0
        assert headroom.lasting_cpu() >= 0 <= headroom.cpu


@dataclass
class Process:
    """A media process that does not exist: its CPU is what its sessions cost."""

    headroom: Headroom
    session_cpu: float
    start_cpu_s: float
    chance: random.Random
    cold_cores: float = 0.0
    """For a second from its first session on."""
    cpu_s: float = 0.0
    placed_s: list[float] = field(default_factory=list)

    def run(self, from_s: float, to_s: float) -> None:
        """One interval of it, and its report."""
        # Handshakes are over in a moment; audio flows from then on.
        n_new = len(self.placed_s) - bisect.bisect_right(self.placed_s, from_s - 0.6)
        cores = 0.01 + self.session_cpu * (len(self.placed_s) - n_new)
        cores += self.start_cpu_s / 0.6 * n_new
        if self.placed_s and from_s < self.placed_s[0] + 1.0:
            cores += self.cold_cores
        self.cpu_s += min(1.0, cores * self.chance.uniform(0.85, 1.15)) * (
            to_s - from_s
        )
        self.headroom.take(report(self.cpu_s), to_s)

    def place(self, now_s: float) -> None:
        self.headroom.placed(now_s)
        self.headroom.started(now_s)
        self.placed_s.append(now_s)


WAITS_S = 5.0


@dataclass
class Crowd:
    """What became of those who asked."""

    let_in: int = 0
    refused_as_full: list[float] = field(default_factory=list)
    """Lasting cores of the whole pool at each refusal, as they really are."""
    gave_up: int = 0


def crowd_before(
    pool: dict[int, Process],
    arrivals_s: list[float],
    until_s: float,
    *,
    from_s: float = 0.0,
) -> Crowd:
    """People ask at these times and wait a little, as at `Entrance`."""
    crowd, line, coming = Crowd(), deque[float](), deque(sorted(arrivals_s))
    now_s = from_s
    while now_s < until_s:
        for process in pool.values():
            process.run(now_s, now_s + READ_S)
        now_s += READ_S
        while coming and coming[0] <= now_s:
            line.append(coming.popleft())
        while line:
            where = choose({key: p.headroom for key, p in pool.items()})
            if isinstance(where, int):
                pool[where].place(now_s)
                crowd.let_in += 1
            elif where == "full":
                used = sum(p.session_cpu * len(p.placed_s) for p in pool.values())
                crowd.refused_as_full.append(used)
            elif now_s - line[0] > WAITS_S:
                crowd.gave_up += 1
            else:
                break
            line.popleft()
    return crowd


def pool_of(
    n: int,
    session_cpu: float,
    start_cpu_s: float,
    budget: float,
    seed: int,
    *,
    cold_cores: float = 0.0,
) -> dict[int, Process]:
    chance = random.Random(seed)
    pool: dict[int, Process] = {}
    for key in range(n):
        headroom = Headroom(
            Budget(cpu=budget), lambda: [p.headroom for p in pool.values()]
        )
        pool[key] = Process(headroom, session_cpu, start_cpu_s, chance, cold_cores)
    for process in pool.values():
        for n_idle in range(6):
            process.run(-3 + n_idle * READ_S, -3 + (n_idle + 1) * READ_S)
    return pool


worlds = st.fixed_dictionaries(
    {
        "session_cpu": st.floats(0.004, 0.06),
        "start_cpu_s": st.floats(0.02, 0.15),
        "seed": st.integers(0, 1_000),
    }
)


@settings(max_examples=20)
@given(
    worlds, st.sampled_from([0.25, 0.85]), st.floats(0.5, 4.0), st.sampled_from([1, 2])
)
def test_a_stream_of_sessions_fills_the_budget_and_not_more(
    world: dict[str, float], budget: float, per_s: float, n_processes: int
) -> None:
    """Refusals begin near the budget, what was let in does not exceed it, and those
    who were told to ask again find what is left."""
    pool = pool_of(n_processes, budget=budget, **world)  # type: ignore[arg-type]
    cost = world["session_cpu"]
    n = int(1.5 * n_processes * budget / cost) + 3
    end_s = n / per_s + 10
    crowd = crowd_before(pool, [i / per_s for i in range(n)], end_s)
    again = crowd_before(pool, [end_s + i for i in range(20)], end_s + 40, from_s=end_s)

    for process in pool.values():
        used = cost * len(process.placed_s)
        assert used <= 1.15 * budget + cost
        assert used >= 0.8 * budget - 2 * cost
    assert again.refused_as_full
    first_refusal = min(crowd.refused_as_full + again.refused_as_full)
    assert first_refusal >= n_processes * (0.7 * budget - 2 * cost)


@pytest.mark.parametrize("seed", range(5))
def test_processes_learn_together(seed: int) -> None:
    """A cold start of a second hides for long what a session costs; and with a small
    budget each process alone sees too few of them."""
    pool = pool_of(2, 0.006, 0.05, 0.075, seed, cold_cores=1.0)

    crowd = crowd_before(pool, [float(n) for n in range(15)], 25.0)

    assert (crowd.let_in, crowd.gave_up, crowd.refused_as_full) == (15, 0, [])


@settings(max_examples=20)
@given(worlds, st.integers(1, 3), st.floats(0.1, 0.7))
def test_a_burst_that_fits_is_not_refused_as_too_much(
    world: dict[str, float], n_processes: int, share: float
) -> None:
    """All at once, to processes of which nothing is known: some may have to ask again,
    but nobody is told that all is taken, and in the end everybody is in."""
    pool = pool_of(n_processes, budget=0.85, **world)  # type: ignore[arg-type]
    left = int(share * n_processes * 0.85 / world["session_cpu"])
    for attempt in range(20):
        at_s = 10.0 * attempt
        crowd = crowd_before(pool, [at_s] * left, at_s + 10, from_s=at_s)
        assert crowd.refused_as_full == []
        assert crowd.let_in >= min(left, 8)
        left = crowd.gave_up
        if not left:
            break
    assert left == 0


@settings(max_examples=20)
@given(worlds, st.integers(20, 400))
def test_a_burst_of_any_size_does_not_exceed_the_budget(
    world: dict[str, float], n: int
) -> None:
    pool = pool_of(1, budget=0.85, **world)  # type: ignore[arg-type]
    crowd = crowd_before(pool, [0.0] * n, 20.0)
    assert crowd.let_in * world["session_cpu"] <= 1.15 * 0.85 + world["session_cpu"]

"""A soak run that cannot fail proves nothing: leaks of each kind are found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadtests.soak.churn import conversation
from loadtests.soak.flatness import Idle, findings
from simulator.scenario_file import scenario_from_mapping

STILL = Idle(0.0, 0, 12, 4, 60, 0, 0, 300.0)


def run(*, rounds: int = 12, **growth: float) -> list[Idle]:
    """Pauses in which some figures grow by so much a round."""
    pauses = []
    for n in range(rounds):
        changed = {
            name: type(getattr(STILL, name))(getattr(STILL, name) + by * n)
            for name, by in growth.items()
        }
        pauses.append(replace(STILL, at_s=45.0 * n, calls=9 * (n + 1), **changed))
    return pauses


def grown(pauses: list[Idle]) -> set[str]:
    found = findings(pauses, limit_kb_per_call=40)
    return {f.name for f in found if f.verdict == "grows"}


def memory(pauses: list[Idle]) -> str:
    (found,) = [f for f in findings(pauses, limit_kb_per_call=40) if f.name == "memory"]
    return found.verdict


def test_a_bridge_that_keeps_nothing_is_flat() -> None:
    assert grown(run()) == set()
    assert memory(run()) == "flat"


@pytest.mark.parametrize("name", ["tasks", "threads", "fds", "sessions", "clients"])
def test_one_left_over_each_round_is_found(name: str) -> None:
    assert grown(run(**{name: 1})) == {name}


def test_memory_that_grows_with_the_calls_is_found() -> None:
    assert grown(run(rss_mb=0.5)) == {"memory"}  # 55 kB a call


def test_memory_that_settles_is_no_leak() -> None:
    pauses = run()
    warm = [replace(p, rss_mb=300 + 20 * (1 - 0.5**n)) for n, p in enumerate(pauses)]
    assert grown(warm) == set()
    assert memory(warm) == "flat"


def test_a_short_run_says_nothing_of_memory() -> None:
    assert memory(run(rounds=6)) == "undecided"
    assert memory(run(rounds=6, rss_mb=5.0)) == "grows"


def test_memory_that_wanders_more_than_it_grows_is_undecided() -> None:
    wander = [0, 3, -2, 4, -3, 2, -4, 3, -1, 4, -3, 2]
    pauses = [
        replace(p, rss_mb=p.rss_mb + by)
        for p, by in zip(run(rss_mb=0.3), wander, strict=True)
    ]
    assert memory(pauses) == "undecided"


def test_a_media_process_that_died_hides_nothing() -> None:
    """What it held is gone with it, so that memory looks flat."""
    pauses = [replace(p, restarts=1 if p.calls > 9 else 0) for p in run()]
    assert grown(pauses) == {"restarts"}


def test_one_pause_with_more_memory_is_no_trend() -> None:
    pauses = run()
    pauses[-3] = replace(pauses[-3], rss_mb=340.0)
    assert grown(pauses) == set()


def test_a_descriptor_that_closes_late_is_no_leak() -> None:
    pauses = run()
    pauses[5] = replace(pauses[5], fds=61)
    assert grown(pauses) == set()


def test_too_few_pauses_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 5"):
        findings(run(rounds=4), limit_kb_per_call=40)


@pytest.mark.parametrize("seed", range(20))
def test_every_churn_is_a_valid_scenario(seed: int) -> None:
    scenario = scenario_from_mapping(conversation(seed, seconds=40))
    assert len(scenario.parts) == 3
    for part in scenario.parts[1:]:
        assert part.leaves_s is not None
        assert 0 < part.joins_s < part.leaves_s < 40


def test_the_same_seed_makes_the_same_churn() -> None:
    assert conversation(7, seconds=40) == conversation(7, seconds=40)
    assert conversation(7, seconds=40) != conversation(8, seconds=40)

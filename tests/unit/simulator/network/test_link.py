"""One direction: what is decided, and that it is decided the same way again."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.network import Burst, Conditions, Decision, DropReason, Link, LinkLimits
from simulator.network.profile import Profile

SPACING_S = 0.02
AUDIO_BYTES = 1_000


def link(conditions: Conditions, *, seed: int | str = 7, **limits: int) -> Link:
    return Link(
        Profile(up=conditions),
        "up",
        seed=seed,
        limits=LinkLimits(**limits) if limits else LinkLimits(max_packets=10**9),
    )


def talk(
    path: Link, n: int, *, size: int = AUDIO_BYTES, spacing_s: float = SPACING_S
) -> list[Decision]:
    """`n` packets at an even pace; each is settled at once, so no limit is met."""
    out = []
    for i in range(n):
        decision = path.submit(size, i * spacing_s)
        if decision.dropped is None:
            path.settle(size)
        out.append(decision)
    return out


def delays_ms(decisions: list[Decision], spacing_s: float = SPACING_S) -> np.ndarray:
    return np.array(
        [
            (d.arrivals_s[0] - d.number * spacing_s) * 1e3
            for d in decisions
            if d.arrivals_s
        ]
    )


ratios = st.floats(0.0, 1.0)
any_conditions = st.builds(
    Conditions,
    delay_ms=st.floats(150.0, 300.0),
    jitter_ms=st.floats(0.0, 50.0),
    jitter_shape=st.sampled_from(["uniform", "normal", "exponential", "pareto"]),
    jitter_correlation=st.floats(0.0, 0.9),
    keep_order=st.booleans(),
    loss=ratios,
    burst=st.none()
    | st.builds(Burst, enter=ratios, leave=st.floats(0.1, 1.0), loss_in_bad=ratios),
    reorder=ratios,
    reorder_ms=st.floats(0.0, 100.0),
    duplicate=ratios,
    rate_kbps=st.none() | st.floats(50.0, 10_000.0),
    queue_bytes=st.integers(0, 100_000),
    queue_ms=st.floats(0.0, 1_000.0),
)
any_packets = st.lists(
    st.tuples(st.integers(1, 1_500), st.floats(0.0, 0.1)), min_size=1, max_size=60
)


def test_the_default_changes_nothing() -> None:
    decisions = talk(link(Conditions()), 10)

    assert [d.arrivals_s for d in decisions] == [(i * SPACING_S,) for i in range(10)]


@given(any_conditions, any_packets, st.integers())
@settings(max_examples=60, deadline=None)
def test_the_same_seed_and_packets_give_the_same_decisions(
    conditions: Conditions, packets: list[tuple[int, float]], seed: int
) -> None:
    def run() -> list[Decision]:
        path, now_s, out = link(conditions, seed=seed), 0.0, []
        for size, gap_s in packets:
            now_s += gap_s
            out.append(path.submit(size, now_s))
        return out

    assert run() == run()


@given(any_conditions, any_packets)
@settings(max_examples=60, deadline=None)
def test_no_packet_arrives_before_its_delay_and_all_are_accounted_for(
    conditions: Conditions, packets: list[tuple[int, float]]
) -> None:
    path, now_s = link(conditions), 0.0
    least_ms = conditions.delay_ms
    if conditions.jitter_shape in ("uniform", "normal"):
        least_ms -= 3.0 * conditions.jitter_ms
    arrived = 0
    for size, gap_s in packets:
        now_s += gap_s
        decision = path.submit(size, now_s)
        arrived += decision.dropped is None
        assert (decision.dropped is None) == bool(decision.arrivals_s)
        assert all(t >= now_s + least_ms / 1e3 - 1e-9 for t in decision.arrivals_s)
    counters = path.counters
    assert counters.received == len(packets) == arrived + counters.lost
    assert counters.under_way == arrived


@given(any_conditions, any_packets)
@settings(max_examples=60, deadline=None)
def test_with_keep_order_only_packets_held_back_are_overtaken(
    conditions: Conditions, packets: list[tuple[int, float]]
) -> None:
    path, now_s, last_s = link(conditions), 0.0, 0.0
    for size, gap_s in packets:
        now_s += gap_s
        decision = path.submit(size, now_s)
        if conditions.keep_order and decision.arrivals_s and not decision.held_back:
            assert decision.arrivals_s[0] >= last_s
            last_s = decision.arrivals_s[0]


def test_another_seed_gives_another_run() -> None:
    lossy = Conditions(loss=0.5)

    assert talk(link(lossy, seed=1), 50) != talk(link(lossy, seed=2), 50)


def test_the_two_directions_of_one_seed_differ() -> None:
    profile = Profile(up=Conditions(loss=0.5), down=Conditions(loss=0.5))

    up, down = (talk(Link(profile, d, seed=1), 50) for d in ("up", "down"))

    assert up != down


def test_switching_an_effect_on_does_not_reshuffle_the_others() -> None:
    lossy = Conditions(delay_ms=50.0, loss=0.2)
    more = Conditions(
        delay_ms=50.0, loss=0.2, jitter_ms=20.0, reorder=0.3, duplicate=0.3
    )

    lost = [d.dropped for d in talk(link(lossy), 500)]

    assert [d.dropped for d in talk(link(more), 500)] == lost


def test_independent_loss_has_its_ratio_and_no_memory() -> None:
    lost = np.array(
        [d.dropped is not None for d in talk(link(Conditions(loss=0.2)), 20_000)]
    )

    assert lost.mean() == pytest.approx(0.2, abs=0.01)  # 3.5 standard errors
    assert lost[1:][lost[:-1]].mean() == pytest.approx(0.2, abs=0.025)


def test_bursts_have_the_ratio_and_the_mean_length_asked_for() -> None:
    conditions = Conditions(burst=Burst.of(0.05, 6.0))

    dropped = [d.dropped for d in talk(link(conditions), 60_000)]

    runs = [len(list(run)) for why, run in groupby(dropped) if why is not None]
    assert sum(runs) / len(dropped) == pytest.approx(0.05, rel=0.12)
    assert np.mean(runs) == pytest.approx(6.0, rel=0.12)
    assert set(dropped) == {None, DropReason.BURST}


def test_partial_bursts_follow_the_stationary_loss_of_the_chain() -> None:
    burst = Burst(enter=0.02, leave=0.3, loss_in_bad=0.7, loss_in_good=0.01)

    dropped = [d.dropped for d in talk(link(Conditions(burst=burst)), 60_000)]

    ratio = sum(why is not None for why in dropped) / len(dropped)
    assert burst.mean_loss == pytest.approx(0.02 / 0.32 * 0.7 + 0.30 / 0.32 * 0.01)
    assert ratio == pytest.approx(burst.mean_loss, rel=0.08)


@pytest.mark.parametrize(
    ("shape", "mean_ms", "p50_ms", "p95_ms"),
    [
        ("uniform", 100.0, 100.0, 118.0),  # 100 +- 20
        ("normal", 100.0, 100.0, 132.9),  # 100 + 1.645 * 20
        ("exponential", 120.0, 113.86, 159.9),  # 100 + 20 ln 2, 100 + 20 ln 20
        ("pareto", 119.9, 110.4, 168.6),  # 100 + 40 (2^(1/3) - 1), 40 (20^(1/3) - 1)
    ],
)
def test_jitter_follows_its_distribution(
    shape: str, mean_ms: float, p50_ms: float, p95_ms: float
) -> None:
    conditions = Conditions(
        delay_ms=100.0, jitter_ms=20.0, jitter_shape=shape, keep_order=False
    )

    got = delays_ms(talk(link(conditions), 20_000))

    assert got.mean() == pytest.approx(mean_ms, abs=0.8)
    assert np.percentile(got, 50) == pytest.approx(p50_ms, abs=0.8)
    assert np.percentile(got, 95) == pytest.approx(p95_ms, abs=2.0)


def test_correlation_bends_time_but_not_the_histogram() -> None:
    def run(correlation: float) -> np.ndarray:
        conditions = Conditions(
            delay_ms=100.0,
            jitter_ms=20.0,
            jitter_shape="exponential",
            jitter_correlation=correlation,
            keep_order=False,
        )
        return delays_ms(talk(link(conditions), 30_000))

    loose, tied = run(0.0), run(0.9)

    assert np.corrcoef(loose[1:], loose[:-1])[0, 1] == pytest.approx(0.0, abs=0.03)
    assert np.corrcoef(tied[1:], tied[:-1])[0, 1] > 0.75
    for percent in (10, 50, 90):
        assert np.percentile(tied, percent) == pytest.approx(
            np.percentile(loose, percent), abs=4.0
        )


def test_jitter_reorders_only_without_keep_order() -> None:
    def inversions(keep_order: bool) -> int:
        conditions = Conditions(delay_ms=50.0, jitter_ms=50.0, keep_order=keep_order)
        arrivals = [d.arrivals_s[0] for d in talk(link(conditions), 1_000)]
        return int((np.diff(arrivals) < 0).sum())

    assert inversions(keep_order=True) == 0
    assert inversions(keep_order=False) > 100


def test_reordering_holds_back_its_share_and_nothing_else() -> None:
    conditions = Conditions(delay_ms=10.0, reorder=0.1, reorder_ms=25.0)

    decisions = talk(link(conditions), 10_000)

    held = [d for d in decisions if d.held_back]
    assert len(held) / 10_000 == pytest.approx(0.1, abs=0.01)
    assert delays_ms(held) == pytest.approx(35.0)
    assert delays_ms([d for d in decisions if not d.held_back]) == pytest.approx(10.0)


def test_duplicates_come_at_their_rate_and_lag() -> None:
    conditions = Conditions(delay_ms=10.0, duplicate=0.1, duplicate_ms=3.0)

    twice = [
        d.arrivals_s for d in talk(link(conditions), 10_000) if len(d.arrivals_s) > 1
    ]

    assert len(twice) / 10_000 == pytest.approx(0.1, abs=0.01)
    assert all(second - first == pytest.approx(0.003) for first, second in twice)


def test_the_rate_limit_passes_its_rate_headers_included() -> None:
    conditions = Conditions(rate_kbps=400.0, queue_ms=200.0)

    decisions = talk(link(conditions), 5_000, spacing_s=0.01)  # twice the rate

    arrived = [d.arrivals_s[0] for d in decisions if d.arrivals_s]
    kbps = len(arrived) * (AUDIO_BYTES + 28) * 8 / (arrived[-1] * 1e3)
    assert kbps == pytest.approx(400.0, rel=0.005)


def test_a_packet_alone_takes_its_own_time_on_the_link() -> None:
    decision = link(Conditions(rate_kbps=80.0)).submit(972, 1.0)

    assert decision.arrivals_s == (pytest.approx(1.1),)


def test_the_queue_is_bounded_in_bytes() -> None:
    conditions = Conditions(rate_kbps=100.0, queue_bytes=3 * 1_028, queue_ms=60_000.0)

    fates = [link_decision.dropped for link_decision in _burst_of(6, conditions)]

    assert fates == [None] * 3 + [DropReason.QUEUE_FULL] * 3


def test_the_queue_is_bounded_in_time() -> None:
    # Each packet takes 82 ms: the wait of the nth is 82 n.
    conditions = Conditions(rate_kbps=100.0, queue_ms=200.0)

    fates = [decision.dropped for decision in _burst_of(6, conditions)]

    assert fates == [None] * 3 + [DropReason.QUEUE_WAIT] * 3


def test_an_empty_queue_takes_a_packet_larger_than_itself() -> None:
    decision = link(Conditions(rate_kbps=100.0, queue_bytes=0)).submit(1_400, 0.0)

    assert decision.dropped is None


def test_a_faster_link_does_not_overtake_what_still_waits() -> None:
    path = link(Conditions(rate_kbps=100.0))
    slow = path.submit(AUDIO_BYTES, 0.0)
    path.replace(Profile(up=Conditions()), 0.001)

    assert path.submit(AUDIO_BYTES, 0.001).arrivals_s[0] >= slow.arrivals_s[0]


def test_what_is_under_way_is_bounded_in_packets_and_bytes() -> None:
    slow = Conditions(delay_ms=10_000.0)
    by_packets = link(slow, max_packets=2, max_bytes=10**6)
    by_bytes = link(slow, max_packets=100, max_bytes=2_500)

    for path in (by_packets, by_bytes):
        fates = [path.submit(AUDIO_BYTES, 0.0).dropped for _ in range(3)]
        assert fates == [None, None, DropReason.OVERFLOW]


def test_a_clock_that_goes_back_stands_still() -> None:
    path = link(Conditions())
    path.submit(1, 5.0)

    assert path.submit(1, 4.0).arrivals_s == (5.0,)


def _burst_of(n: int, conditions: Conditions) -> list[Decision]:
    path = link(conditions)
    return [path.submit(AUDIO_BYTES, 0.0) for _ in range(n)]

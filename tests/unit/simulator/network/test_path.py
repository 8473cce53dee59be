"""Both directions in one heap: order, deadlines, counters, changes in time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.network import (
    Arrival,
    Blackout,
    Conditions,
    DropReason,
    NetworkPath,
    Profile,
    Rebind,
    Rebinding,
    Replace,
)

SLOW = Conditions(delay_ms=100.0)


def path(profile: Profile, start_s: float = 0.0) -> NetworkPath[int]:
    return NetworkPath(profile, seed=7, start_s=start_s)


def arrivals(network: NetworkPath[int], now_s: float) -> list[int]:
    return [a.packet for a in network.due(now_s) if isinstance(a, Arrival)]


def test_nothing_is_due_before_its_time() -> None:
    network = path(Profile(up=SLOW))
    network.submit("up", 10, 1.0, 1)

    assert network.next_deadline() == pytest.approx(1.1)
    assert network.due(1.099) == []
    assert arrivals(network, 1.1001) == [1]
    assert network.next_deadline() is None


def test_equal_times_keep_the_order_of_submission() -> None:
    network = path(Profile(up=SLOW, down=SLOW))
    for i in range(20):
        network.submit("up" if i % 2 else "down", 10, 1.0, i)

    assert arrivals(network, 2.0) == list(range(20))


def test_each_direction_has_its_own_conditions() -> None:
    network = path(Profile(up=SLOW, down=Conditions(loss=1.0)))
    network.submit("up", 10, 0.0, 1)
    network.submit("down", 10, 0.0, 2)

    assert arrivals(network, 1.0) == [1]
    assert network.counters("up").forwarded == 1
    assert network.counters("down").dropped[DropReason.LOSS] == 1


impaired = st.builds(
    Conditions,
    delay_ms=st.floats(40.0, 80.0),
    jitter_ms=st.floats(0.0, 40.0),
    keep_order=st.booleans(),
    loss=st.floats(0.0, 0.5),
    reorder=st.floats(0.0, 0.5),
    duplicate=st.floats(0.0, 0.5),
    rate_kbps=st.none() | st.floats(100.0, 2_000.0),
)
steps = st.lists(
    st.tuples(st.sampled_from(["up", "down"]), st.floats(0.0, 0.05)), max_size=80
)


@given(impaired, impaired, steps)
@settings(max_examples=60, deadline=None)
def test_the_account_balances_at_every_step_and_arrivals_come_in_order_of_time(
    up: Conditions, down: Conditions, packets: list[tuple[str, float]]
) -> None:
    network = path(Profile(up=up, down=down))
    now_s, last_s, seen = 0.0, 0.0, []

    def collect() -> None:
        nonlocal last_s
        for arrival in network.due(now_s):
            assert isinstance(arrival, Arrival)
            assert last_s <= arrival.at_s <= now_s
            last_s = arrival.at_s
            if not arrival.is_duplicate:
                seen.append(arrival.packet)

    for i, (direction, gap_s) in enumerate(packets):
        now_s += gap_s
        collect()
        network.submit(direction, 500, now_s, i)  # type: ignore[arg-type]
        for each in ("up", "down"):
            count = network.counters(each)  # type: ignore[arg-type]
            assert count.received == count.forwarded + count.lost + count.under_way
    while (deadline_s := network.next_deadline()) is not None:
        now_s = max(now_s, deadline_s)
        collect()

    totals = [network.counters("up"), network.counters("down")]
    assert len(seen) == len(set(seen)) == sum(c.forwarded for c in totals)
    assert sum(c.under_way for c in totals) == 0
    assert sum(c.late_ms.n for c in totals) == sum(
        c.forwarded + c.duplicated for c in totals
    )


def test_reordered_counts_packets_that_arrived_after_a_later_one() -> None:
    network = path(Profile(up=Conditions(reorder=0.2, reorder_ms=25.0)))
    order = []
    for i in range(500):
        order += arrivals(network, i * 0.02)
        network.submit("up", 100, i * 0.02, i)
    order += arrivals(network, 100.0)

    newest, overtaken = -1, 0
    for number in order:
        overtaken += number < newest
        newest = max(newest, number)
    assert network.counters("up").reordered == overtaken > 50


def test_lateness_of_the_caller_is_recorded() -> None:
    network = path(Profile(up=SLOW))
    network.submit("up", 10, 0.0, 1)

    network.due(0.107)

    assert network.counters("up").late_ms.max_ms == pytest.approx(7.0)
    assert network.counters("up").delay_ms.max_ms == pytest.approx(100.0)


def test_a_change_holds_for_its_window_only() -> None:
    lossy = Conditions(loss=1.0)
    network = path(Profile(changes=(Replace(at_s=10.0, for_s=5.0, up=lossy),)), 1_000.0)
    fates = {
        t: network.submit("up", 10, 1_000.0 + t, 0).dropped
        for t in (0.0, 9.99, 10.0, 14.99, 15.0, 60.0)
    }

    assert fates == {
        0.0: None,
        9.99: None,
        10.0: DropReason.LOSS,
        14.99: DropReason.LOSS,
        15.0: None,
        60.0: None,
    }
    assert network.submit("down", 10, 1_012.0, 0).dropped is None


def test_a_repeated_blackout_comes_back() -> None:
    network = path(Profile(changes=(Blackout(at_s=2.0, for_s=1.0, every_s=10.0),)))

    lost = [t for t in range(40) if network.submit("up", 9, t + 0.5, 0).dropped]

    assert lost == [2, 12, 22, 32]
    assert network.counters("up").dropped[DropReason.BLACKOUT] == 4


def test_a_blackout_of_one_direction_leaves_the_other() -> None:
    network = path(
        Profile(changes=(Blackout(at_s=0.0, for_s=9.0, directions=("up",)),))
    )

    assert network.submit("up", 9, 1.0, 0).dropped is DropReason.BLACKOUT
    assert network.submit("down", 9, 1.0, 0).dropped is None


def test_a_blackout_that_holds_gives_everything_back_in_a_heap_and_in_order() -> None:
    held = Blackout(at_s=1.0, for_s=0.5, hold=True)
    network = path(Profile(up=SLOW, changes=(held,)))
    for i in range(10):
        network.submit("up", 9, 1.0 + i * 0.05, i)
    network.submit("up", 9, 1.55, 10)

    assert arrivals(network, 1.599) == []
    assert arrivals(network, 1.601) == list(range(10))
    assert arrivals(network, 1.651) == [10]


def test_what_was_under_way_arrives_during_a_blackout() -> None:
    network = path(Profile(up=SLOW, changes=(Blackout(at_s=1.0, for_s=5.0),)))
    network.submit("up", 9, 0.95, 1)

    assert arrivals(network, 1.06) == [1]


def test_rebindings_are_told_in_their_place() -> None:
    network = path(Profile(up=SLOW, changes=(Rebind(at_s=5.0),)), 100.0)
    network.submit("up", 9, 104.88, 1)
    network.submit("up", 9, 104.92, 2)

    out = network.due(106.0)

    assert [type(event) for event in out] == [Arrival, Rebinding, Arrival]
    assert network.next_deadline() is None


@given(st.floats(0.0, 1e6), st.floats(0.1, 50.0), st.floats(0.1, 50.0))
@settings(max_examples=100, deadline=None)
def test_repeated_rebindings_go_on_whatever_the_clock_reads(
    start_s: float, at_s: float, every_s: float
) -> None:
    """Rounding of a large clock must neither repeat one for ever nor lose them."""
    network = path(Profile(changes=(Rebind(at_s=at_s, every_s=every_s),)), start_s)
    for i in range(5):
        deadline_s = network.next_deadline()
        assert deadline_s == pytest.approx(start_s + at_s + i * every_s, abs=1e-3)
        assert deadline_s is not None
        assert len(network.due(deadline_s)) == 1


def test_a_late_caller_gets_one_rebinding_for_all_that_passed() -> None:
    network = path(Profile(changes=(Rebind(at_s=1.0, every_s=1.0),)))

    assert len(network.due(1_000.5)) == 1
    assert network.next_deadline() == pytest.approx(1_001.0)


def test_a_profile_set_by_hand_counts_its_time_from_then() -> None:
    network = path(Profile())
    network.replace(Profile(changes=(Blackout(at_s=1.0, for_s=1.0),)), 50.0)

    assert network.submit("up", 9, 50.5, 0).dropped is None
    assert network.submit("up", 9, 51.5, 0).dropped is DropReason.BLACKOUT


def test_a_refused_packet_is_in_the_account() -> None:
    network = path(Profile())
    network.refuse("down", 100, DropReason.STALE_ADDRESS)

    counters = network.counters("down")
    assert (counters.received, counters.lost, counters.under_way) == (1, 1, 0)

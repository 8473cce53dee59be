"""Token buckets: a burst, then a steady rate, in bounded memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.auth.limits import Buckets, Rate, address_name
from server.errors import RateLimitedError


def test_after_the_burst_one_waits_as_told() -> None:
    buckets = Buckets(Rate(per_s=2.0, burst=3.0))
    for _ in range(3):
        buckets.take("ann", 10.0)
    with pytest.raises(RateLimitedError) as caught:
        buckets.take("ann", 10.0)

    assert caught.value.retry_after_s == 0.5
    buckets.take("ann", 10.5)


def test_one_empties_only_ones_own_bucket() -> None:
    buckets = Buckets(Rate(per_s=1.0, burst=1.0))
    buckets.take("ann", 0.0)
    buckets.take("bob", 0.0)
    with pytest.raises(RateLimitedError):
        buckets.take("ann", 0.0)


def test_memory_is_bounded_and_the_one_unused_longest_goes() -> None:
    buckets = Buckets(Rate(per_s=1.0, burst=1.0), max_buckets=2)
    for name in ("ann", "bob"):
        buckets.take(name, 0.0)
    with pytest.raises(RateLimitedError):
        buckets.take("ann", 0.0)  # used just now, although refused
    buckets.take("eve", 0.0)

    assert len(buckets) == 2
    with pytest.raises(RateLimitedError):
        buckets.take("ann", 0.0)


@given(
    rate=st.builds(Rate, st.floats(0.1, 100.0), st.floats(1.0, 100.0)),
    gaps=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=200),
)
def test_no_pattern_of_asking_gets_more_than_burst_and_rate(
    rate: Rate, gaps: list[float]
) -> None:
    buckets = Buckets(rate)
    now_s, granted = 0.0, 0
    for gap_s in gaps:
        now_s += gap_s
        try:
            buckets.take("ann", now_s)
            granted += 1
        except RateLimitedError:
            continue

    assert granted <= rate.burst + rate.per_s * now_s + 1e-6


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::"),
        ("testclient", "testclient"),
    ],
)
def test_ipv6_addresses_are_counted_by_their_network(address: str, name: str) -> None:
    assert address_name(address) == name

"""Packets by number, back in order, without delay when nothing is wrong."""

from hypothesis import given
from hypothesis import strategies as st

from server.audio.reorder import LOST, ReorderWindow


def push_all(window: ReorderWindow, numbers: list[int]) -> list[object]:
    out: list[object] = []
    for n in numbers:
        out += [
            LOST if p is LOST else int(p)
            for p in window.push(n % 65536, str(n % 65536).encode())
        ]
    return out


def test_packets_in_order_leave_the_moment_they_come() -> None:
    window = ReorderWindow()

    assert window.push(7, b"a") == [b"a"]
    assert window.push(8, b"b") == [b"b"]


def test_two_swapped_packets_are_put_right() -> None:
    assert push_all(ReorderWindow(), [1, 3, 2, 4]) == [1, 2, 3, 4]


def test_a_lost_packet_is_given_up_when_three_wait_behind_it() -> None:
    window = ReorderWindow(depth=2)

    assert push_all(window, [1, 3, 4]) == [1]
    assert push_all(window, [5]) == [LOST, 3, 4, 5]
    assert window.counters.lost == 1


def test_delay_returns_to_nothing_after_a_loss() -> None:
    """aiortc's own buffer keeps every delay it gained; this must not."""
    window = ReorderWindow()
    push_all(window, [1, 3, 4, 5])

    assert push_all(window, [6]) == [6]


def test_a_packet_that_was_given_up_is_not_played_late() -> None:
    window = ReorderWindow()
    push_all(window, [1, 3, 4, 5])

    assert push_all(window, [2]) == []
    assert window.counters.late == 1


def test_numbers_wrap_around() -> None:
    assert push_all(ReorderWindow(), [65534, 65535, 65536, 65537]) == [
        65534,
        65535,
        0,
        1,
    ]


def test_a_long_pause_is_not_concealed_packet_by_packet() -> None:
    out = push_all(ReorderWindow(), [1, 500, 501, 502])

    assert out.count(LOST) == 10
    assert out[-3:] == [500, 501, 502]


def test_a_new_stream_is_followed_in_both_directions() -> None:
    assert push_all(ReorderWindow(), [1, 30_000, 30_001]) == [1, 30_000, 30_001]
    assert push_all(ReorderWindow(), [30_000, 100, 101]) == [30_000, 100, 101]


def test_a_repeated_packet_is_played_once() -> None:
    assert push_all(ReorderWindow(), [1, 1, 2, 2, 4, 4, 3]) == [1, 2, 3, 4]


@given(st.lists(st.integers(0, 300), max_size=200), st.integers(0, 65535))
def test_whatever_comes_order_is_kept_and_nothing_is_repeated(
    steps: list[int], start: int
) -> None:
    out = push_all(ReorderWindow(), [start + n for n in steps])
    played = [(n - start) % 65536 for n in out if n is not LOST]

    assert all(n in steps for n in played)
    unwrapped = [n if n < 32768 else n - 65536 for n in played]
    assert unwrapped == sorted(set(unwrapped))


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(0, 65_535))
def test_taking_the_next_one_at_once_changes_nothing(
    order: list[int], first: int
) -> None:
    """`take_next` and `push` tell the same story in every order of arrival."""
    with_both: ReorderWindow[int] = ReorderWindow(2)
    pushed: ReorderWindow[int] = ReorderWindow(2)
    for n in order:
        sequence = (first + n) % 65_536
        if with_both.take_next(sequence):
            assert pushed.push(sequence, n) == [n]
        else:
            assert with_both.push(sequence, n) == pushed.push(sequence, n)
        assert with_both.missing == pushed.missing
    assert with_both.counters == pushed.counters

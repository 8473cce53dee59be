"""The buffer between a sender's clock and our tick."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.audio.format import FRAME_SAMPLES
from server.audio.playout import PlayoutBuffer

FRAME = np.arange(1, FRAME_SAMPLES + 1, dtype=np.int16)


def numbered(n: int) -> np.ndarray:
    return np.full(FRAME_SAMPLES, n, np.int16)


def test_a_frame_goes_in_and_the_same_comes_out() -> None:
    buffer = PlayoutBuffer()
    buffer.push(FRAME, lead_ms=10)

    assert np.array_equal(buffer.pull(), FRAME)
    assert buffer.pull() is None


def test_it_waits_for_a_whole_frame_before_it_starts() -> None:
    buffer = PlayoutBuffer()
    buffer.push(FRAME[:200], lead_ms=10)

    assert buffer.pull() is None
    buffer.push(FRAME[200:], lead_ms=10)
    assert np.array_equal(buffer.pull(), FRAME)


def test_the_tail_of_a_burst_is_played_and_padded() -> None:
    buffer = PlayoutBuffer()
    buffer.push(np.concatenate((FRAME, FRAME[:100])), lead_ms=10)
    buffer.pull()

    tail = buffer.pull()

    assert tail is not None
    assert np.array_equal(tail[:100], FRAME[:100])
    assert not tail[100:].any()


def test_a_burst_beyond_the_bound_loses_the_oldest() -> None:
    buffer = PlayoutBuffer(capacity_ms=60)
    for n in range(1, 6):
        buffer.push(numbered(n), lead_ms=10)

    assert len(buffer) == 3 * FRAME_SAMPLES
    assert buffer.counters.dropped == 2 * FRAME_SAMPLES
    assert [int(buffer.pull()[0]) for _ in range(3)] == [3, 4, 5]


def test_one_message_larger_than_the_buffer_keeps_its_end() -> None:
    buffer = PlayoutBuffer(capacity_ms=40)
    buffer.push(np.concatenate([numbered(n) for n in range(1, 11)]), lead_ms=10)

    assert [int(buffer.pull()[0]) for _ in range(2)] == [9, 10]


def test_a_late_frame_costs_one_silent_frame_and_buys_one_of_delay() -> None:
    buffer = PlayoutBuffer()
    buffer.push(numbered(1), lead_ms=1)
    assert buffer.pull() is not None
    assert buffer.pull() is None  # frame 2 is late
    buffer.push(numbered(2), lead_ms=19)
    buffer.push(numbered(3), lead_ms=1)

    played = []
    for n in range(4, 10):  # every further one is just as late
        played.append(int(buffer.pull()[0]))
        buffer.push(numbered(n), lead_ms=19)

    assert played == [2, 3, 4, 5, 6, 7]
    assert buffer.counters.underruns == 1


def test_what_a_burst_left_behind_is_cut_out_within_two_windows() -> None:
    buffer = PlayoutBuffer(window_frames=50)
    for n in range(5):
        buffer.push(numbered(n), lead_ms=12)
    for _ in range(100):
        buffer.pull()
        buffer.push(FRAME, lead_ms=12)

    assert len(buffer) == FRAME_SAMPLES
    assert buffer.counters.trimmed == 4 * FRAME_SAMPLES
    assert buffer.counters.dropped == 0


def test_a_frame_that_jitter_needs_is_not_cut() -> None:
    """Arrivals wobble around the tick: the spare frame is in use, so it stays."""
    buffer = PlayoutBuffer()
    buffer.push(FRAME, lead_ms=1)
    for n in range(400):
        buffer.push(FRAME, lead_ms=2 if n % 7 else 18)
        assert buffer.pull() is not None

    assert buffer.counters.trimmed == 0
    assert buffer.counters.underruns == 0


@pytest.mark.parametrize("ppm", [-200, 200])
def test_a_clock_that_is_wrong_by_200_ppm_stays_bounded_for_10_minutes(
    ppm: int,
) -> None:
    buffer = PlayoutBuffer()
    period_ms = 20 * (1 - ppm / 1e6)
    arrival_ms, depths = 3.0, []
    for tick in range(1, 30_001):
        while arrival_ms <= tick * 20:
            buffer.push(FRAME, lead_ms=tick * 20 - arrival_ms)
            arrival_ms += period_ms
        buffer.pull()
        depths.append(len(buffer))

    assert max(depths) <= 2 * FRAME_SAMPLES
    assert buffer.counters.dropped == 0
    assert buffer.counters.underruns <= 7


def test_flush_forgets_everything_and_counts_it() -> None:
    buffer = PlayoutBuffer()
    buffer.push(FRAME, lead_ms=10)

    assert buffer.flush() == FRAME_SAMPLES
    assert buffer.pull() is None
    assert buffer.counters.flushed == FRAME_SAMPLES


def test_a_buffer_smaller_than_two_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="40"):
        PlayoutBuffer(capacity_ms=30)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 3000), max_size=40), st.data())
def test_samples_are_counted_exactly_and_never_exceed_the_bound(
    sizes: list[int], data: st.DataObject
) -> None:
    buffer = PlayoutBuffer(capacity_ms=100)
    for size in sizes:
        buffer.push(np.ones(size, np.int16), lead_ms=data.draw(st.floats(0, 20)))
        if data.draw(st.booleans()):
            buffer.pull()
        assert len(buffer) <= 2400

    c = buffer.counters
    assert c.pushed == c.pulled + c.dropped + c.trimmed + len(buffer)

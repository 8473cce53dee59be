"""The buffer between a sender's clock and our tick."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.audio.format import FRAME_SAMPLES, RATE_HZ
from server.audio.playout import PlayoutBuffer

FRAME = np.arange(1, FRAME_SAMPLES + 1, dtype=np.int16) * 20


def numbered(n: int) -> np.ndarray:
    """Loud enough not to be taken for silence."""
    return np.full(FRAME_SAMPLES, 1000 * n, np.int16)


def numbers(frames: list[np.ndarray]) -> list[int]:
    return [int(frame[0]) // 1000 for frame in frames]


def voice(n_frame: int, hz: float = 200.0) -> np.ndarray:
    t = (n_frame * FRAME_SAMPLES + np.arange(FRAME_SAMPLES)) / RATE_HZ
    return np.rint(8000 * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def silence() -> np.ndarray:
    return np.zeros(FRAME_SAMPLES, np.int16)


def test_a_frame_goes_in_and_the_same_comes_out() -> None:
    buffer = PlayoutBuffer()
    buffer.push(FRAME, lead_ms=10)

    assert np.array_equal(buffer.pull(), FRAME)
    assert len(buffer) == 0


def test_running_dry_in_mid_sound_is_filled_ever_more_quietly_then_silent() -> None:
    buffer = PlayoutBuffer()
    buffer.push(voice(0), lead_ms=10)
    buffer.pull()

    made_up = [buffer.pull() for _ in range(6)]

    peaks = [0 if frame is None else int(np.abs(frame).max()) for frame in made_up]
    assert peaks == sorted(peaks, reverse=True)
    assert 7000 < peaks[0] <= 8000
    assert made_up[4] is None
    assert buffer.counters.concealed == 4 * FRAME_SAMPLES
    assert buffer.counters.underruns == 1


def test_after_silence_and_after_a_pause_nothing_is_made_up() -> None:
    buffer = PlayoutBuffer()
    buffer.push(silence(), lead_ms=10)
    buffer.pull()
    assert buffer.pull() is None

    buffer.push(voice(0), lead_ms=10)
    buffer.pull()
    buffer.rest()
    assert buffer.pull() is None
    assert buffer.counters.concealed == 0


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
    assert numbers([buffer.pull() for _ in range(3)]) == [3, 4, 5]


def test_one_message_larger_than_the_buffer_keeps_its_end() -> None:
    buffer = PlayoutBuffer(capacity_ms=40)
    buffer.push(np.concatenate([numbered(n) for n in range(1, 11)]), lead_ms=10)

    assert numbers([buffer.pull() for _ in range(2)]) == [9, 10]


def test_a_late_frame_costs_one_made_up_frame_and_buys_one_of_delay() -> None:
    buffer = PlayoutBuffer()
    buffer.push(numbered(1), lead_ms=1)
    assert buffer.pull() is not None
    buffer.pull()  # frame 2 is late
    buffer.push(numbered(2), lead_ms=19)
    buffer.push(numbered(3), lead_ms=1)

    played = []
    for n in range(4, 10):  # every further one is just as late
        played.append(buffer.pull())
        buffer.push(numbered(n), lead_ms=19)

    assert numbers(played) == [2, 3, 4, 5, 6, 7]
    assert buffer.counters.underruns == 1


def test_what_a_burst_left_behind_in_speech_is_spliced_out_little_by_little() -> None:
    buffer = PlayoutBuffer(window_frames=50)
    for n in range(5):
        buffer.push(voice(n), lead_ms=12)
    heard, trimmed = [], [0]
    for n in range(5, 125):
        heard.append(buffer.pull())
        trimmed.append(buffer.counters.trimmed)
        buffer.push(voice(n), lead_ms=12)

    assert len(buffer) == FRAME_SAMPLES
    assert buffer.counters.trimmed == 4 * FRAME_SAMPLES
    assert buffer.counters.dropped == 0
    assert max(np.diff(trimmed)) <= 300  # 12.5 ms at a time
    steps = np.abs(np.diff(np.concatenate(heard).astype(int)))
    assert steps.max() < 1.5 * 8000 * 2 * np.pi * 200 / RATE_HZ  # no click


def test_what_a_burst_left_behind_in_silence_is_gone_before_the_next_word() -> None:
    """A 250 ms network hold while nobody speaks must not cost the speech after it."""
    buffer = PlayoutBuffer()
    for _ in range(13):
        buffer.push(silence(), lead_ms=10)
    buffer.pull()
    words = [voice(n) for n in range(20)]
    heard = []
    for word in words:
        buffer.push(word, lead_ms=10)
        heard.append(buffer.pull())
    heard += [buffer.pull() for _ in range(3)]

    sound = np.concatenate([f for f in heard if f is not None])
    first = int(np.flatnonzero(np.abs(sound) > 500)[0])
    assert np.array_equal(
        sound[first : first + 4800], np.concatenate(words)[first % 480 :][:4800]
    )
    assert first <= 3 * FRAME_SAMPLES


def test_beyond_the_bound_silence_goes_before_speech() -> None:
    buffer = PlayoutBuffer(capacity_ms=100)
    for n in range(10):
        buffer.push(voice(n) if n % 2 else silence(), lead_ms=10)

    assert buffer.counters.dropped == 5 * FRAME_SAMPLES
    heard = [buffer.pull() for _ in range(5)]
    assert np.array_equal(
        np.concatenate(heard), np.concatenate([voice(n) for n in (1, 3, 5, 7, 9)])
    )


def test_a_frame_that_jitter_needs_is_not_cut() -> None:
    """Arrivals wobble around the tick: the spare frame is in use, so it stays."""
    buffer = PlayoutBuffer()
    buffer.push(FRAME, lead_ms=1)
    for n in range(400):
        buffer.push(FRAME, lead_ms=2 if n % 7 else 18)
        assert buffer.pull() is not None

    assert buffer.counters.trimmed == 0
    assert buffer.counters.underruns == 0


@pytest.mark.parametrize("ppm", [-1000, -200, 200, 1000])
@pytest.mark.parametrize("talks", [True, False])
def test_a_clock_that_is_wrong_is_followed_for_10_minutes_without_a_hole(
    ppm: int, talks: bool
) -> None:
    buffer = PlayoutBuffer()
    period_ms = 20 * (1 - ppm / 1e6)
    tone, words = [voice(n) for n in range(5)], 60
    arrival_ms, n, depth, holes = 3.0, 0, 0, 0
    for tick in range(1, 30_001):
        while arrival_ms <= tick * 20:
            frame = tone[n % 5] if talks or n // words % 2 else silence()
            buffer.push(frame, lead_ms=tick * 20 - arrival_ms)
            arrival_ms += period_ms
            n += 1
        holes += buffer.pull() is None
        depth = max(depth, len(buffer))

    c = buffer.counters
    assert depth <= 2.5 * FRAME_SAMPLES
    assert (holes, c.dropped, c.underruns) == (0, 0, 0)
    drift = round(600 * 24_000 * ppm / 1e6)
    assert c.trimmed - c.stretched == pytest.approx(drift, abs=3 * FRAME_SAMPLES)
    assert c.trimmed + c.stretched < abs(drift) + 4 * FRAME_SAMPLES


def test_flush_forgets_everything_and_counts_it() -> None:
    buffer = PlayoutBuffer()
    buffer.push(FRAME, lead_ms=10)

    assert buffer.flush() == FRAME_SAMPLES
    assert buffer.pull() is None  # and nothing is made up
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
        loud = data.draw(st.sampled_from([0, 5000]))
        buffer.push(np.full(size, loud, np.int16), lead_ms=data.draw(st.floats(0, 20)))
        if data.draw(st.booleans()):
            buffer.pull()
        assert len(buffer) <= 2400

    c = buffer.counters
    assert c.pushed + c.stretched == c.pulled + c.dropped + c.trimmed + len(buffer)

"""The playout of answers that come faster than they are spoken."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from server.audio.format import FRAME_SAMPLES, Pcm
from server.realtime.playback import (
    CAPACITY_SAMPLES,
    LISTENER_DELAY_MS,
    Began,
    Cut,
    Finished,
    Playback,
)


def speech(ms: int, value: int = 1_000) -> Pcm:
    return np.full(ms * 24, value, np.int16)


def pull(playback: Playback, n: int) -> tuple[list[Pcm], list[object]]:
    frames: list[Pcm] = []
    changes: list[object] = []
    for _ in range(n):
        frame, changed = playback.pull()
        frames.append(frame)
        changes += changed
    return frames, changes


def test_an_answer_is_handed_out_at_one_frame_per_tick_and_framed_by_events() -> None:
    playback = Playback()
    playback.add("r1", "i1", 0, speech(250))
    playback.add("r1", "i1", 0, speech(250))
    playback.response_done("r1")

    frames, changes = pull(playback, 30)

    assert changes == [Began("r1"), Finished("r1")]
    assert sum(int((frame != 0).sum()) for frame in frames) == 500 * 24


def test_a_pause_in_the_stream_does_not_end_the_answer() -> None:
    playback = Playback()
    playback.add("r1", "i1", 0, speech(40))
    assert pull(playback, 10)[1] == [Began("r1")]
    playback.add("r1", "i1", 0, speech(40))

    assert pull(playback, 10)[1] == []


def test_a_cut_says_what_was_heard_and_drops_what_still_comes() -> None:
    playback = Playback()
    playback.add("r1", "i1", 0, speech(5_000))
    pull(playback, 50)

    assert playback.cut() == Cut("r1", "i1", 0, 1_000 - LISTENER_DELAY_MS)
    playback.add("r1", "i1", 0, speech(250))
    frames, changes = pull(playback, 5)
    assert not any(frame.any() for frame in frames)
    assert changes == []
    assert playback.cut() is None


def test_the_second_item_of_an_answer_is_cut_in_its_own_time() -> None:
    playback = Playback()
    playback.add("r1", "i1", 0, speech(1_000))
    playback.add("r1", "i2", 0, speech(1_000))
    pull(playback, 75)

    assert playback.cut() == Cut("r1", "i2", 0, 500 - LISTENER_DELAY_MS)


def test_two_answers_follow_each_other() -> None:
    playback = Playback()
    playback.add("r1", "i1", 0, speech(100))
    playback.response_done("r1")
    playback.add("r2", "i2", 0, speech(100))
    playback.response_done("r2")

    changes = pull(playback, 20)[1]

    assert changes == [Began("r1"), Finished("r1"), Began("r2"), Finished("r2")]


def test_an_endless_answer_is_bounded() -> None:
    playback = Playback()
    for _ in range(8):
        playback.add("r1", "i1", 0, speech(60_000))

    assert playback.waiting_ms == CAPACITY_SAMPLES / 24
    assert playback.dropped_samples == 8 * 60_000 * 24 - CAPACITY_SAMPLES


@given(st.lists(st.integers(1, 700), min_size=1, max_size=40))
def test_no_sample_is_lost_or_reordered_however_it_comes(sizes: list[int]) -> None:
    playback = Playback()
    total = sum(sizes)
    pcm = (np.arange(total) % 30_000 + 1).astype(np.int16)
    start = 0
    for size in sizes:
        playback.add("r1", "i1", 0, pcm[start : start + size])
        start += size
    playback.response_done("r1")

    frames, _ = pull(playback, total // FRAME_SAMPLES + 2)

    heard = np.concatenate(frames)
    assert (heard[:total] == pcm).all()
    assert not heard[total:].any()

"""The output buffer and the input buffer, against plain arrays."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fake_openai.session.input_audio import InputAudio
from fake_openai.session.playout import Cleared, CutItem, Playout, Started, Stopped

Pcm = NDArray[np.int16]


def ramp(n_samples: int, first: int = 1) -> Pcm:
    return np.arange(first, first + n_samples).astype(np.int16)


@given(
    pieces=st.lists(st.integers(0, 2_000), max_size=12),
    pulls=st.lists(st.integers(1, 1_500), min_size=1, max_size=40),
)
def test_everything_pushed_is_pulled_once_and_in_order(
    pieces: list[int], pulls: list[int]
) -> None:
    playout, pushed = Playout(), 0
    for number, size in enumerate(pieces):
        playout.push("r", f"item{number // 3}", 0, ramp(size, pushed + 1))
        pushed += size
    playout.finish("r")

    heard, happened = [], []
    for n in [*pulls, 25_000]:
        pcm, changes = playout.pull(n)
        happened += changes
        if pcm is not None:
            assert pcm.size == n
            heard.append(pcm[pcm != 0])

    assert np.array_equal(np.concatenate([*heard, ramp(0)]), ramp(pushed))
    assert happened == ([Started("r"), Stopped("r")] if pushed else [])


def test_nothing_is_playing_before_and_after() -> None:
    playout = Playout()
    assert playout.pull(480) == (None, [])
    playout.push("r", "i", 0, ramp(480))
    playout.finish("r")
    playout.pull(480)

    assert playout.pull(480) == (None, [])


def test_an_underrun_is_silence_and_not_the_end() -> None:
    playout = Playout()
    playout.push("r", "i", 0, ramp(100))

    first, _ = playout.pull(480)
    second, changes = playout.pull(480)

    assert first is not None
    assert second is not None
    assert first[100:].any() == second.any() == np.False_
    assert changes == []
    assert playout.finish("r") == [Stopped("r")]


def test_a_second_response_plays_after_the_first() -> None:
    playout = Playout()
    playout.push("a", "i", 0, ramp(300))
    playout.push("b", "j", 0, ramp(300, 1_000))
    playout.finish("a")
    playout.finish("b")

    pcm, changes = playout.pull(480)

    assert pcm is not None
    assert np.array_equal(pcm, np.concatenate([ramp(300), ramp(180, 1_000)]))
    assert changes == [Started("a"), Stopped("a"), Started("b")]


def test_clearing_tells_how_much_of_each_item_was_played() -> None:
    playout = Playout()
    playout.push("r", "one", 0, ramp(480))
    playout.push("r", "two", 0, ramp(4_800))
    playout.push("r", "three", 0, ramp(4_800))
    playout.pull(960)

    assert playout.clear() == [
        Cleared("r", (CutItem("two", 0, 20, 480), CutItem("three", 0, 0, 0)))
    ]
    assert playout.pull(480) == (None, [])


def test_what_is_generated_after_clearing_is_not_played() -> None:
    playout = Playout()
    playout.push("r", "i", 0, ramp(480))
    playout.clear()
    playout.push("r", "i", 0, ramp(480))
    assert playout.pull(480) == (None, [])

    playout.finish("r")
    playout.push("s", "j", 0, ramp(480))

    assert playout.pull(480)[1] == [Started("s")]


@given(
    sizes=st.lists(st.integers(0, 700), max_size=20),
    start=st.integers(0, 5_000),
    length=st.integers(0, 5_000),
    forget=st.integers(0, 5_000),
    limit=st.integers(1, 6_000),
)
def test_the_input_buffer_gives_back_what_was_written(
    sizes: list[int], start: int, length: int, forget: int, limit: int
) -> None:
    audio, written = InputAudio(limit), ramp(0)
    for size in sizes:
        piece = ramp(size, written.size + 1)
        written = np.concatenate([written, piece])
        audio.append(piece)
    audio.forget_before(forget)

    kept = max(min(forget, written.size), written.size - limit, 0)
    assert (audio.start, audio.end) == (kept, written.size)
    lower = max(start, kept)
    upper = max(lower, start + length)
    assert np.array_equal(audio.cut(start, start + length), written[lower:upper])

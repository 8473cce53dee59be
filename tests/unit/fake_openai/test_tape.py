"""A recording keeps its place on the clock and its size in bounds."""

import io
import wave

import numpy as np

from fake_openai.tape import Anchor, MemoryBudget, Tape, wav_bytes


def samples(value: int, n_samples: int = 480) -> np.ndarray:
    return np.full(n_samples, value, dtype=np.int16)


def test_samples_and_anchors_come_back_in_order() -> None:
    tape = Tape(MemoryBudget(10**6), max_s=60)

    tape.append(samples(1), 10.0)
    tape.append_silence(480, 10.02)
    tape.append(samples(3), 10.04)

    assert tape.anchors() == [Anchor(0, 10.0), Anchor(480, 10.02), Anchor(960, 10.04)]
    assert [int(v) for v in tape.pcm()[::480]] == [1, 0, 3]


def test_old_audio_goes_and_indices_stay() -> None:
    tape = Tape(MemoryBudget(10**6), max_s=0.04)

    for n in range(4):
        tape.append(samples(n + 1), n / 50)

    assert tape.first_index == 960
    assert tape.anchors()[0] == Anchor(960, 0.04)
    assert [int(v) for v in tape.pcm()[::480]] == [0, 0, 3, 4]


def test_all_tapes_together_stay_within_their_memory() -> None:
    budget = MemoryBudget(20_000)
    one, other = Tape(budget, max_s=600), Tape(budget, max_s=600)

    for n in range(100):
        one.append(samples(1), n / 50)
        other.append(samples(2), n / 50)

    assert budget.used_bytes <= 20_000 + 2 * 1_120
    one.release()
    other.release()
    assert budget.used_bytes == 0


def test_a_wav_file_holds_the_samples() -> None:
    data = wav_bytes(samples(-5, 100))

    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (
            24_000,
            1,
            2,
        )
        assert np.array_equal(
            np.frombuffer(file.readframes(100), dtype="<i2"), samples(-5, 100)
        )


def test_a_piece_of_several_frames_has_an_anchor_for_each() -> None:
    tape = Tape(MemoryBudget(10**6), max_s=60)

    tape.append(samples(1, 1_000), 7.0)

    assert tape.anchors() == [Anchor(0, 7.0), Anchor(480, 7.0), Anchor(960, 7.0)]

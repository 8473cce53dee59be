"""A sum, never a mean, and never a wrap-around."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from server.audio.level import rms_dbfs
from server.audio.mixer import KNEE, add_up, limit, mix, mix_minus

frames = hnp.arrays(np.int16, 480)
quiet = hnp.arrays(np.int16, 480, elements=st.integers(-4000, 4000))


def tone(hz: float, peak: float = 4000) -> np.ndarray:
    t = np.arange(480 * 50) / 24_000
    return np.rint(peak * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def test_nobody_speaking_is_silence() -> None:
    assert not mix([]).any()
    assert mix([]).dtype == np.int16


@given(frames)
def test_one_talker_below_the_knee_comes_back_to_the_bit(frame: np.ndarray) -> None:
    frame = np.clip(frame, -KNEE, KNEE)

    assert np.array_equal(mix([frame]), frame)


@pytest.mark.parametrize("idle", [1, 5])
def test_idle_microphones_do_not_make_a_talker_quieter(idle: int) -> None:
    """A mean would cost 20*log10(n) dB: 15.6 dB in a room of six."""
    talker = tone(440)
    silence = np.zeros_like(talker)

    mixed = mix([talker, *[silence] * idle], talker.size)

    assert rms_dbfs(mixed) == pytest.approx(rms_dbfs(talker), abs=0.01)


def test_six_talkers_keep_each_tone_within_1_db() -> None:
    pitches = [300, 440, 620, 850, 1200, 1700]
    mixed = mix([tone(hz) for hz in pitches], 24_000).astype(float)

    spectrum = np.abs(np.fft.rfft(mixed)) / 12_000
    for hz in pitches:
        assert 20 * np.log10(spectrum[hz] / 4000) == pytest.approx(0, abs=1.0)


@given(st.lists(frames, min_size=1, max_size=6))
def test_the_sum_never_wraps(many: list[np.ndarray]) -> None:
    total = add_up(many)
    limited = limit(total)

    assert np.all((limited == 0) | (np.sign(limited) == np.sign(total)))
    assert np.all(np.abs(limited.astype(np.int32)) <= np.abs(total) + 1)


@given(st.lists(quiet, min_size=2, max_size=6))
def test_a_participant_hears_all_but_themselves(many: list[np.ndarray]) -> None:
    heard = mix_minus(add_up(many), many[0])

    assert np.array_equal(heard, mix(many[1:]))


def test_everybody_hears_the_assistant_on_top() -> None:
    own, other, assistant = tone(300)[:480], tone(440)[:480], tone(800)[:480]

    heard = mix_minus(add_up([own, other]), own, assistant)

    assert np.array_equal(heard, other + assistant)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fake_openai import utterances
from fake_openai.speech.level import active_level_dbfs, from_pcm
from fake_openai.speech.protocols import Word
from fake_openai.speech.stretch import fit, shift_pitch, stretch

SPEECH = from_pcm(utterances.load("a_weather_oslo").pcm)
WORDS = utterances.load("a_weather_oslo").words


def tone(hz: float, seconds: float = 1.0) -> NDArray[np.float64]:
    t = np.arange(int(24_000 * seconds)) / 24_000
    return np.asarray(0.3 * np.sin(2 * np.pi * hz * t), dtype=np.float64)


def pitch_hz(samples: NDArray[np.float64]) -> float:
    middle = samples[samples.size // 4 : samples.size * 3 // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.size), 96_000))
    return float(spectrum.argmax()) / 4


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.3, 2.0])
def test_stretching_changes_the_length_not_the_pitch_nor_the_level(
    factor: float,
) -> None:
    wanted = round(24_000 * factor)

    result = stretch(tone(180), wanted)

    assert result.size == wanted
    assert pitch_hz(result) == pytest.approx(180, rel=0.01)
    assert active_level_dbfs(result) == pytest.approx(
        active_level_dbfs(tone(180)), abs=0.5
    )


@given(n_from=st.integers(0, 4_000), n_to=st.integers(0, 6_000))
def test_stretching_any_length_to_any_other(n_from: int, n_to: int) -> None:
    result = stretch(np.ones(n_from), n_to)

    assert result.shape == (n_to,)
    assert np.isfinite(result).all()


@pytest.mark.parametrize("factor", [0.83, 1.0, 1.12])
def test_shifting_the_pitch_keeps_the_length(factor: float) -> None:
    result = shift_pitch(tone(300), factor)

    assert result.shape == (24_000,)
    assert pitch_hz(result) == pytest.approx(300 * factor, rel=0.01)


@pytest.mark.parametrize("duration_ms", [0, 1, 300, 1_200, 2_300, 4_000, 4_700, 30_000])
def test_speech_is_exactly_as_long_as_asked(duration_ms: int) -> None:
    samples, words = fit(SPEECH, WORDS, duration_ms)

    assert samples.size == duration_ms * 24
    assert all(word.end_ms <= duration_ms for word in words)


def test_stretched_words_stay_with_their_sound() -> None:
    slower, words = fit(SPEECH, WORDS, SPEECH.size * 3 // 2 // 24)

    assert [word.text for word in words] == [word.text for word in WORDS]
    assert words[-1].start_ms == pytest.approx(WORDS[-1].start_ms * 1.5, abs=1)
    assert active_level_dbfs(slower) == pytest.approx(active_level_dbfs(SPEECH), abs=1)


def test_long_talk_says_it_again_and_again() -> None:
    once_ms = SPEECH.size // 24

    samples, words = fit(SPEECH, WORDS, 30_000)

    again = (once_ms + 300) * 24
    np.testing.assert_array_equal(samples[again : again + SPEECH.size], SPEECH)
    said = [word.text for word in words[: 2 * len(WORDS)]]
    assert said == [word.text for word in WORDS] * 2


def test_too_short_a_time_breaks_off_without_a_click() -> None:
    samples, words = fit(SPEECH, WORDS, 400)

    assert samples[-1] == 0
    assert words == tuple(
        Word(w.text, w.start_ms, min(400, w.end_ms)) for w in WORDS if w.start_ms < 400
    )


def test_no_speech_can_only_be_silence() -> None:
    samples, words = fit(np.zeros(0), (), 100)

    assert samples.size == 2_400
    assert not samples.any()
    assert words == ()

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fake_openai.speech.level import (
    SILENCE_DBFS,
    active_level_dbfs,
    from_pcm,
    normalise,
    speech_extent,
    to_pcm,
)


def tone(seconds: float, *, amplitude: float = 1.0) -> NDArray[np.float64]:
    t = np.arange(int(24_000 * seconds)) / 24_000
    return np.asarray(amplitude * np.sin(2 * np.pi * 1_000 * t), dtype=np.float64)


def test_a_full_scale_sine_reads_minus_3_dbfs() -> None:
    assert active_level_dbfs(tone(1)) == pytest.approx(-3.01, abs=0.01)


def test_pauses_do_not_lower_the_active_level() -> None:
    with_pauses = np.concatenate([np.zeros(48_000), tone(1), np.zeros(48_000)])

    assert active_level_dbfs(with_pauses) == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("n_samples", [0, 1, 100, 24_000])
def test_silence_has_the_least_level(n_samples: int) -> None:
    assert active_level_dbfs(np.zeros(n_samples)) == SILENCE_DBFS


def test_normalising_sets_the_active_level() -> None:
    assert active_level_dbfs(normalise(tone(1, amplitude=0.01))) == pytest.approx(-20)


def test_normalising_never_lets_a_peak_clip() -> None:
    quiet_with_a_click = tone(1, amplitude=0.001)
    quiet_with_a_click[12_000] = 1.0

    assert np.abs(normalise(quiet_with_a_click, 0.0)).max() <= 10 ** (-1 / 20) + 1e-9


@pytest.mark.parametrize("n_samples", [0, 1, 24_000])
def test_normalised_silence_is_silence(n_samples: int) -> None:
    assert not normalise(np.zeros(n_samples)).any()


def test_speech_is_found_to_the_millisecond() -> None:
    samples = np.concatenate([np.zeros(24 * 100), tone(0.3), np.zeros(24 * 50)])

    extent = speech_extent(samples)

    assert extent is not None
    # The 5 ms window sees the first full-scale millisecond up to 2 ms before it.
    assert (extent.start_ms, extent.end_ms) == (98, 402)
    assert extent.longest_pause_ms == 0


def test_the_longest_pause_is_measured() -> None:
    pause = [np.zeros(24 * 40), np.zeros(24 * 200)]
    samples = np.concatenate(
        [tone(0.1), pause[0], tone(0.1), pause[1], tone(0.1)],
    )

    extent = speech_extent(samples)

    assert extent is not None
    assert extent.longest_pause_ms == pytest.approx(200, abs=5)


@pytest.mark.parametrize("n_samples", [0, 1, 24, 24_000])
def test_silence_has_no_extent(n_samples: int) -> None:
    assert speech_extent(np.zeros(n_samples)) is None


def test_too_loud_samples_are_clipped_not_wrapped() -> None:
    assert to_pcm(np.array([-2.0, -1.0, 0.0, 2.0])).tolist() == [
        -32768,
        -32768,
        0,
        32767,
    ]


def test_pcm_survives_the_way_to_float_and_back() -> None:
    pcm = np.arange(-32768, 32768, 7).astype(np.int16)

    assert np.array_equal(to_pcm(from_pcm(pcm)), pcm)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fake_openai.speech.resample import resample

RATES_HZ = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000]


def sine(hz: float, rate_hz: int, seconds: float = 1.0) -> NDArray[np.float64]:
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    return np.asarray(np.sin(2 * np.pi * hz * t), dtype=np.float64)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_tone_keeps_pitch_level_and_place(rate_hz: int) -> None:
    result = resample(sine(1_000, rate_hz), rate_hz, 24_000)

    expected = sine(1_000, 24_000)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result[300:-300], expected[300:-300], atol=1e-3)


def test_what_does_not_fit_is_gone() -> None:
    result = resample(sine(15_000, 48_000), 48_000, 24_000)

    assert np.abs(result[300:-300]).max() < 1e-3


@given(
    n_samples=st.integers(0, 3_000),
    from_hz=st.sampled_from(RATES_HZ),
    to_hz=st.sampled_from([16_000, 24_000]),
)
def test_the_length_is_that_of_the_time(
    n_samples: int, from_hz: int, to_hz: int
) -> None:
    result = resample(np.zeros(n_samples), from_hz, to_hz)

    assert result.size == -(-n_samples * to_hz // from_hz)


def test_an_end_does_not_ring_into_the_beginning() -> None:
    """The transform is circular; the padding has to keep its ends apart."""
    samples = np.zeros(22_050)
    samples[-50:] = 1.0

    assert np.abs(resample(samples, 22_050, 24_000)[:20_000]).max() < 1e-2

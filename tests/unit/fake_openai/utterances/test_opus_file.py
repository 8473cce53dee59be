from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fake_openai.utterances.opus_file import (
    decode_opus_file,
    encode_opus_file,
    halve_rate,
)

RATE_HZ = 24_000


def sweep(n_samples: int) -> NDArray[np.int16]:
    """A tone that rises from 200 Hz to 2.2 kHz in a second: every sample differs."""
    t = np.arange(n_samples) / RATE_HZ
    return (8_000 * np.sin(2 * np.pi * (200 * t + 1_000 * t * t))).astype(np.int16)


def delay(sent: NDArray[np.int16], heard: NDArray[np.int16]) -> int:
    """Samples by which `heard` is late, by correlation."""
    n_fft = 2 * sent.size
    spectrum = np.fft.rfft(heard, n_fft) * np.conj(np.fft.rfft(sent, n_fft))
    lag = int(np.fft.irfft(spectrum, n_fft).argmax())
    return lag if lag < sent.size else lag - n_fft


@pytest.mark.parametrize("n_samples", [480, 12_000, 24_137])
def test_a_recording_comes_back_at_its_length_and_place(n_samples: int) -> None:
    sent = sweep(n_samples)

    heard = decode_opus_file(
        encode_opus_file(sent, bit_rate_bps=32_000), n_samples=n_samples
    )

    assert heard.shape == sent.shape
    assert heard.dtype == np.int16
    assert abs(delay(sent, heard)) <= 1


def test_level_survives() -> None:
    sent = sweep(RATE_HZ)

    heard = decode_opus_file(
        encode_opus_file(sent, bit_rate_bps=32_000), n_samples=RATE_HZ
    )

    ratio = np.std(heard[2_400:-2_400].astype(float)) / np.std(sent.astype(float))
    assert ratio == pytest.approx(1, abs=0.03)


def test_the_same_recording_gives_the_same_file() -> None:
    """Or every run of make_speech.py would change every file in the repository."""
    first = encode_opus_file(sweep(9_600), bit_rate_bps=26_000)

    assert encode_opus_file(sweep(9_600), bit_rate_bps=26_000) == first


@pytest.mark.parametrize(
    ("hz", "gain"), [(100, 1.0), (9_000, 1.0), (14_500, 0.0), (20_000, 0.0)]
)
def test_halving_the_rate_keeps_what_fits_and_drops_the_rest(
    hz: float, gain: float
) -> None:
    t = np.arange(48_000) / 48_000
    tone = np.sin(2 * np.pi * hz * t).astype(np.float32)

    halved = halve_rate(tone)

    assert halved.shape == (24_000,)
    expected = gain * np.sin(2 * np.pi * hz * t[::2])
    np.testing.assert_allclose(halved[100:-100], expected[100:-100], atol=0.01)


@pytest.mark.parametrize(("n_samples", "n_halved"), [(0, 0), (1, 1), (2, 1), (3, 2)])
def test_halving_a_handful_of_samples(n_samples: int, n_halved: int) -> None:
    assert halve_rate(np.ones(n_samples, np.float32)).shape == (n_halved,)

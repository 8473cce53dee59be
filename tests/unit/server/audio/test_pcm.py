"""Layouts: every way PyAV lays samples out must come out at the right length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from server.audio.pcm import array_to_mono, bytes_to_pcm, float_to_int16, pcm_to_bytes

samples = hnp.arrays(np.int16, st.integers(1, 960))


@given(samples)
def test_bytes_and_samples_are_the_same_thing(pcm: np.ndarray) -> None:
    assert np.array_equal(bytes_to_pcm(pcm_to_bytes(pcm)), pcm)


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="3 bytes"):
        bytes_to_pcm(b"abc")


@given(samples, st.integers(1, 2), st.booleans(), st.sampled_from(["s16", "flt"]))
def test_every_layout_keeps_length_and_waveform(
    mono: np.ndarray, n_channels: int, planar: bool, kind: str
) -> None:
    """The same voice in every channel comes back as it was, whatever the layout."""
    voice = mono if kind == "s16" else (mono / 32768).astype(np.float32)
    channels = np.stack([voice] * n_channels)
    frame = channels if planar else channels.T.reshape(1, -1)

    result = array_to_mono(frame, n_channels=n_channels, planar=planar)

    assert result.dtype == np.int16
    assert np.array_equal(result, mono)


def test_packed_stereo_of_20_ms_is_20_ms_of_mono() -> None:
    """The doubling that made earlier systems sound slow and deep."""
    frame = np.zeros((1, 1920), np.int16)

    assert array_to_mono(frame, n_channels=2, planar=False).size == 960


def test_stereo_is_averaged_not_interleaved() -> None:
    frame = np.array([[1000, 3000, -1000, -3000]], np.int16)

    assert array_to_mono(frame, n_channels=2, planar=False).tolist() == [2000, -2000]


def test_32_bit_samples_keep_their_level() -> None:
    frame = np.array([[1000 << 16, -1000 << 16]], np.int32)

    assert array_to_mono(frame, n_channels=1, planar=True).tolist() == [1000, -1000]


@pytest.mark.parametrize(
    ("shape", "n_channels", "planar"),
    [
        ((1, 960), 2, True),
        ((2, 960), 2, False),
        ((1, 961), 2, False),
        ((960,), 1, True),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(
    shape: tuple[int, ...], n_channels: int, planar: bool
) -> None:
    with pytest.raises(ValueError, match=r"shape|channels"):
        array_to_mono(np.zeros(shape, np.int16), n_channels=n_channels, planar=planar)


def test_bytes_of_unknown_meaning_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        array_to_mono(np.zeros((1, 4), np.uint8), n_channels=1, planar=False)


def test_float_beyond_full_scale_saturates() -> None:
    loud = np.array([2.0, -2.0, 1.0, -1.0])

    assert float_to_int16(loud).tolist() == [32767, -32768, 32767, -32768]

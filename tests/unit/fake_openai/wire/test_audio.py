"""The three audio formats of the API."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_openai.wire.audio import (
    decode,
    decode_base64,
    encode,
    encode_base64,
    ms_of_samples,
    samples_of_ms,
)


def tone(hz: float, n_samples: int = 2_400, peak: float = 12_000) -> np.ndarray:
    t = np.arange(n_samples) / 24_000
    return (peak * np.sin(2 * np.pi * hz * t)).astype(np.int16)


@given(st.binary(max_size=200))
def test_pcm_comes_back_byte_for_byte(data: bytes) -> None:
    assert encode(decode(data, "audio/pcm"), "audio/pcm") == data[: len(data) // 2 * 2]


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_every_g711_code_comes_back(kind: str) -> None:
    every = bytes(range(256))

    once = decode(every, kind)
    held = np.repeat(once[::3], 3)

    # 0x7f and 0xff of mu-law are both zero.
    assert np.array_equal(decode(encode(held, kind), kind)[::3], once[::3])


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_g711_keeps_a_tone_at_its_level(kind: str) -> None:
    pcm = tone(440)

    back = decode(encode(pcm, kind), kind)

    assert back.size == pcm.size
    error = back[:-3].astype(float) - pcm[:-3]
    assert np.sqrt(np.mean(error**2)) < 0.12 * np.sqrt(np.mean(pcm.astype(float) ** 2))


def test_g711_values_are_those_of_the_standard() -> None:
    """ITU-T G.711: the loudest codes and the smallest steps."""
    mu = decode(bytes([0x00, 0x80, 0xFF, 0x7F, 0xFE]), "audio/pcmu")[::3]
    a = decode(bytes([0x2A, 0xAA, 0xD5, 0x55]), "audio/pcma")[::3]

    assert mu.tolist() == [-32_124, 32_124, 0, 0, 8]
    assert a.tolist() == [-32_256, 32_256, 8, -8]


def test_base64_is_checked() -> None:
    assert (
        decode_base64(encode_base64(tone(100), "audio/pcm"), "audio/pcm").size == 2_400
    )
    for wrong in ("***", "abc", "ü"):
        with pytest.raises(ValueError):  # noqa: PT011
            decode_base64(wrong, "audio/pcm")


def test_empty_audio_is_empty_in_every_format() -> None:
    for kind in ("audio/pcm", "audio/pcmu", "audio/pcma"):
        assert decode(b"", kind).size == 0
        assert encode(np.zeros(0, np.int16), kind) == b""


def test_milliseconds_and_samples_round_down() -> None:
    assert samples_of_ms(20) == 480
    assert ms_of_samples(479) == 19
    assert ms_of_samples(480) == 20

import numpy as np
import pytest

from fake_openai.speech.tone import tone_pcm

RATE_HZ = 24_000


def rms_dbfs(pcm: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt((pcm.astype(float) ** 2).mean()) / 32_768))


@pytest.mark.parametrize("hz", [100.0, 330.0, 440.0, 3_000.0])
def test_a_tone_has_its_frequency_length_and_level(hz: float) -> None:
    pcm = tone_pcm(hz, duration_ms=1_000, dbfs=-15)

    inside = pcm[240:-240]
    spectrum = np.abs(np.fft.rfft(inside * np.hanning(inside.size), 1 << 18))
    assert pcm.dtype == np.int16
    assert pcm.size == RATE_HZ
    assert spectrum.argmax() * RATE_HZ / (1 << 18) == pytest.approx(hz, abs=0.2)
    assert rms_dbfs(inside) == pytest.approx(-15, abs=0.05)


def test_a_tone_begins_and_ends_in_silence() -> None:
    pcm = tone_pcm(440, duration_ms=20, dbfs=-3.01)

    assert abs(int(pcm[0])) < 10
    assert abs(int(pcm[-1])) < 500
    assert np.abs(pcm).max() > 20_000


@pytest.mark.parametrize("duration_ms", [0, 1, 3])
def test_a_tone_may_be_shorter_than_its_fades(duration_ms: int) -> None:
    assert tone_pcm(440, duration_ms=duration_ms, dbfs=-15).size == duration_ms * 24

"""48 to 24 kHz."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.audio.conceal import Concealer
from server.audio.format import SILENCE, ms_to_samples, samples_to_ms
from server.audio.level import SILENCE_DBFS, rms_dbfs
from server.audio.resample import HalfBandDecimator


def tone(hz: float, n: int = 48_000) -> np.ndarray:
    return np.rint(8000 * np.sin(2 * np.pi * hz * np.arange(n) / 48_000)).astype(
        np.int16
    )


def halved(pcm: np.ndarray, frame: int = 960) -> np.ndarray:
    decimator = HalfBandDecimator()
    return np.concatenate(
        [decimator.process(pcm[i : i + frame]) for i in range(0, pcm.size, frame)]
    )


@pytest.mark.parametrize("hz", [100, 440, 3000, 10_000])
def test_pitch_and_level_survive(hz: int) -> None:
    out = halved(tone(hz))[1000:23_000].astype(float)

    spectrum = np.abs(np.fft.rfft(out * np.hanning(out.size)))
    assert spectrum.argmax() * 24_000 / out.size == pytest.approx(hz, abs=2)
    level = rms_dbfs(np.rint(out).astype(np.int16))
    assert level == pytest.approx(rms_dbfs(tone(hz)), abs=0.1)


@pytest.mark.parametrize("hz", [14_000, 18_000, 23_000])
def test_what_24_khz_cannot_carry_is_removed(hz: int) -> None:
    assert rms_dbfs(halved(tone(hz))[1000:]) < rms_dbfs(tone(hz)) - 50


@given(st.lists(st.integers(0, 500), min_size=1, max_size=8))
def test_the_cut_into_frames_does_not_matter(halves: list[int]) -> None:
    pcm = tone(440, 2 * sum(halves))
    whole = HalfBandDecimator().process(pcm)
    decimator, at, parts = HalfBandDecimator(), 0, []
    for half in halves:
        parts.append(decimator.process(pcm[at : at + 2 * half]))
        at += 2 * half

    assert np.abs(np.concatenate(parts).astype(int) - whole).max(initial=0) <= 1


def test_an_odd_number_of_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="3 samples"):
        HalfBandDecimator().process(np.zeros(3, np.int16))


def test_a_lost_frame_is_the_last_one_again_and_fades() -> None:
    concealer = Concealer()
    concealer.good(np.full(480, 8000, np.int16))

    made_up = [concealer.lost() for _ in range(5)]

    assert [int(frame[0]) for frame in made_up] == [8000, 4000, 2000, 1000, 0]
    assert [int(frame[-1]) for frame in made_up] == [4000, 2000, 1000, 0, 0]
    assert concealer.concealed_frames == 5


def test_silence_reads_as_the_floor_of_the_scale() -> None:
    assert rms_dbfs(SILENCE) == SILENCE_DBFS
    assert rms_dbfs(np.ones(480, np.int16)) == pytest.approx(-90.3, abs=0.1)


def test_a_full_scale_sine_reads_minus_3_dbfs() -> None:
    sine = np.rint(32767 * np.sin(2 * np.pi * 1000 * np.arange(2400) / 24_000))

    assert rms_dbfs(sine.astype(np.int16)) == pytest.approx(-3.01, abs=0.01)


def test_a_level_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        rms_dbfs(np.zeros(0, np.int16))


def test_durations_convert_both_ways() -> None:
    assert ms_to_samples(20) == 480
    assert samples_to_ms(480) == 20.0

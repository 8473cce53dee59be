from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.markers import CONFIDENT, correlate, fast_length, flatten, locate
from simulator.speech import chirp, silence
from simulator.timeline import RATE_HZ
from tests.unit.simulator.sounds import (
    OPUS_DELAY,
    noise,
    sentence,
    shifted,
    through_opus,
)

TENTH_OF_MS = RATE_HZ / 10_000


@given(at=st.floats(0, 20_000), seed=st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_speech_is_found_to_a_fraction_of_a_sample(at: float, seed: int) -> None:
    match = locate(sentence(seed), shifted(sentence(seed), at))

    assert match is not None
    assert match.at == pytest.approx(at, abs=0.2)
    assert match.confidence > 0.9


@pytest.mark.parametrize("gain", [0.05, 0.3, 0.9])
def test_level_changes_neither_place_nor_confidence(gain: float) -> None:
    quiet = (shifted(sentence(1), 777) * gain).astype(np.int16)

    match = locate(sentence(1), quiet)

    assert match is not None
    assert match.at == pytest.approx(777, abs=0.3)
    assert match.confidence > 0.95


@pytest.mark.parametrize("bit_rate", [16_000, 24_000, 48_000])
def test_a_speech_codec_moves_it_by_its_look_ahead_only(bit_rate: int) -> None:
    coded = through_opus(shifted(sentence(2), 1000), bit_rate=bit_rate)

    match = locate(sentence(2), coded)

    assert match is not None
    assert match.at - OPUS_DELAY == pytest.approx(1000, abs=TENTH_OF_MS)
    assert match.confidence > 0.8


def test_it_is_found_in_noise_as_loud_as_itself() -> None:
    recording = shifted(sentence(3), 5000)
    rms = float(np.sqrt(np.mean(np.square(sentence(3), dtype=np.float64))))

    match = locate(sentence(3), recording + noise(recording.size, seed=1, rms=rms / 2))

    assert match is not None
    assert match.at == pytest.approx(5000, abs=TENTH_OF_MS)


def test_it_is_found_when_only_its_end_was_recorded() -> None:
    match = locate(sentence(4), shifted(sentence(4), 0)[8000:], least=0.3)

    assert match is not None
    assert match.at == pytest.approx(-8000, abs=TENTH_OF_MS)


@pytest.mark.parametrize("other", [6, 7, 8, 9])
def test_other_speech_is_not_a_match(other: int) -> None:
    similarity = correlate(flatten(sentence(5)), flatten(sentence(other, 4.0)))

    assert float(similarity.max()) < CONFIDENT
    assert locate(sentence(5), sentence(other, 4.0)) is None


def test_it_is_found_when_it_was_spliced_and_stretched_on_its_way() -> None:
    sound = sentence(10, 4.0)
    pieces = [sound[at : at + 9000] for at in range(0, sound.size, 9240)]

    match = locate(sound, np.concatenate([silence(0.25), *pieces]))

    assert match is not None
    assert 6000 - 10 * 240 <= match.at <= 6000


def test_what_lies_before_the_earliest_place_is_not_it() -> None:
    twice = np.concatenate([sentence(20), silence(0.5), sentence(20)])

    first, second = (
        locate(sentence(20), twice),
        locate(sentence(20), twice, earliest=1000),
    )

    assert first is not None
    assert second is not None
    assert second.at == pytest.approx(60_000, abs=1)
    assert locate(sentence(20), sentence(20), earliest=1000) is None


def test_nothing_is_found_in_silence_or_in_nothing() -> None:
    assert locate(sentence(1), silence(3.0)) is None
    assert locate(sentence(1), silence(0)) is None


def test_a_chirp_is_found_to_a_fraction_of_a_sample() -> None:
    match = locate(chirp(0.1), shifted(chirp(0.1), 3210.5))

    assert match is not None
    assert match.at == pytest.approx(3210.5, abs=0.1)


@given(n=st.integers(1, 100_000))
def test_a_fast_length_is_smooth_and_not_much_longer(n: int) -> None:
    length = fast_length(n)

    assert n <= length <= 1.35 * n + 4
    for factor in (2, 3, 5):
        while length % factor == 0:
            length //= factor
    assert length == 1

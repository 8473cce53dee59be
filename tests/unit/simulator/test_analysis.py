from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.analysis import (
    SILENCE_DBFS,
    active_length_s,
    active_spans,
    is_tone,
    level_dbfs,
    pitch_hz,
    read_tone,
)
from simulator.speech import chirp, silence, speech_like, tone
from simulator.timeline import RATE_HZ


def test_a_full_scale_sine_reads_minus_three_dbfs() -> None:
    assert level_dbfs(tone(1000, 1.0, dbfs=-3.01, fade_ms=0)) == pytest.approx(
        -3.01, abs=0.01
    )


@pytest.mark.parametrize("pcm", [silence(0.1), silence(0)])
def test_silence_and_nothing_read_the_floor(pcm: np.ndarray) -> None:
    assert level_dbfs(pcm) == SILENCE_DBFS


@given(hz=st.floats(80, 4000), dbfs=st.floats(-40, -6), seconds=st.floats(0.2, 2))
def test_the_pitch_of_a_tone_is_found_to_a_tenth_of_a_hertz(
    hz: float, dbfs: float, seconds: float
) -> None:
    assert pitch_hz(tone(hz, seconds, dbfs=dbfs)) == pytest.approx(hz, abs=0.1)


def test_silence_has_no_pitch() -> None:
    assert pitch_hz(silence(0.5)) is None


@given(
    hz=st.floats(200, 3000),
    seconds=st.floats(0.3, 2),
    dbfs=st.floats(-30, -6),
    before_s=st.floats(0, 1),
)
def test_a_tone_is_read_wherever_it_lies(
    hz: float, seconds: float, dbfs: float, before_s: float
) -> None:
    pcm = np.concatenate(
        [silence(before_s), tone(hz, seconds, dbfs=dbfs), silence(0.3)]
    )

    reading = read_tone(pcm)

    assert reading.hz == pytest.approx(hz, abs=0.2)
    assert reading.seconds == pytest.approx(seconds, abs=0.010)
    assert reading.dbfs == pytest.approx(dbfs, abs=0.2)


def test_half_speed_shows_as_half_the_pitch_and_twice_the_length() -> None:
    slow = np.repeat(tone(440, 1.0), 2)

    reading = read_tone(slow)

    assert reading.hz == pytest.approx(220, abs=0.5)
    assert reading.seconds == pytest.approx(2.0, rel=0.01)


def test_a_recording_without_sound_has_no_tone() -> None:
    assert read_tone(silence(1.0)).hz is None


def test_sounds_are_found_to_the_block_and_short_pauses_join() -> None:
    pcm = np.concatenate(
        [
            silence(0.5),
            tone(300, 0.4),
            silence(0.2),
            tone(300, 0.3),
            silence(1.0),
            tone(300, 0.5),
        ]
    )

    spans = active_spans(pcm, join_ms=400)

    edges_s = [(s.start / RATE_HZ, s.end / RATE_HZ) for s in spans]
    assert edges_s == [
        (pytest.approx(0.5, abs=0.006), pytest.approx(1.4, abs=0.006)),
        (pytest.approx(2.4, abs=0.006), pytest.approx(2.9, abs=0.006)),
    ]


def test_a_click_is_not_a_sound() -> None:
    pcm = silence(1.0)
    pcm[5000:5100] = 20000

    assert active_spans(pcm) == []


def test_pauses_do_not_count_as_sound() -> None:
    pcm = np.concatenate([tone(300, 0.5), silence(0.5), tone(300, 0.25)])

    assert active_length_s(pcm) == pytest.approx(0.75, abs=0.011)


def test_speech_like_sound_is_the_same_for_one_seed_and_has_its_level() -> None:
    assert np.array_equal(speech_like(1.0, seed=5), speech_like(1.0, seed=5))
    assert not np.array_equal(speech_like(1.0, seed=5), speech_like(1.0, seed=6))
    assert level_dbfs(speech_like(2.0, seed=5, dbfs=-23)) == pytest.approx(-23, abs=0.5)


@pytest.mark.parametrize("hz", [100, 440, 3000])
def test_a_tone_is_told_from_everything_else(hz: float) -> None:
    padded = np.concatenate([silence(0.2), tone(hz, 0.5), silence(0.2)])

    assert is_tone(tone(hz, 0.5))
    assert is_tone(padded)
    assert not is_tone(speech_like(1.0, seed=1))
    assert not is_tone(chirp(0.5))
    assert not is_tone(silence(0.5))


def test_no_prepared_utterance_is_taken_for_a_tone() -> None:
    from fake_openai import utterances

    assert not [u.id for u in utterances.all_utterances() if is_tone(u.pcm)]

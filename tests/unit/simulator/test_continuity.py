"""The ruler for gaps: what was done to a sound is what is found, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.alignment import align
from simulator.continuity import Continuity, continuity
from simulator.markers import locate
from simulator.speech import silence
from simulator.timeline import RATE_HZ, Pcm
from tests.unit.simulator.sounds import noise, sentence, shifted, through_opus

SEEDS = (11, 12, 13)


def judge(sound: Pcm, heard: Pcm) -> Continuity:
    match = locate(sound, heard)
    assert match is not None
    lie = align(sound, heard, at=match.at, early_ms=400, late_ms=600)
    return continuity(sound, heard, lie)


def samples(milliseconds: float) -> int:
    return int(milliseconds * RATE_HZ / 1000)


def damaged(
    sound: Pcm, at_ms: float, *, cut_ms: float = 0, put: Pcm | None = None
) -> Pcm:
    """Half a second of silence, then the sound with a piece cut out and one put in."""
    at, cut = samples(at_ms), samples(cut_ms)
    middle = silence(0) if put is None else put
    return np.concatenate(
        [silence(0.5), sound[:at], middle, sound[at + cut :], silence(0.5)]
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_whole_speech_has_no_gap(seed: int) -> None:
    found = judge(sentence(seed), shifted(sentence(seed), 3333.3))

    assert found.gap_ms == 0
    assert found.gain_db == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bit_rate", [16_000, 24_000, 32_000])
def test_a_speech_codec_makes_no_gap(seed: int, bit_rate: int) -> None:
    coded = through_opus(shifted(sentence(seed), 2000), bit_rate=bit_rate)

    assert judge(sentence(seed), coded).gap_ms <= 10


@given(
    seed=st.sampled_from(SEEDS),
    stall_ms=st.integers(10, 350),
    at_ms=st.integers(500, 1500),
)
@settings(max_examples=20, deadline=None)
def test_a_stall_is_found_with_its_length(seed: int, stall_ms: int, at_ms: int) -> None:
    put = silence(stall_ms / 1000)

    found = judge(sentence(seed), damaged(sentence(seed), at_ms, put=put))

    assert found.stalled_ms == pytest.approx(stall_ms, abs=1)
    assert found.missing_ms <= 20


@given(
    seed=st.sampled_from(SEEDS),
    cut_ms=st.integers(10, 200),
    at_ms=st.integers(500, 1300),
)
@settings(max_examples=20, deadline=None)
def test_a_skip_is_found_with_its_length(seed: int, cut_ms: int, at_ms: int) -> None:
    found = judge(sentence(seed), damaged(sentence(seed), at_ms, cut_ms=cut_ms))

    assert found.missing_ms == pytest.approx(cut_ms, abs=1)
    assert found.stalled_ms == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_repeated_piece_counts_as_a_stall(seed: int) -> None:
    again = sentence(seed)[samples(900) : samples(1000)]

    found = judge(sentence(seed), damaged(sentence(seed), 1000, put=again))

    assert found.gap_ms == pytest.approx(100, abs=1)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("blank_ms", [20, 60, 100, 400])
def test_what_was_blanked_is_missing(seed: int, blank_ms: int) -> None:
    sound = sentence(seed)
    loudest = int(
        np.argmax(np.convolve(np.abs(sound * 1.0), np.ones(samples(blank_ms))))
    )
    at_ms = max(0.0, loudest * 1000 / RATE_HZ - blank_ms)
    put = silence(blank_ms / 1000)

    found = judge(sound, damaged(sound, at_ms, cut_ms=blank_ms, put=put))

    # Pauses inside the blanked piece are not missed by anybody.
    assert 0.5 * blank_ms <= found.missing_ms <= blank_ms + 10
    assert found.stalled_ms == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_three_lost_frames_after_a_codec_are_found(seed: int) -> None:
    coded = through_opus(np.concatenate([silence(0.5), sentence(seed), silence(0.5)]))
    at = samples(1500)
    heard = np.concatenate([coded[:at], coded[at + samples(60) :]])

    assert judge(sentence(seed), heard).gap_ms == pytest.approx(60, abs=12)


@pytest.mark.parametrize("ppm", [-300, 300])
def test_a_drifting_clock_glides_and_makes_no_gap(ppm: float) -> None:
    sound = sentence(14, 8.0)
    at = np.arange(sound.size) * (1 + ppm * 1e-6)
    heard = np.interp(at, np.arange(sound.size), sound.astype(float)).astype(np.int16)

    found = judge(sound, np.concatenate([silence(0.3), heard, silence(0.5)]))

    assert found.gap_ms <= 1
    assert found.glide_ms == pytest.approx(-ppm * 8e-3, abs=0.4)


@pytest.mark.parametrize("gain_db", [-12, -6, -1])
def test_the_level_is_compared(gain_db: float) -> None:
    heard = shifted(sentence(15), 400) * 10 ** (gain_db / 20)

    found = judge(sentence(15), heard.astype(np.int16))

    assert found.gain_db == pytest.approx(gain_db, abs=0.2)
    assert found.gap_ms == 0


def test_a_sound_that_is_not_there_is_all_missing() -> None:
    sound = sentence(16)
    heard = noise(2 * sound.size, seed=2, rms=3)

    lie = align(sound, heard, at=0, early_ms=100, late_ms=500)

    assert continuity(sound, heard, lie).missing_ms > 1000


def test_a_damaged_sound_is_brought_back_into_its_own_time() -> None:
    sound = sentence(17)
    heard = damaged(sound, 1000, put=silence(0.2))
    match = locate(sound, heard)
    assert match is not None
    lie = align(sound, heard, at=match.at, early_ms=400, late_ms=600)

    back = lie.heard_as(sound.size, heard)

    assert back.shape == sound.shape
    same = np.count_nonzero(back == sound) / sound.size
    assert same > 0.93

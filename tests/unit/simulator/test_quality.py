from __future__ import annotations

import numpy as np
import pytest

from fake_openai import utterances
from simulator.quality import stoi
from simulator.speech import silence
from simulator.timeline import Pcm
from tests.unit.simulator.sounds import OPUS_DELAY, noise, through_opus

SPEECH: Pcm = utterances.load("a_what_can_you_do").pcm[: 4 * 24_000]


def in_noise(snr_db: float) -> Pcm:
    rms = float(np.sqrt(np.mean(np.square(SPEECH, dtype=np.float64))))
    added = noise(SPEECH.size, seed=4, rms=rms * 10 ** (-snr_db / 20))
    return np.clip(SPEECH.astype(np.int32) + added, -32768, 32767).astype(np.int16)


def with_losses(share: float) -> Pcm:
    heard, rng = SPEECH.copy(), np.random.default_rng(9)
    for at in range(0, heard.size, 480):
        if rng.random() < share:
            heard[at : at + 480] = 0
    return heard


def test_speech_itself_scores_one() -> None:
    assert stoi(SPEECH, SPEECH) == pytest.approx(1.0)


def test_level_does_not_matter() -> None:
    assert stoi(SPEECH, SPEECH // 4) == pytest.approx(1.0, abs=0.01)


def test_a_speech_codec_costs_little() -> None:
    padded = np.concatenate([SPEECH, silence(0.1)])
    coded = through_opus(padded, bit_rate=24_000)[round(OPUS_DELAY) :]

    assert stoi(SPEECH, coded[: SPEECH.size]) > 0.95


def test_more_noise_is_less_intelligible() -> None:
    scores = [stoi(SPEECH, in_noise(snr_db)) for snr_db in (20, 10, 0, -10)]

    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.9
    assert scores[-1] < 0.7


def test_more_lost_frames_are_less_intelligible() -> None:
    scores = [stoi(SPEECH, with_losses(share)) for share in (0.01, 0.05, 0.2, 0.5)]

    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.95
    assert scores[-1] < 0.8


def test_other_speech_is_not_intelligible_as_this() -> None:
    other = utterances.load("a_who_are_you").pcm
    n = min(other.size, SPEECH.size)

    score = stoi(SPEECH[:n], other[:n])

    assert score is not None
    assert score < 0.45


@pytest.mark.parametrize("pcm", [silence(0), silence(0.01), SPEECH[4800:9600]])
def test_too_little_speech_has_no_score(pcm: Pcm) -> None:
    assert stoi(pcm, pcm) is None


def test_sounds_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        stoi(SPEECH, SPEECH[1:])

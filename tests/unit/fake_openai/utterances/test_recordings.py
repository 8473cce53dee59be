"""The committed recordings are what their index says they are."""

from __future__ import annotations

import json
import tomllib
from importlib import resources

import numpy as np
import pytest

from fake_openai import utterances
from fake_openai.speech.level import active_level_dbfs, from_pcm, speech_extent
from fake_openai.utterances import Utterance

ALL = utterances.all_utterances()
FOLDER = resources.files("fake_openai.utterances")


@pytest.mark.parametrize("utterance", ALL, ids=lambda u: u.id)
def test_a_recording_speaks_at_its_level_between_its_edges(
    utterance: Utterance,
) -> None:
    samples = from_pcm(utterance.pcm)
    extent = speech_extent(samples)

    assert utterance.pcm.shape == (utterance.n_samples,)
    assert active_level_dbfs(samples) == pytest.approx(-20, abs=1)
    assert np.abs(utterance.pcm).max() < 32_000
    assert extent is not None
    # FFmpeg versions decode to slightly different samples, hence the tolerance.
    assert extent.start_ms == pytest.approx(utterance.speech_start_ms, abs=5)
    assert extent.end_ms == pytest.approx(utterance.speech_end_ms, abs=5)


def test_users_speak_for_half_a_second_to_five_without_long_pauses() -> None:
    """Default server_vad (200 ms of silence) must hear each as one turn."""
    for utterance in utterances.all_utterances("user"):
        assert 400 <= utterance.duration_ms <= 5_200, utterance.id
        assert utterance.longest_pause_ms <= 160, utterance.id


@pytest.mark.parametrize("threshold_dbfs", [-50.0, -47.5, -42.5, -38.0])
def test_edges_are_sharp_for_every_sensible_threshold(threshold_dbfs: float) -> None:
    for utterance in utterances.all_utterances("user"):
        extent = speech_extent(from_pcm(utterance.pcm), threshold_dbfs)

        assert extent is not None
        assert abs(extent.start_ms - utterance.speech_start_ms) <= 20, utterance.id
        assert abs(extent.end_ms - utterance.speech_end_ms) <= 20, utterance.id


def test_words_follow_each_other_inside_the_speech() -> None:
    for utterance in ALL:
        assert " ".join(word.text for word in utterance.words) == utterance.text
        times = [t for word in utterance.words for t in (word.start_ms, word.end_ms)]
        assert times == sorted(times), utterance.id
        assert times[0] >= utterance.speech_start_ms, utterance.id
        assert times[-1] <= utterance.speech_end_ms, utterance.id


def test_audio_index_and_texts_are_in_step() -> None:
    """Run scripts/make_speech.py when this fails."""
    texts = tomllib.loads((FOLDER / "texts.toml").read_text(encoding="utf-8"))
    wanted = {(e["text"], s) for e in texts["user"] for s in e["speakers"]}
    wanted |= {(e["text"], "slt") for e in texts["assistant"]}
    files = {p.name for p in (FOLDER / "audio").iterdir()}

    assert {(u.text, u.speaker) for u in ALL} == wanted
    assert files == {f"{u.id}.opus" for u in ALL}


def test_answers_belong_to_utterances_that_exist() -> None:
    user_ids = {u.id for u in utterances.all_utterances("user")}

    answered = {u.answers for u in utterances.all_utterances("assistant") if u.answers}

    assert answered <= user_ids
    assert {i for i in user_ids if "." not in i} <= answered


def test_all_audio_is_small() -> None:
    size = sum(len(p.read_bytes()) for p in (FOLDER / "audio").iterdir())

    assert size < 1_500_000


def test_the_index_says_how_it_was_measured() -> None:
    index = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))

    assert index["rate_hz"] == utterances.SAMPLE_RATE_HZ
    assert index["level_dbfs"] == -20
    assert index["speech_threshold_dbfs"] == -45

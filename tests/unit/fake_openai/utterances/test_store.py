from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fake_openai import utterances
from fake_openai.utterances import (
    DamagedRecordingError,
    UnknownUtteranceError,
    UtteranceStore,
)
from fake_openai.utterances.opus_file import encode_opus_file


def folder_with(path: Path, *, n_samples: int, audio: bytes) -> Path:
    """A store of one utterance, "hm"."""
    entry = {
        "id": "hm",
        "role": "user",
        "text": "Hm.",
        "speaker": "rms",
        "n_samples": n_samples,
        "speech_start_ms": 0,
        "speech_end_ms": 1,
        "longest_pause_ms": 0,
        "words": [["Hm.", 0, 1]],
    }
    (path / "audio").mkdir()
    (path / "audio" / "hm.opus").write_bytes(audio)
    (path / "index.json").write_text(json.dumps({"format": 1, "utterances": [entry]}))
    return path


def test_an_utterance_is_found_by_its_words_alone() -> None:
    found = utterances.find("what is the WEATHER, in oslo")

    assert found is not None
    assert found.id == "weather_oslo"


def test_a_speaker_can_be_asked_for() -> None:
    found = utterances.find("What is the weather in Oslo?", speaker="kal16")

    assert found is not None
    assert found.id == "weather_oslo.kal16"


def test_a_role_can_be_asked_for() -> None:
    assert utterances.find("Hello there!", role="assistant") is None


def test_a_text_that_nobody_says_is_not_found() -> None:
    assert utterances.find("Colourless green ideas sleep furiously.") is None
    assert utterances.find("") is None


def test_an_unknown_id_is_named_in_the_error() -> None:
    with pytest.raises(UnknownUtteranceError, match="no prepared utterance 'helo'"):
        utterances.load("helo")


def test_roles_part_the_utterances() -> None:
    users = utterances.all_utterances("user")
    assistants = utterances.all_utterances("assistant")

    assert {u.role for u in users} == {"user"}
    assert len(users) + len(assistants) == len(utterances.all_utterances())


def test_samples_are_shared_and_cannot_be_changed() -> None:
    pcm = utterances.load("stop").pcm

    assert pcm is utterances.load("stop").pcm
    with pytest.raises(ValueError, match="read-only"):
        pcm[0] = 1


def test_many_threads_get_one_and_the_same_recording() -> None:
    store = UtteranceStore(Path(utterances.__file__).parent)

    with ThreadPoolExecutor(8) as pool:
        decoded = list(pool.map(lambda _: store.load("okay").pcm, range(32)))

    assert all(pcm is decoded[0] for pcm in decoded)


def test_a_recording_has_the_exact_length_of_its_index_entry(tmp_path: Path) -> None:
    pcm = np.random.default_rng(1).integers(-3000, 3000, 12_345).astype(np.int16)
    audio = encode_opus_file(pcm, bit_rate_bps=32_000)
    store = UtteranceStore(folder_with(tmp_path, n_samples=12_345, audio=audio))

    assert store.load("hm").pcm.shape == (12_345,)
    assert store.load("hm").duration_ms == 514


@pytest.mark.parametrize("audio", [b"", b"not Opus at all"])
def test_a_file_that_is_not_opus_is_damaged(tmp_path: Path, audio: bytes) -> None:
    store = UtteranceStore(folder_with(tmp_path, n_samples=100, audio=audio))

    with pytest.raises(DamagedRecordingError, match="not an Ogg/Opus file"):
        _ = store.load("hm").pcm


def test_a_file_that_is_too_short_is_damaged(tmp_path: Path) -> None:
    audio = encode_opus_file(np.zeros(4_800, np.int16), bit_rate_bps=32_000)
    store = UtteranceStore(folder_with(tmp_path, n_samples=24_000, audio=audio))

    with pytest.raises(DamagedRecordingError, match="the index promises 24000"):
        _ = store.load("hm").pcm


def test_an_index_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"format": 99, "utterances": []}')

    with pytest.raises(ValueError, match="format 99"):
        UtteranceStore(tmp_path)

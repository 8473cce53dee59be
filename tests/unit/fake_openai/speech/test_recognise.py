"""Does the fake know what was said? The measured claims of issue 3, item 4."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_openai import utterances
from fake_openai.speech.matching import Template, TemplateBank
from fake_openai.speech.protocols import Pcm, Recogniser
from fake_openai.speech.recognise import (
    Acceptance,
    PreparedRecogniser,
    bundled_recogniser,
)
from fake_openai.speech.spectrum import spectrum
from fake_openai.utterances import Utterance, UtteranceStore
from tests.support import speech_lines as lines
from tests.support.speech_lines import seed_of

OTHER_SPEECH = Path(lines.__file__).parent / "other_speech"

Line = Callable[[Utterance], Pcm]

LINES: dict[str, Line] = {
    "clean": lambda u: u.pcm,
    "Opus 16 kbit/s": lambda u: lines.opus(u.pcm),
    "5 % lost, silent": lambda u: lines.lossy(u.pcm, rate=0.05, seed=seed_of(u.id)),
    "5 % lost, repeated": lambda u: lines.lossy(
        u.pcm, rate=0.05, seed=seed_of(u.id), concealed="repeat"
    ),
    "-20 dB": lambda u: lines.louder(u.pcm, -20),
    "-40 dB": lambda u: lines.louder(u.pcm, -40),
    "+12 dB, clipped": lambda u: lines.louder(u.pcm, 12),
    "silence around, other alignment": lambda u: lines.in_silence(
        u.pcm, before=7_615, after=16_811
    ),
    "noise 20 dB below": lambda u: lines.noisy(u.pcm, below_db=20, seed=seed_of(u.id)),
    "noise 10 dB below": lambda u: lines.noisy(u.pcm, below_db=10, seed=seed_of(u.id)),
    "8 kHz": lambda u: lines.telephone(u.pcm),
    "clock 1 % fast": lambda u: lines.hurried(u.pcm, 1.01),
    "Opus, silence around, -20 dB": lambda u: lines.louder(
        lines.opus(lines.in_silence(u.pcm, before=7_300, after=12_000)), -20
    ),
}


@cache
def sent(line: str, utterance: Utterance) -> Pcm:
    return LINES[line](utterance)


def mistakes(line: Line, recogniser: Recogniser) -> tuple[list[str], list[str]]:
    """Ids of user utterances that were not recognised, and taken for another text."""
    missed, wrong = [], []
    for utterance in utterances.all_utterances("user"):
        result = recogniser.recognise(line(utterance))
        if not result.recognised:
            missed.append(utterance.id)
        elif result.text != utterance.text:
            wrong.append(utterance.id)
    return missed, wrong


@pytest.mark.parametrize("line", LINES)
def test_every_prepared_utterance_is_recognised_over(line: str) -> None:
    assert mistakes(LINES[line], bundled_recogniser()) == ([], [])


def test_lost_packets_that_leave_no_hole_matter_only_to_the_shortest_word() -> None:
    """In the half second of `stop.kal16` one lost packet is 4 %, and in a plosive."""
    missed, wrong = mistakes(
        lambda u: lines.lossy(u.pcm, rate=0.05, seed=seed_of(u.id), concealed="cut"),
        bundled_recogniser(),
    )

    assert wrong == []
    assert set(missed) <= {"stop.kal16"}


def test_an_onset_cut_by_60_ms_does_not_matter_but_to_the_shortest_word() -> None:
    """A voice activity detector's prefix normally keeps the whole onset."""
    missed, wrong = mistakes(
        lambda u: u.pcm[(u.speech_start_ms + 60) * 24 :], bundled_recogniser()
    )

    assert wrong == []
    assert set(missed) <= {"stop"}


@pytest.mark.parametrize(("below_db", "at_least"), [(12, 0.9), (6, 0.75), (0, 0.0)])
def test_a_second_talker_may_hide_an_utterance_but_never_turns_it_into_another(
    below_db: float, at_least: float
) -> None:
    story = utterances.load("a_tell_story").pcm[24_000:]

    missed, wrong = mistakes(
        lambda u: lines.mixed(u.pcm, story, below_db=below_db), bundled_recogniser()
    )

    n = len(utterances.all_utterances("user"))
    assert wrong == []
    assert (n - len(missed)) / n >= at_least


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0, 4.0])
def test_nothing_is_recognised_in(seconds: float) -> None:
    for name, sound in lines.not_speech(seconds, seed=round(seconds * 10)).items():
        assert not bundled_recogniser().recognise(sound).recognised, name


@pytest.mark.parametrize("n_samples", [0, 1, 100, 2_000])
def test_too_little_sound_is_not_recognised_and_does_no_harm(n_samples: int) -> None:
    sound = np.full(n_samples, 5_000, np.int16)

    assert not bundled_recogniser().recognise(sound).recognised


@settings(max_examples=60, deadline=None)
@given(
    n_samples=st.integers(0, 40_000),
    seed=st.integers(0, 2**32 - 1),
    peak=st.sampled_from([1, 3, 1_000, 32_767]),
    holes=st.booleans(),
)
def test_no_sound_is_too_strange_to_be_refused(
    n_samples: int, seed: int, peak: int, holes: bool
) -> None:
    rng = np.random.default_rng(seed)
    sound = rng.integers(-peak - 1, peak + 1, n_samples).astype(np.int16)
    if holes:
        sound[:: max(1, n_samples // 7)] = -32_768
        sound[n_samples // 3 : n_samples // 2] = 0

    assert not bundled_recogniser().recognise(sound).recognised


def test_read_only_and_strided_audio_is_welcome() -> None:
    pcm = utterances.load("go_on").pcm
    stereo = np.stack([pcm, pcm], axis=1)

    assert not pcm.flags.writeable
    assert bundled_recogniser().recognise(stereo[:, 0]).utterance_id == "go_on"


def test_a_minute_of_speech_is_not_recognised() -> None:
    story = np.resize(utterances.load("a_tell_story").pcm, 60 * 24_000)

    assert not bundled_recogniser().recognise(story).recognised


@pytest.mark.parametrize(
    "other",
    UtteranceStore(OTHER_SPEECH).all(),
    ids=lambda other: f"{other.id}-{other.text}",
)
def test_other_speech_by_the_same_voices_is_not_recognised(other: Utterance) -> None:
    """`other.*` are other sentences; `near.*` differ from a known one in one word."""
    for pcm in (other.pcm, lines.opus(other.pcm), lines.louder(other.pcm, -20)):
        assert not bundled_recogniser().recognise(pcm).recognised


def test_answers_of_the_assistant_are_not_taken_for_the_user() -> None:
    """An echo of the fake's own voice must not start a new turn with words in it."""
    taken = [
        answer.id
        for answer in utterances.all_utterances("assistant")
        if bundled_recogniser().recognise(answer.pcm).recognised
    ]

    assert taken == []


def test_no_utterance_is_nearly_another() -> None:
    """What keeps a bad line from turning one into another: a margin of 0.2."""
    known = utterances.all_utterances("user")
    pictures = [spectrum(utterance.pcm) for utterance in known]
    bank = TemplateBank(tuple(Template.of(picture) for picture in pictures))

    for utterance, picture in zip(known, pictures, strict=True):
        others = [
            match.score
            for match in bank.matches(picture)
            if known[match.template].text != utterance.text
        ]
        assert max(others, default=0) < 0.8, utterance.id


def in_turn(*ids: str, pause_ms: int) -> Pcm:
    """Utterances one after the other in one turn."""
    pause = np.zeros(pause_ms * 24, np.int16)
    pieces = [np.concatenate([utterances.load(i).pcm, pause]) for i in ids]
    return np.concatenate(pieces)


@pytest.mark.parametrize("pause_ms", [100, 400])
def test_two_utterances_in_one_turn_are_both_heard(pause_ms: int) -> None:
    """The id is that of the last: a reply is to that."""
    pcm = in_turn("hello", "what_can_you_do.awb", pause_ms=pause_ms)

    for heard in (pcm, lines.opus(pcm)):
        result = bundled_recogniser().recognise(heard)
        assert result.text == "Hello there! What can you do?"
        assert result.utterance_id == "what_can_you_do.awb"


def test_an_utterance_beside_unknown_speech_is_not_recognised() -> None:
    """What was said is not known as long as a part of it is not."""
    other = UtteranceStore(OTHER_SPEECH).load("other.01").pcm
    pcm = np.concatenate([in_turn("what_can_you_do", pause_ms=300), other])

    assert not bundled_recogniser().recognise(pcm).recognised


def test_the_recording_itself_has_confidence_one_and_its_id() -> None:
    result = bundled_recogniser().recognise(utterances.load("list_files.awb").pcm)

    assert result.recognised
    assert result.utterance_id == "list_files.awb"
    assert result.text == "Ask the team to list the files in the project."
    assert result.confidence == pytest.approx(1, abs=0.001)


def test_the_same_audio_gives_the_same_answer() -> None:
    pcm = sent("Opus 16 kbit/s", utterances.load("run_tests"))

    first = PreparedRecogniser(utterances.all_utterances("user")).recognise(pcm)
    second = PreparedRecogniser(utterances.all_utterances("user")).recognise(pcm)

    assert first == second


@pytest.mark.parametrize(
    ("n_frames", "least"), [(8, 0.82), (40, 0.82), (55, 0.785), (70, 0.75), (500, 0.75)]
)
def test_short_utterances_must_match_better(n_frames: int, least: float) -> None:
    assert Acceptance().least_score(n_frames) == pytest.approx(least)


def test_the_same_text_by_a_speaker_it_never_heard_is_not_recognised() -> None:
    """It knows recordings, not words."""
    recogniser = PreparedRecogniser([utterances.load("weather_oslo")])

    result = recogniser.recognise(utterances.load("weather_oslo.awb").pcm)

    assert not result.recognised


def test_own_recordings_can_be_added() -> None:
    recogniser = PreparedRecogniser(utterances.all_utterances("user"))
    own = UtteranceStore(OTHER_SPEECH).load("other.10")

    assert not recogniser.recognise(own.pcm).recognised
    recogniser.add("Smoky fires lack flame and heat.", own.pcm, utterance_id="fires")

    result = recogniser.recognise(lines.opus(own.pcm))
    assert (result.utterance_id, result.text) == ("fires", own.text)


def test_own_recordings_can_be_added_from_a_wav_file(tmp_path: Path) -> None:
    recogniser = PreparedRecogniser()
    own = utterances.load("timer")
    path = tmp_path / "timer.wav"
    path.write_bytes(wav_bytes(own.pcm))

    recogniser.add_wav("Set a timer.", path)

    assert recogniser.recognise(own.pcm).text == "Set a timer."


def test_two_added_texts_that_sound_alike_are_both_refused() -> None:
    """Rather no answer than a guess."""
    pcm = utterances.load("timer").pcm
    recogniser = PreparedRecogniser()
    recogniser.add("Set a timer.", pcm)
    recogniser.add("Bet a dimer.", pcm)

    assert not recogniser.recognise(pcm).recognised


def test_a_silent_recording_cannot_be_added() -> None:
    with pytest.raises(ValueError, match="too little sound in the recording of 'Hm'"):
        PreparedRecogniser().add("Hm", np.zeros(24_000, np.int16))


def test_a_recogniser_that_knows_nothing_recognises_nothing() -> None:
    assert not PreparedRecogniser().recognise(utterances.load("stop").pcm).recognised


def wav_bytes(pcm: Pcm, *, rate_hz: int = 24_000) -> bytes:
    import io
    import wave

    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(pcm.tobytes())
    return file.getvalue()

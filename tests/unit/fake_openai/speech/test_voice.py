from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fake_openai import utterances
from fake_openai.speech.espeak import load_espeak
from fake_openai.speech.level import active_level_dbfs, from_pcm
from fake_openai.speech.profiles import PROFILES
from fake_openai.speech.protocols import Recogniser, Speech, Voice
from fake_openai.speech.recognise import PreparedRecogniser
from fake_openai.speech.voice import LayeredVoice, bundled_voice
from fake_openai.utterances import bundled

PREPARED = "In Oslo it is four degrees and raining."
FREE = "There are 22 files in the project, of the 128 we expected."

needs_espeak = pytest.mark.skipif(
    load_espeak() is None, reason="the extra `speech` is not installed"
)


@pytest.fixture(params=["prepared", "espeak", "syllables"])
def speaker(request: pytest.FixtureRequest) -> tuple[LayeredVoice, str]:
    """Every kind of voice, with a text that makes it speak."""
    espeak = load_espeak()
    if request.param == "prepared":
        return LayeredVoice(recordings=bundled()), PREPARED
    if request.param == "espeak":
        if espeak is None:
            pytest.skip("the extra `speech` is not installed")
        return LayeredVoice(espeak=espeak), FREE
    return LayeredVoice(), FREE


def test_the_parts_are_what_the_session_asks_for() -> None:
    assert isinstance(LayeredVoice(), Voice)
    assert isinstance(PreparedRecogniser(), Recogniser)


def test_every_speaker_speaks_at_the_same_level(
    speaker: tuple[LayeredVoice, str],
) -> None:
    voice, text = speaker

    speech = voice.speak(text, "marin")

    assert speech.pcm.dtype == np.int16
    assert active_level_dbfs(from_pcm(speech.pcm)) == pytest.approx(-20, abs=0.5)
    assert np.abs(speech.pcm.astype(int)).max() < 32_767


def test_every_speaker_times_every_word(speaker: tuple[LayeredVoice, str]) -> None:
    voice, text = speaker

    speech = voice.speak(text, "alloy")

    assert [word.text for word in speech.words] == text.split()
    times = [t for word in speech.words for t in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= speech.duration_ms
    assert all(word.end_ms > word.start_ms for word in speech.words)


def test_every_speaker_says_the_same_again(speaker: tuple[LayeredVoice, str]) -> None:
    """Also after it has said something else, and without the cache."""
    voice, text = speaker
    uncached = LayeredVoice(
        recordings=voice._recordings, espeak=voice._espeak, cache_samples=0
    )
    first = uncached.speak(text, "sage")
    uncached.speak("Something else, for a change!", "ash")
    uncached.speak("And one more.", "sage")

    second = uncached.speak(text, "sage")

    assert first is not second
    assert np.array_equal(first.pcm, second.pcm)
    assert first.words == second.words


def test_every_speaker_fills_a_wanted_time(speaker: tuple[LayeredVoice, str]) -> None:
    voice, text = speaker

    for duration_ms in (200, 3_000, 20_000):
        assert voice.speak(text, "verse", duration_ms=duration_ms).pcm.size == (
            duration_ms * 24
        )


def test_the_default_voices_play_the_recording_untouched() -> None:
    """A listener may look for these very samples in what it hears."""
    recording = utterances.find(PREPARED)
    assert recording is not None

    for name in ("alloy", "marin"):
        speech = bundled_voice().speak(PREPARED, name)
        assert speech.source == "prepared"
        assert np.array_equal(speech.pcm, recording.pcm)
        assert speech.words == recording.words


def test_the_other_voices_sound_different_but_say_it_in_the_same_time() -> None:
    spoken = {name: bundled_voice().speak(PREPARED, name) for name in PROFILES}

    assert len({speech.pcm.size for speech in spoken.values()}) == 1
    sounds = {speech.pcm.tobytes() for speech in spoken.values()}
    assert len(sounds) == len(PROFILES) - 1  # alloy and marin share one


def test_an_unknown_voice_name_has_a_voice_of_its_own() -> None:
    voice = LayeredVoice()

    assert voice.speak("Hello", "voice_123").pcm.size > 0
    assert np.array_equal(
        voice.speak("Hello", "voice_123").pcm,
        LayeredVoice().speak("Hello", "voice_123").pcm,
    )


def test_text_that_only_the_assistant_recorded_wins_over_the_users() -> None:
    """ "Hello there!" is a user's line; the assistant may still be made to say it."""
    speech = bundled_voice().speak("Hello there!", "alloy")

    assert speech.source == "prepared"


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_nothing_to_say_is_no_audio(text: str) -> None:
    speech = bundled_voice().speak(text, "alloy")

    assert speech.pcm.shape == (0,)
    assert speech.words == ()


@pytest.mark.parametrize(
    "text", ["...", "😀", "你好", "naïve café — x_y/z.py", "a" * 3_000, "\0\x07", "1 2"]
)
def test_no_text_is_too_strange(speaker: tuple[LayeredVoice, str], text: str) -> None:
    voice, _ = speaker

    speech = voice.speak(text, "echo")

    assert [word.text for word in speech.words] == text.split()
    assert speech.pcm.size < 24_000 * 600


@needs_espeak
def test_speech_of_espeak_is_about_as_long_as_a_person_would_need() -> None:
    speech = bundled_voice().speak(FREE, "alloy")

    assert speech.source == "espeak"
    assert 3_000 < speech.duration_ms < 7_000


def test_syllables_are_about_as_long_as_a_person_would_need() -> None:
    recording = utterances.find(PREPARED)
    assert recording is not None

    speech = LayeredVoice().speak(PREPARED, "alloy")

    assert speech.source == "syllables"
    assert 0.6 < speech.duration_ms / recording.duration_ms < 1.6


@needs_espeak
@pytest.mark.parametrize("name", [*PROFILES, "voice_a", "voice_b", "voice_c"])
def test_espeak_has_every_voice(name: str) -> None:
    assert bundled_voice().speak("Nobody recorded this.", name).source == "espeak"


def test_speech_is_kept_and_cannot_be_changed() -> None:
    voice = LayeredVoice()
    speech = voice.speak(FREE, "alloy")

    assert voice.speak(FREE, "alloy") is speech
    with pytest.raises(ValueError, match="read-only"):
        speech.pcm[0] = 1


def test_the_least_recently_used_speech_goes_first() -> None:
    syllable = LayeredVoice().speak("ha", "alloy").pcm.size
    voice = LayeredVoice(cache_samples=3 * syllable)
    first = voice.speak("ha", "alloy")
    second = voice.speak("ho", "alloy")
    assert voice.speak("ha", "alloy") is first
    voice.speak("hu", "alloy")
    voice.speak("hi", "alloy")

    assert voice.speak("ha", "alloy") is first
    assert voice.speak("ho", "alloy") is not second


def test_a_negative_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="-1 ms"):
        bundled_voice().speak(FREE, "alloy", duration_ms=-1)


def test_many_threads_may_speak_at_once() -> None:
    """libespeak-ng keeps one global state; two syntheses must not meet in it."""
    texts = [f"This is sentence number {n}." for n in range(6)]
    alone = {text: bundled_voice().speak(text, "coral") for text in texts}
    together = LayeredVoice(espeak=load_espeak(), cache_samples=0)

    def speak(text: str) -> tuple[str, Speech]:
        return text, together.speak(text, "coral")

    with ThreadPoolExecutor(4) as pool:
        for text, speech in pool.map(speak, texts * 3):
            assert np.array_equal(speech.pcm, alone[text].pcm)

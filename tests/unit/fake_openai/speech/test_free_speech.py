"""Free speech. The texts are spoken here by voices that nothing was trained on."""

from __future__ import annotations

import pytest

from fake_openai import utterances
from fake_openai.speech.free_speech import FirstOf, best_recogniser, expected_phrases
from fake_openai.speech.protocols import Pcm, Recognition
from fake_openai.speech.recognise import bundled_recogniser
from fake_openai.speech.sphinx import SphinxRecogniser, is_installed
from tests.support import speech_lines as lines

needs_sphinx = pytest.mark.skipif(
    not is_installed(), reason="the extra `speech` is not installed"
)


class Says:
    """A recogniser with one answer, that counts how often it was asked."""

    def __init__(self, text: str | None) -> None:
        self._text = text
        self.asked = 0

    def recognise(self, pcm: Pcm) -> Recognition:
        self.asked += 1
        if self._text is None:
            return Recognition.unrecognised()
        return Recognition(self._text, None, 1.0, recognised=True)


def test_the_second_is_not_asked_when_the_first_knows() -> None:
    second = Says("second")
    pcm = utterances.load("stop").pcm

    assert FirstOf(Says("first"), second).recognise(pcm).text == "first"
    assert second.asked == 0


def test_the_second_is_asked_when_the_first_does_not_know() -> None:
    pcm = utterances.load("stop").pcm

    assert FirstOf(Says(None), Says("second")).recognise(pcm).text == "second"
    assert not FirstOf(Says(None), Says(None)).recognise(pcm).recognised


def test_without_a_worker_the_prepared_recogniser_is_the_best() -> None:
    assert best_recogniser(None) is bundled_recogniser()


def test_every_prepared_text_is_expected_by_its_plain_id() -> None:
    phrases = expected_phrases()

    assert phrases["What is the weather in Oslo?"] == "weather_oslo"
    assert set(phrases) == {u.text for u in utterances.all_utterances("user")}


@pytest.fixture(scope="module")
def sphinx() -> SphinxRecogniser:
    return SphinxRecogniser(expected_phrases())


@needs_sphinx
def test_phrases_are_understood_from_voices_it_does_not_know(
    sphinx: SphinxRecogniser,
) -> None:
    """9 of 10 at least; none may be taken for another."""
    spoken = [
        u
        for u in utterances.all_utterances("user")
        if u.speaker == "awb" and u.duration_ms > 900
    ][:10]

    results = [sphinx.recognise(u.pcm) for u in spoken]

    right = [r.text == u.text for r, u in zip(results, spoken, strict=True)]
    assert sum(right) >= 9
    texts = {u.text for u in utterances.all_utterances("user")}
    for result, utterance in zip(results, spoken, strict=True):
        assert result.text == utterance.text or result.text not in texts


@needs_sphinx
def test_a_phrase_is_reported_with_its_id(sphinx: SphinxRecogniser) -> None:
    result = sphinx.recognise(utterances.load("weather_oslo.awb").pcm)

    assert result.recognised
    assert result.utterance_id == "weather_oslo"


@needs_sphinx
def test_other_sentences_are_given_as_their_words(sphinx: SphinxRecogniser) -> None:
    answer = utterances.load("a_what_did_they_say")  # said by slt

    result = sphinx.recognise(answer.pcm)

    assert result.recognised
    assert result.utterance_id is None
    said = {"they", "said", "that", "everything", "is", "fine"}
    assert len(said & set(result.text.split())) >= 4


@needs_sphinx
def test_what_is_no_speech_is_not_recognised(sphinx: SphinxRecogniser) -> None:
    for name, sound in lines.not_speech(1.0, seed=3).items():
        assert not sphinx.recognise(sound).recognised, name


@needs_sphinx
def test_the_same_audio_is_understood_the_same_again(sphinx: SphinxRecogniser) -> None:
    pcm = utterances.load("tell_joke").pcm
    first = sphinx.recognise(pcm)
    sphinx.recognise(utterances.load("deploy").pcm)

    assert sphinx.recognise(pcm) == first

from __future__ import annotations

import pytest

from fake_openai.speech.phrases import PhraseBook, similarity

PRONUNCIATION = {
    "good": "G UH D",
    "morning": "M AO R N IH NG",
    "the": "DH AH",
    "mining": "M AY N IH NG",
    "stop": "S T AA P",
    "shop": "SH AA P",
    "in": "IH N",
    "oslo": "AO S L OW",
    "lima": "L IY M AH",
    "weather": "W EH DH ER",
}


def book(*texts: str) -> PhraseBook:
    return PhraseBook(
        {text: text.lower().replace(" ", "_") for text in texts},
        lambda word: PRONUNCIATION[word].split(),
    )


def test_a_phrase_is_found_by_its_sound() -> None:
    nearest = book("Good morning", "Stop").nearest("the morning")

    assert nearest is not None
    assert (nearest.phrase.text, nearest.phrase.utterance_id) == (
        "Good morning",
        "good_morning",
    )


def test_the_phrase_itself_is_entirely_similar() -> None:
    nearest = book("Good morning").nearest("good morning")

    assert nearest is not None
    assert nearest.similarity == 1


def test_words_that_sound_like_no_phrase_mean_none() -> None:
    assert book("Good morning", "Weather in Oslo").nearest("stop") is None


def test_words_between_two_phrases_mean_neither() -> None:
    assert book("Weather in Oslo", "Weather in Lima").nearest("weather in") is None


@pytest.mark.parametrize("heard", ["", "...", "12"])
def test_no_words_mean_no_phrase(heard: str) -> None:
    assert book("Stop").nearest(heard) is None


def test_an_empty_book_knows_nothing() -> None:
    assert book().nearest("stop") is None


@pytest.mark.parametrize(
    ("heard", "known", "expected"),
    [
        ("abcd", "abcd", 1.0),
        ("abcd", "abxd", 0.75),
        ("abcd", "abd", 0.75),
        ("ab", "abcd", 0.5),
        ("abcd", "wxyz", 0.0),
        ("", "abc", 0.0),
        ("abc", "", 0.0),
    ],
)
def test_similarity_counts_what_must_be_changed(
    heard: str, known: str, expected: float
) -> None:
    assert similarity(heard, known) == expected
    assert similarity(known, heard) == expected

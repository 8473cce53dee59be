"""Which of some expected phrases a recogniser's imperfect words mean. Pure.

Words are compared by how they sound: "the mining" is nearer to "good morning" than
its letters tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

LEAST_SIMILARITY = 0.5
"""Half of the phonemes right. On 43 phrases by four flite voices this finds 42 each,
takes none for another, and none of 35 other sentences for a phrase."""
LEAST_MARGIN = 0.05
"""How much nearer the nearest phrase must be than the next."""

Pronounce: TypeAlias = Callable[[str], Sequence[str]]
"""The phonemes of a lower-case word."""

_WORD = re.compile(r"[a-z']+")


@dataclass(frozen=True, slots=True)
class Phrase:
    """An expected phrase."""

    text: str
    utterance_id: str | None


@dataclass(frozen=True, slots=True)
class Nearest:
    """The expected phrase that what was heard sounds most like."""

    phrase: Phrase
    similarity: float
    """1 minus the edit distance of the phonemes, relative to the longer one."""


class PhraseBook:
    """Expected phrases with their pronunciation."""

    def __init__(self, phrases: Mapping[str, str | None], pronounce: Pronounce) -> None:
        """Learn to know phrases.

        Args:
            phrases: text to the id of its prepared utterance, if there is one.
            pronounce: phonemes of a word.
        """
        self._pronounce = pronounce
        self._phrases = [
            (Phrase(text, id_), self._phonemes(text)) for text, id_ in phrases.items()
        ]

    def nearest(self, heard: str) -> Nearest | None:
        """The phrase that is meant, or None when none is near, or two are."""
        phonemes = self._phonemes(heard)
        ranked = sorted(
            (
                Nearest(phrase, similarity(phonemes, known))
                for phrase, known in self._phrases
            ),
            key=lambda nearest: -nearest.similarity,
        )
        if not ranked or ranked[0].similarity < LEAST_SIMILARITY:
            return None
        if len(ranked) > 1:
            margin = ranked[0].similarity - ranked[1].similarity
            return ranked[0] if margin >= LEAST_MARGIN else None
        return ranked[0]

    def _phonemes(self, text: str) -> list[str]:
        words = _WORD.findall(text.lower())
        return [phoneme for word in words for phoneme in self._pronounce(word)]


def similarity(heard: Sequence[str], known: Sequence[str]) -> float:
    """1 minus the edit distance relative to the longer sequence; 0 if one is empty."""
    if not heard or not known:
        return 0.0
    row = list(range(len(known) + 1))
    for i, phoneme in enumerate(heard, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(known, 1):
            before, row[j] = (
                row[j],
                min(row[j] + 1, row[j - 1] + 1, before + (phoneme != other)),
            )
    return 1 - row[-1] / max(len(heard), len(known))

"""Ears for people: prepared utterances first, then free speech if installed."""

from __future__ import annotations

from collections.abc import Mapping

from fake_openai.speech.protocols import Pcm, Recogniser, Recognition
from fake_openai.speech.recognise import bundled_recogniser
from fake_openai.speech.sphinx import is_installed
from fake_openai.speech.worker import WorkerRecogniser
from fake_openai.utterances import all_utterances


class FirstOf:
    """Asks one recogniser, and another only about what the first does not know."""

    def __init__(self, first: Recogniser, second: Recogniser) -> None:
        self._first = first
        self._second = second

    def recognise(self, pcm: Pcm) -> Recognition:
        """The first one's answer if it recognised something, else the second one's."""
        result = self._first.recognise(pcm)
        return result if result.recognised else self._second.recognise(pcm)


def expected_phrases() -> dict[str, str | None]:
    """What the prepared users say, with the ids that scenarios know."""
    return {u.text: u.id for u in reversed(all_utterances("user"))}


def free_speech_worker(
    phrases: Mapping[str, str | None] | None = None,
) -> WorkerRecogniser | None:
    """A recogniser of free speech in a child process, or None if it is not installed.

    The caller closes it, and calls `recognise` in a thread (`asyncio.to_thread`): it
    takes up to half of the turn's time. Use it behind the prepared recogniser:
    `FirstOf(bundled_recogniser(), worker)`.

    Args:
        phrases: what is likely to be said, text to id; by default the prepared users'
            utterances.
    """
    if not is_installed():
        return None
    return WorkerRecogniser(expected_phrases() if phrases is None else phrases)


def best_recogniser(worker: WorkerRecogniser | None) -> Recogniser:
    """Prepared utterances, and free speech too when there is a worker."""
    prepared = bundled_recogniser()
    return prepared if worker is None else FirstOf(prepared, worker)

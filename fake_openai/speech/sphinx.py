"""Free speech by pocketsphinx, whose English model ships in its wheel; an extra.

How good it is, measured on flite voices (no person was at hand): 10 to 14 % of the
words of the demo's own phrases wrong, 15 to 31 % of other sentences; 42 of 43 phrases
meant right, none wrongly. On a noisy line (white noise 20 dB below) half of the
phrases are lost, but none is taken for another.

A call takes a fifth to half of the audio's time, and *holds the interpreter's lock*
while it does: never call it in a process that must keep time, not even in a thread.
`worker.py` runs it in a process of its own.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from fake_openai.speech.level import from_pcm, to_pcm
from fake_openai.speech.phrases import PhraseBook
from fake_openai.speech.protocols import Pcm, Recognition
from fake_openai.speech.resample import resample
from fake_openai.utterances.model import SAMPLE_RATE_HZ

MODEL_RATE_HZ = 16_000
LONGEST_S = 20
"""Of a longer turn only the end is listened to."""
LEAST_WORDS = 3
LEAST_CONFIDENCE = 0.4
"""Words that are no expected phrase are believed from three on, when their mean
posterior reaches this: chirps and noise have passed for "we're a"."""

_VARIANT = re.compile(r"\(\d+\)$")


class SphinxUnavailableError(RuntimeError):
    """pocketsphinx is not installed, or does not start."""


def is_installed() -> bool:
    """Whether the extra is there; does not import it."""
    return importlib.util.find_spec("pocketsphinx") is not None


class SphinxRecogniser:
    """Recognises English, above all the phrases it is told to expect.

    Not thread-safe. About 100 MB and half a second to make.
    """

    def __init__(self, phrases: Mapping[str, str | None]) -> None:
        """Load the model.

        Args:
            phrases: what is likely to be said, each with the id to report.

        Raises:
            SphinxUnavailableError: it is not installed, or does not start.
        """
        try:
            from pocketsphinx import Config, Decoder

            config = Config(samprate=MODEL_RATE_HZ, loglevel="FATAL")
            self._decoder: Any = Decoder(config)
        except (ImportError, RuntimeError) as exc:
            raise SphinxUnavailableError("pocketsphinx does not start") from exc
        self._phrases = PhraseBook(phrases, self._pronounce)

    def recognise(self, pcm: Pcm) -> Recognition:
        """Say what a person said.

        Args:
            pcm: int16, shape (n_samples,), mono, 24 kHz, with some of the line's own
                silence around the speech.

        Returns:
            An expected phrase with its id; else the words as they were understood,
            lower case, without id; else unrecognised.
        """
        words, confidence = self._decode(pcm[-LONGEST_S * SAMPLE_RATE_HZ :])
        nearest = self._phrases.nearest(" ".join(words))
        if nearest is not None:
            phrase = nearest.phrase
            return Recognition(
                phrase.text, phrase.utterance_id, nearest.similarity, recognised=True
            )
        if len(words) < LEAST_WORDS or confidence < LEAST_CONFIDENCE:
            return Recognition.unrecognised(confidence)
        return Recognition(" ".join(words), None, confidence, recognised=True)

    def _decode(self, pcm: Pcm) -> tuple[list[str], float]:
        """The words that were understood, and their mean posterior probability."""
        if pcm.size < SAMPLE_RATE_HZ // 10 or not pcm.any():
            return [], 0.0
        low = to_pcm(resample(from_pcm(pcm), SAMPLE_RATE_HZ, MODEL_RATE_HZ))
        self._decoder.start_utt()
        self._decoder.process_raw(low.tobytes(), full_utt=True)
        self._decoder.end_utt()
        if self._decoder.hyp() is None:
            return [], 0.0
        segments = [s for s in self._decoder.seg() if s.word[0] not in "<[+"]
        words = [_VARIANT.sub("", segment.word) for segment in segments]
        confidence = float(np.mean([s.prob for s in segments])) if segments else 0.0
        return words, min(1.0, confidence)

    def _pronounce(self, word: str) -> list[str]:
        """Phonemes by the dictionary; of a word that is not in it, its letters."""
        found = self._decoder.lookup_word(word)
        return found.split() if found else list(word)

"""Recognition of prepared utterances: says what was said, or that it does not know.

Deterministic, without a model: what was heard is compared with every recording it
knows. It understands the recordings themselves after a codec, loss, gain, noise; it
does not understand people (recognise_free.py tries to). How sure it must be was set
on measured figures: see tests/unit/fake_openai/speech/test_recognise.py.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fake_openai.speech.matching import Match, Template, TemplateBank
from fake_openai.speech.protocols import Pcm, Recognition
from fake_openai.speech.spectrum import spectrum
from fake_openai.speech.wav import read_wav
from fake_openai.utterances import Utterance, all_utterances, text_key

SHORTEST_FRAMES = 8
"""Less than 80 ms of sound is a click, not a word."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How good a match must be to be believed."""

    score: float = 0.75
    """Least score of utterances of 0.7 s and more. Other speech of every voice tried
    stays below 0.65; the recordings themselves over any line tried are above 0.79."""
    short_score: float = 0.82
    """Least score of utterances of 0.4 s and less; in between it is interpolated."""
    worst: float = 0.60
    """Least similarity of any 400 ms: one changed word is another sentence."""
    explained: float = 0.70
    """Least part of the heard speech that the match must cover."""
    margin: float = 0.05
    """Least distance to the best match with another text."""

    def least_score(self, n_frames: int) -> float:
        """The score an utterance of so many 10 ms frames must reach."""
        shortness = min(1.0, max(0.0, (70 - n_frames) / 30))
        return self.score + shortness * (self.short_score - self.score)


@dataclass(frozen=True, slots=True)
class _Known:
    text: str
    key: str
    utterance_id: str | None


@dataclass(frozen=True, slots=True)
class _Memory:
    """What is known at one moment; replaced as a whole, so readers need no lock."""

    known: tuple[_Known, ...] = ()
    bank: TemplateBank = field(default_factory=lambda: TemplateBank(()))


class PreparedRecogniser:
    """Recognises the recordings it was given. Thread-safe, deterministic.

    A call takes about 5 ms for 3 s of speech and 60 recordings.
    """

    def __init__(
        self,
        utterances: Iterable[Utterance] = (),
        *,
        acceptance: Acceptance | None = None,
    ) -> None:
        """Learn some utterances (about 2 ms each, and their decoding)."""
        self._acceptance = acceptance or Acceptance()
        self._lock = threading.Lock()
        self._memory = _Memory()
        self._learn([(u.text, u.id, u.pcm) for u in utterances])

    def add(self, text: str, pcm: Pcm, *, utterance_id: str | None = None) -> None:
        """Learn one more recording; several of one text may be given.

        Args:
            text: what is said in it.
            pcm: int16, shape (n_samples,), mono, 24 kHz, at least 80 ms of sound.
            utterance_id: what to report as its id.

        Raises:
            ValueError: there is too little sound in it.
        """
        self._learn([(text, utterance_id, pcm)])

    def add_wav(
        self, text: str, path: Path, *, utterance_id: str | None = None
    ) -> None:
        """Learn one more recording from a 16-bit WAV file of any rate.

        Raises:
            OSError: it cannot be read.
            ValueError: it is no such file, or there is too little sound in it.
        """
        self.add(text, read_wav(path), utterance_id=utterance_id)

    def recognise(self, pcm: Pcm) -> Recognition:
        """Say which known recording a turn's audio holds.

        Args:
            pcm: int16, shape (n_samples,), mono, 24 kHz; any length. Silence around
                the speech is expected; a cut onset of up to 100 ms is tolerated.

        Returns:
            The recording's text and id with its score as confidence, or an
            unrecognised result with the best score there was.
        """
        memory = self._memory
        heard = spectrum(pcm)
        if heard.n_frames < SHORTEST_FRAMES:
            return Recognition.unrecognised()
        # More speech than any recording could explain need not be searched.
        could_explain = memory.bank.longest_frames / self._acceptance.explained
        if int(heard.active.sum()) > could_explain:
            return Recognition.unrecognised()
        matches = memory.bank.matches(heard)
        if not matches:
            return Recognition.unrecognised()
        best, known = matches[0], memory.known[matches[0].template]
        confidence = min(1.0, max(0.0, best.score))
        rival = next(
            (m for m in matches if memory.known[m.template].key != known.key), None
        )
        n_frames = memory.bank.templates[best.template].n_frames
        if not self._is_accepted(best, rival, n_frames):
            return Recognition.unrecognised(confidence)
        return Recognition(known.text, known.utterance_id, confidence, recognised=True)

    def _is_accepted(self, best: Match, rival: Match | None, n_frames: int) -> bool:
        least = self._acceptance
        return (
            best.score >= least.least_score(n_frames)
            and best.worst >= least.worst
            and best.explained >= least.explained
            and (rival is None or best.score - rival.score >= least.margin)
        )

    def _learn(self, recordings: Iterable[tuple[str, str | None, Pcm]]) -> None:
        known, templates = [], []
        for text, utterance_id, pcm in recordings:
            picture = spectrum(pcm)
            if picture.n_frames < SHORTEST_FRAMES:
                raise ValueError(f"too little sound in the recording of {text!r}")
            known.append(_Known(text, text_key(text), utterance_id))
            templates.append(Template.of(picture))
        with self._lock:
            memory = self._memory
            self._memory = _Memory(
                (*memory.known, *known),
                TemplateBank((*memory.bank.templates, *templates)),
            )


@cache
def bundled_recogniser() -> PreparedRecogniser:
    """One recogniser of all bundled user utterances, shared by the process.

    The first call takes about half a second: make it at start, not in a call. Do not
    `add` to it; a scenario with own recordings makes its own recogniser.
    """
    return PreparedRecogniser(all_utterances("user"))

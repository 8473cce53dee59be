"""Recognition of prepared utterances: says what was said, or that it does not know.

Deterministic, without a model: what was heard is compared with every recording it
knows. It understands the recordings themselves after a codec, loss, gain, noise; it
does not understand people (sphinx.py tries to), nor the same text by another speaker
(0 of 19 pairs). How sure it must be was set on measured figures: see
tests/unit/fake_openai/speech/test_recognise.py. Not told apart is a word that another
lacks only a weak consonant of, by the very same synthetic voice: "stop" and "top",
"Alice" and "Alex". Teach it both and it tells them apart, or refuses.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fake_openai.speech.matching import Match, Template, TemplateBank
from fake_openai.speech.protocols import Pcm, Recognition
from fake_openai.speech.spectrum import HOP_SAMPLES, Spectrum, spectrum
from fake_openai.speech.wav import read_wav
from fake_openai.utterances import Utterance, all_utterances, text_key

SHORTEST_FRAMES = 8
"""Less than 80 ms of sound is a click, not a word."""
LEAST_PAUSE_FRAMES = 18
"""A pause of 180 ms may part two utterances; inside the bundled ones are none."""
MOST_PARTS = 4


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
            The recording's text and id with its score as confidence. Of several with
            pauses between them all texts, the last one's id (a reply is to that) and
            the least score. Else unrecognised, with the best score there was.
        """
        memory = self._memory
        heard = spectrum(pcm)
        whole = self._one(memory, heard)
        return whole if whole.recognised else self._several(memory, heard, pcm) or whole

    def _one(self, memory: _Memory, heard: Spectrum) -> Recognition:
        """The recording that explains all of what was heard."""
        # More speech than any recording could explain need not be searched.
        could_explain = memory.bank.longest_frames / self._acceptance.explained
        n_active = int(heard.active.sum())
        if heard.n_frames < SHORTEST_FRAMES or n_active > could_explain:
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

    def _several(
        self, memory: _Memory, heard: Spectrum, pcm: Pcm
    ) -> Recognition | None:
        """Recordings one after the other, if they are all that was heard."""
        parts = heard.parts(LEAST_PAUSE_FRAMES)
        if not 2 <= len(parts) <= MOST_PARTS:
            return None
        results = []
        for first, last in parts:
            edge = LEAST_PAUSE_FRAMES // 2
            span = slice(
                max(0, first - edge) * HOP_SAMPLES, (last + edge) * HOP_SAMPLES
            )
            result = self._one(memory, spectrum(pcm[span]))
            if not result.recognised:
                return None
            results.append(result)
        return Recognition(
            " ".join(result.text for result in results),
            results[-1].utterance_id,
            min(result.confidence for result in results),
            recognised=True,
        )

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

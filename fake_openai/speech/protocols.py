"""What the session core needs of speech: something that speaks, something that hears.

Both are synchronous and pure towards the caller: same input, same output, no clock.
An implementation that needs more than a few milliseconds says so; the edge then calls
it in a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from fake_openai.utterances.model import SAMPLE_RATE_HZ, Pcm, Word

__all__ = [
    "SAMPLE_RATE_HZ",
    "Pcm",
    "Recogniser",
    "Recognition",
    "Speech",
    "Voice",
    "Word",
]


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a recogniser made of a piece of audio."""

    text: str
    """What was said; empty when not recognised."""
    utterance_id: str | None
    """Id of the prepared utterance, or None (not recognised, or free speech)."""
    confidence: float
    """0 (nothing like it) to 1 (the recording itself). Comparable between results of
    one recogniser only."""
    recognised: bool
    failed: bool = False
    """Nobody listened: the recogniser broke or had no time. Not to be taken for
    speech that was not understood."""

    @classmethod
    def failure(cls) -> Recognition:
        """The answer "I could not listen"."""
        return cls("", None, 0.0, recognised=False, failed=True)

    @classmethod
    def unrecognised(cls, confidence: float = 0.0) -> Recognition:
        """The answer "somebody or something was heard, but I cannot say what"."""
        return cls(text="", utterance_id=None, confidence=confidence, recognised=False)


@runtime_checkable
class Recogniser(Protocol):
    """Turns the audio of one user turn into text."""

    def recognise(self, pcm: Pcm) -> Recognition:
        """Say what is in a turn's audio.

        Args:
            pcm: int16, shape (n_samples,), mono, 24 kHz; any length including none.
                Silence around the speech is expected.

        Returns:
            A recognition; never raises for audio it does not understand.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """Spoken text."""

    pcm: Pcm
    """int16, shape (n_samples,), mono, 24 kHz, read-only."""
    words: tuple[Word, ...]
    """The words of the text in order, times from the first sample of `pcm`."""
    source: str = ""
    """Who spoke: "prepared", "espeak" or "syllables"."""

    @property
    def duration_ms(self) -> int:
        """Length of `pcm`, rounded down."""
        return self.pcm.size * 1000 // SAMPLE_RATE_HZ


@runtime_checkable
class Voice(Protocol):
    """Turns text into audio."""

    def speak(self, text: str, voice: str, *, duration_ms: int | None = None) -> Speech:
        """Speak a text.

        Args:
            text: what to say; an empty one gives empty speech.
            voice: an OpenAI voice name (alloy, marin, ...); an unknown one is spoken
                by a voice derived from its name.
            duration_ms: exact length wanted; None leaves it to the speaker.
        """
        ...

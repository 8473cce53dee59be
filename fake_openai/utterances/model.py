"""What a prepared recording is: its text, its speaker, its samples, its truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLE_RATE_HZ = 24_000
"""Rate of every prepared recording: the Realtime API's own PCM rate."""

Pcm: TypeAlias = NDArray[np.int16]
Role: TypeAlias = Literal["user", "assistant"]


class PcmSource(Protocol):
    """Where an utterance gets its samples from when they are first asked for."""

    def pcm(self, utterance_id: str) -> Pcm: ...


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word and when it is heard, counted from the recording's start."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Utterance:
    """One prepared recording.

    Times count from the first sample of `pcm` and are what a level meter reads on it,
    at a resolution of one millisecond. The edges are sharp: a detector with a threshold
    between about -50 and -38 dBFS finds them within 20 ms.
    """

    id: str
    text: str
    """What is said, with its punctuation: what a transcript should show."""
    speaker: str
    """The flite voice: rms, awb, kal16 (users) or slt (the assistant)."""
    role: Role
    n_samples: int
    """Length of `pcm`, known without decoding it."""
    speech_start_ms: int
    """First millisecond whose level passes the speech threshold of the index."""
    speech_end_ms: int
    """First millisecond after the last one that passes it."""
    longest_pause_ms: int
    """Longest run below the threshold inside the speech: a voice activity detector
    whose silence duration is longer than this must not split the utterance."""
    words: tuple[Word, ...]
    answers: str | None = None
    """For an answer: the id of the user utterance it belongs to."""
    after: str | None = None
    """For an answer: the moment it belongs to (tool_start, tool_result, ...)."""
    _source: PcmSource = field(repr=False, compare=False, kw_only=True)

    @property
    def pcm(self) -> Pcm:
        """The samples, int16, shape (n_samples,), mono, 24 kHz, read-only.

        Decoded when first asked for (about 3 ms per second of speech), then kept
        for the life of the process. Safe from any thread.
        """
        return self._source.pcm(self.id)

    @property
    def duration_ms(self) -> int:
        """Length of the recording with its silent edges, rounded down."""
        return self.n_samples * 1000 // SAMPLE_RATE_HZ


def utterance_from_entry(
    entry: Mapping[str, object], *, source: PcmSource
) -> Utterance:
    """One entry of `index.json` as an Utterance.

    Raises:
        KeyError, TypeError, ValueError: the entry is not what make_speech.py writes.
    """
    words = entry["words"]
    if not isinstance(words, list):
        raise TypeError(f"words of {entry['id']!r} is not a list")
    role = str(entry["role"])
    return Utterance(
        id=str(entry["id"]),
        text=str(entry["text"]),
        speaker=str(entry["speaker"]),
        role="assistant" if role == "assistant" else "user",
        n_samples=_integer(entry, "n_samples"),
        speech_start_ms=_integer(entry, "speech_start_ms"),
        speech_end_ms=_integer(entry, "speech_end_ms"),
        longest_pause_ms=_integer(entry, "longest_pause_ms"),
        words=tuple(Word(str(w), int(start), int(end)) for w, start, end in words),
        answers=_optional_text(entry, "answers"),
        after=_optional_text(entry, "after"),
        _source=source,
    )


def _integer(entry: Mapping[str, object], key: str) -> int:
    value = entry[key]
    if not isinstance(value, int):
        raise TypeError(f"{key} of {entry['id']!r} is not an integer")
    return value


def _optional_text(entry: Mapping[str, object], key: str) -> str | None:
    value = entry.get(key)
    return None if value is None else str(value)

"""Prepared speech: what users say and what the assistant answers, as recordings.

About 70 user recordings (flite rms, awb, kal16) and 50 answers (flite slt), Ogg/Opus
mono 24 kHz, every one at -20 dBFS while speaking, with its edges known to the
millisecond. `texts.toml` lists the sentences, `index.json` what was measured on them;
`scripts/make_speech.py` makes both audio and index.

    load("weather_oslo").pcm              # int16, 24 kHz, mono, read-only
    find("what is the weather in oslo")   # by text; the first speaker's
    all_utterances("user")                # every one of a role
"""

from __future__ import annotations

from fake_openai.utterances.model import SAMPLE_RATE_HZ, Role, Utterance, Word
from fake_openai.utterances.opus_file import DamagedRecordingError
from fake_openai.utterances.store import (
    UnknownUtteranceError,
    UtteranceStore,
    bundled,
    text_key,
)

__all__ = [
    "SAMPLE_RATE_HZ",
    "DamagedRecordingError",
    "UnknownUtteranceError",
    "Utterance",
    "UtteranceStore",
    "Word",
    "all_utterances",
    "bundled",
    "find",
    "load",
    "text_key",
]


def load(utterance_id: str) -> Utterance:
    """The prepared recording with this id.

    Raises:
        UnknownUtteranceError: there is none.
    """
    return bundled().load(utterance_id)


def all_utterances(role: Role | None = None) -> tuple[Utterance, ...]:
    """Every prepared recording, or every one of a role, in the order of texts.toml."""
    return bundled().all(role)


def find(
    text: str, *, role: Role | None = None, speaker: str | None = None
) -> Utterance | None:
    """The first recording of a text, or None; case and punctuation do not matter."""
    return bundled().find(text, role=role, speaker=speaker)

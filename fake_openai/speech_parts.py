"""Ears and mouth of the fake, chosen once per process."""

from dataclasses import dataclass

import numpy as np

from fake_openai import utterances
from fake_openai.speech.protocols import Recogniser, Speech, Voice
from fake_openai.speech.recognise import bundled_recogniser


@dataclass(frozen=True, slots=True)
class SpeechParts:
    """What a session hears with and speaks with."""

    recogniser: Recogniser
    voice: Voice


class _Stub:
    def speak(self, text: str, voice: str, *, duration_ms: int | None = None) -> Speech:
        found = utterances.find(text)
        if found is None:
            t = np.arange(24000 * 2) / 24000
            return Speech((8000 * np.sin(2 * np.pi * 300 * t)).astype(np.int16), ())
        return Speech(found.pcm, ())


def load_speech(*, free_speech: bool = False) -> SpeechParts:
    """The best there is."""
    return SpeechParts(bundled_recogniser(), _Stub())

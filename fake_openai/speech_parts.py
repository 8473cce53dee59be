"""Ears and mouth of the fake, chosen once per process."""

import logging
from dataclasses import dataclass

from fake_openai.speech.protocols import Recogniser, Voice
from fake_openai.speech.recognise import bundled_recogniser
from fake_openai.speech.voice import bundled_voice

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpeechParts:
    """What a session hears with and speaks with."""

    recogniser: Recogniser
    voice: Voice


def load_speech(*, free_speech: bool = False) -> SpeechParts:
    """The bundled recogniser and voice; the first call takes half a second.

    Args:
        free_speech: also try to understand people, if that recogniser is installed.
    """
    recogniser: Recogniser = bundled_recogniser()
    if free_speech:
        logger.warning("no recogniser of free speech is installed")
    return SpeechParts(recogniser, bundled_voice())

"""Ears and mouth of the fake, chosen once per server."""

from dataclasses import dataclass

from fake_openai.speech.free_speech import best_recogniser, free_speech_worker
from fake_openai.speech.protocols import Recogniser, Voice
from fake_openai.speech.recognise import bundled_recogniser
from fake_openai.speech.voice import bundled_voice
from fake_openai.speech.worker import WorkerRecogniser


@dataclass(frozen=True, slots=True)
class SpeechParts:
    """What a session hears with and speaks with."""

    recogniser: Recogniser
    voice: Voice
    worker: WorkerRecogniser | None = None
    """The child process that understands people; `close` ends it."""

    def close(self) -> None:
        """End what was started. Blocks for a moment: call it in a thread."""
        if self.worker is not None:
            self.worker.close()


def load_speech(*, free_speech: bool = False) -> SpeechParts:
    """The bundled recogniser and voice; the first call takes half a second.

    Args:
        free_speech: also try to understand people, if that recogniser is installed.
    """
    worker = free_speech_worker() if free_speech else None
    if worker is None:
        return SpeechParts(bundled_recogniser(), bundled_voice())
    return SpeechParts(best_recogniser(worker), bundled_voice(), worker)

"""The fake model's voice: prepared recordings, else espeak-ng, else syllables."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fake_openai.speech.espeak import Espeak, EspeakUnavailableError, load_espeak
from fake_openai.speech.level import from_pcm, normalise, to_pcm
from fake_openai.speech.profiles import VoiceProfile, profile
from fake_openai.speech.protocols import Speech, Word
from fake_openai.speech.stretch import fit, shift_pitch
from fake_openai.speech.syllables import speak_syllables
from fake_openai.utterances import UtteranceStore, bundled

logger = logging.getLogger(__name__)

CACHE_SAMPLES = 24_000 * 600
"""Ten minutes of speech are kept (29 MB); the least recently used goes first."""

_Spoken: TypeAlias = tuple[NDArray[np.float64], tuple[Word, ...], str]
_Key: TypeAlias = tuple[str, str, int | None]


class LayeredVoice:
    """Speaks any text, by the best speaker that can. Thread-safe, deterministic.

    A prepared recording costs about 3 ms per second of speech when first used, another
    text 10 ms and 2 per second (syllables: 4), a cached one nothing. All come at
    -20 dBFS while speaking.
    """

    def __init__(
        self,
        *,
        recordings: UtteranceStore | None = None,
        espeak: Espeak | None = None,
        cache_samples: int = CACHE_SAMPLES,
    ) -> None:
        """Compose a voice.

        Args:
            recordings: texts it can play back; None for none.
            espeak: who speaks all others; None leaves them to syllables.
            cache_samples: how much speech to keep.
        """
        self._recordings = recordings
        self._espeak = espeak
        self._cache_samples = cache_samples
        self._lock = threading.Lock()
        self._cache: OrderedDict[_Key, Speech] = OrderedDict()
        self._cached_samples = 0

    def speak(self, text: str, voice: str, *, duration_ms: int | None = None) -> Speech:
        """Speak a text.

        Args:
            text: what to say; nothing but spaces gives no audio.
            voice: an OpenAI voice name; see profiles.py for how each sounds. alloy and
                marin play prepared recordings untouched.
            duration_ms: exact length wanted; see `stretch.fit` for how it is reached.

        Raises:
            ValueError: duration_ms is negative.
        """
        if duration_ms is not None and duration_ms < 0:
            raise ValueError(f"a duration of {duration_ms} ms")
        key = (text, voice, duration_ms)
        with self._lock:
            speech = self._cache.get(key)
            if speech is not None:
                self._cache.move_to_end(key)
                return speech
        speech = self._spoken(text, voice, duration_ms)
        with self._lock:
            self._keep(key, speech)
        return speech

    def _spoken(self, text: str, voice: str, duration_ms: int | None) -> Speech:
        if duration_ms is not None:
            # From the natural speech, which is cached by itself.
            natural = self.speak(text, voice)
            samples, words = fit(from_pcm(natural.pcm), natural.words, duration_ms)
            source = natural.source
        else:
            samples, words, source = self._natural(text, profile(voice))
        pcm = to_pcm(samples)
        pcm.setflags(write=False)
        return Speech(pcm, words, source)

    def _natural(self, text: str, how: VoiceProfile) -> _Spoken:
        if not text.strip():
            return np.zeros(0), (), "silence"
        return (
            self._prepared(text, how)
            or self._by_espeak(text, how)
            or self._by_syllables(text, how)
        )

    def _prepared(self, text: str, how: VoiceProfile) -> _Spoken | None:
        if self._recordings is None:
            return None
        found = self._recordings.find(text, role="assistant")
        found = found or self._recordings.find(text)
        if found is None:
            return None
        samples = shift_pitch(from_pcm(found.pcm), how.pitch)
        return samples, found.words, "prepared"

    def _by_espeak(self, text: str, how: VoiceProfile) -> _Spoken | None:
        if self._espeak is None:
            return None
        try:
            samples, words = self._espeak.speak(text, how.espeak)
        except EspeakUnavailableError as exc:
            # A voice is better than none: the syllables take over.
            logger.warning("espeak-ng did not speak", exc_info=exc)
            return None
        return (normalise(samples), words, "espeak") if samples.size else None

    def _by_syllables(self, text: str, how: VoiceProfile) -> _Spoken:
        samples, words = speak_syllables(text, how.pitch)
        return normalise(samples), words, "syllables"

    def _keep(self, key: _Key, speech: Speech) -> None:
        if key in self._cache or speech.pcm.size > self._cache_samples:
            return
        self._cache[key] = speech
        self._cached_samples += speech.pcm.size
        while self._cached_samples > self._cache_samples:
            _, dropped = self._cache.popitem(last=False)
            self._cached_samples -= dropped.pcm.size


@cache
def bundled_voice() -> LayeredVoice:
    """The voice of this process: bundled recordings, and espeak-ng when installed."""
    return LayeredVoice(recordings=bundled(), espeak=load_espeak())

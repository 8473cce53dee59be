"""espeak-ng in this process, by its C library; an extra: `voicebridge[speech]`.

The library is not thread-safe, and keeps the state of its flutter and noise in static
variables that nothing resets: the same text would sound different each time. So every
synthesis holds one lock, loads the library afresh and unloads it again (7 ms, nothing
leaks on glibc). Where a C library never unloads (musl), speech is a little different
each time and nothing else is.
"""

from __future__ import annotations

import _ctypes
import ctypes
import logging
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fake_openai.speech.resample import resample
from fake_openai.utterances.model import SAMPLE_RATE_HZ, Word

logger = logging.getLogger(__name__)

LONGEST_TEXT = 4_000
"""Characters of one synthesis, about four minutes; the rest is left unsaid."""
RATE_WPM = 165

# speak_lib.h of espeak-ng 1.51 and 1.52: the part used here.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_POSITION_CHARACTER = 1
_CHARS_UTF8 = 1
_PARAMETER_RATE = 1
_EVENT_LIST_TERMINATED = 0
_EVENT_WORD = 1
_OK = 0


class _EventId(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.POINTER(ctypes.c_short),
    ctypes.c_int,
    ctypes.POINTER(_Event),
)


class EspeakUnavailableError(RuntimeError):
    """espeak-ng cannot be loaded on this machine, or refused to work."""


class Espeak:
    """The library and its data on disk. Thread-safe, deterministic."""

    def __init__(self, library_path: Path, data_path: Path) -> None:
        """Try the library out.

        Raises:
            EspeakUnavailableError: no such library, or its data is missing.
        """
        self._library_path = library_path
        self._data_path = data_path
        self._lock = threading.Lock()
        with self._lock, _Loaded(library_path, data_path):
            pass

    def speak(
        self, text: str, voice: str
    ) -> tuple[NDArray[np.float64], tuple[Word, ...]]:
        """Speak a text; about 7 ms, and 1.5 ms per second of speech.

        Args:
            text: what to say, at most LONGEST_TEXT characters of it.
            voice: espeak-ng voice and variant, like "en-us+f3".

        Returns:
            float64, shape (n_samples,), mono, 24 kHz, full scale 1.0, not normalised;
            and its words with the times espeak gave them.

        Raises:
            EspeakUnavailableError: it knows no such voice, or synthesis failed.
        """
        with self._lock, _Loaded(self._library_path, self._data_path) as library:
            library.synthesise(text[:LONGEST_TEXT], voice)
        if not library.pieces:
            return np.zeros(0), _words(text, [], 0)
        samples = np.concatenate(library.pieces) / 32768.0
        speech = resample(samples, library.rate_hz, SAMPLE_RATE_HZ)
        duration_ms = speech.size * 1000 // SAMPLE_RATE_HZ
        return speech, _words(text, library.word_events, duration_ms)


class _Loaded:
    """The library while it is loaded: one synthesis."""

    def __init__(self, library_path: Path, data_path: Path) -> None:
        self.pieces: list[NDArray[np.int16]] = []
        self.word_events: list[tuple[int, int]] = []
        """Position of a word's first character in the text, and its start in ms."""
        self.rate_hz = 0
        self._library_path = library_path
        self._data_path = data_path
        # The library keeps the pointer: the object must live as long as it is loaded.
        self._callback = _Callback(self._on_audio)

    def __enter__(self) -> _Loaded:
        try:
            self._library = ctypes.CDLL(str(self._library_path))
        except OSError as exc:
            raise EspeakUnavailableError(f"{self._library_path} does not load") from exc
        self.rate_hz = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, 0, str(self._data_path).encode(), _DONT_EXIT
        )
        if self.rate_hz <= 0:
            self._unload()
            raise EspeakUnavailableError(f"espeak-ng does not like {self._data_path}")
        self._library.espeak_SetSynthCallback(self._callback)
        if hasattr(self._library, "espeak_ng_SetRandSeed"):  # since 1.52
            self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._library.espeak_Terminate()
        self._unload()

    def _unload(self) -> None:
        # ctypes itself offers no way to unload; these two are what CPython has inside.
        name = "FreeLibrary" if sys.platform == "win32" else "dlclose"
        getattr(_ctypes, name)(self._library._handle)

    def synthesise(self, text: str, voice: str) -> None:
        """Speak into `pieces` and `word_events`."""
        if self._library.espeak_SetVoiceByName(voice.encode()) != _OK:
            raise EspeakUnavailableError(f"espeak-ng has no voice {voice!r}")
        self._library.espeak_SetParameter(_PARAMETER_RATE, RATE_WPM, 0)
        data = text.encode(errors="replace") + b"\0"
        status = self._library.espeak_Synth(
            data,
            ctypes.c_size_t(len(data)),
            0,
            _POSITION_CHARACTER,
            0,
            _CHARS_UTF8,
            None,
            None,
        )
        if status != _OK:
            raise EspeakUnavailableError(f"espeak-ng failed with {status}")

    def _on_audio(self, wav: Any, n_samples: int, events: Any) -> int:
        """Called by espeak_Synth, in its thread, with each piece of audio."""
        if wav and n_samples > 0:
            piece = np.ctypeslib.as_array(wav, shape=(n_samples,))
            self.pieces.append(piece.astype(np.int16))
        index = 0
        while events[index].type != _EVENT_LIST_TERMINATED:
            event = events[index]
            if event.type == _EVENT_WORD:
                self.word_events.append((event.text_position - 1, event.audio_position))
            index += 1
        return 0


def _words(
    text: str, events: list[tuple[int, int]], duration_ms: int
) -> tuple[Word, ...]:
    """Words of a text as it is written, timed by espeak's word events.

    espeak's own idea of words differs (it joins "there are", and says 22 as two): a
    written word begins with the first event inside it; words without one share their
    predecessor's time by their length.
    """
    groups: list[tuple[int, list[str]]] = []
    position = 0
    for word in text.split():
        position = text.index(word, position)
        end = position + len(word)
        inside = [at for start, at in events if position <= start < end]
        position = end
        if inside or not groups:
            latest = groups[-1][0] if groups else 0
            groups.append((max(latest, min(inside, default=0)), [word]))
        else:
            groups[-1][1].append(word)
    ends = [start for start, _ in groups[1:]] + [duration_ms]
    words: list[Word] = []
    for (start, group), end in zip(groups, ends, strict=True):
        words += _shared(group, start, max(start, end))
    return tuple(words)


def _shared(words: list[str], start_ms: int, end_ms: int) -> list[Word]:
    """Words one after the other in a span, each as long as it is written."""
    edges = np.cumsum([0] + [len(word) for word in words])
    times = start_ms + edges * (end_ms - start_ms) // edges[-1]
    return [
        Word(word, int(start), int(end))
        for word, start, end in zip(words, times[:-1], times[1:], strict=True)
    ]


@cache
def load_espeak() -> Espeak | None:
    """espeak-ng from the package espeakng-loader, or None when it cannot be had."""
    try:
        import espeakng_loader

        library, data = (
            Path(espeakng_loader.get_library_path()),
            Path(espeakng_loader.get_data_path()),
        )
    except (ImportError, OSError, RuntimeError):
        return None
    try:
        return Espeak(library, data)
    except EspeakUnavailableError as exc:
        logger.warning("espeak-ng is installed but does not work", exc_info=exc)
        return None

"""espeak-ng in this process, by its C library; an extra: `voicebridge[speech]`.

The library keeps one global state and is not thread-safe: every use holds one lock.
It is loaded when first needed and never unloaded (it has no clean way back).
"""

from __future__ import annotations

import ctypes
import logging
import threading
from functools import cache
from pathlib import Path

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
_PARAMETER_PITCH = 3
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
    """The loaded library. Make it by `load_espeak`, once per process."""

    def __init__(self, library_path: Path, data_path: Path) -> None:
        """Load and initialise.

        Raises:
            EspeakUnavailableError: no such library, or its data is missing.
        """
        try:
            self._library = ctypes.CDLL(str(library_path))
        except OSError as exc:
            raise EspeakUnavailableError(f"{library_path} does not load") from exc
        self._lock = threading.Lock()
        self._pieces: list[NDArray[np.int16]] = []
        self._events: list[tuple[int, int, int]] = []
        # The library keeps the pointer: the object must live as long as this one.
        self._callback = _Callback(self._on_audio)
        path = str(data_path).encode()
        self._rate_hz = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, 0, path, _DONT_EXIT
        )
        if self._rate_hz <= 0:
            raise EspeakUnavailableError(f"espeak-ng does not start with {data_path}")
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(
        self, text: str, voice: str
    ) -> tuple[NDArray[np.float64], tuple[Word, ...]]:
        """Speak a text; about 10 ms per second of speech. Safe from any thread.

        Args:
            text: what to say, at most LONGEST_TEXT characters of it.
            voice: espeak-ng voice and variant, like "en-us+f3".

        Returns:
            float64, shape (n_samples,), mono, 24 kHz, full scale 1.0, not normalised;
            and its words with the times espeak gave them.

        Raises:
            EspeakUnavailableError: it knows no such voice, or synthesis failed.
        """
        text = text[:LONGEST_TEXT]
        with self._lock:
            self._pieces, self._events = [], []
            if self._library.espeak_SetVoiceByName(voice.encode()) != _OK:
                raise EspeakUnavailableError(f"espeak-ng has no voice {voice!r}")
            self._library.espeak_SetParameter(_PARAMETER_RATE, RATE_WPM, 0)
            data = text.encode() + b"\0"
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
            pieces, events = self._pieces, self._events
        if not pieces:
            return np.zeros(0), ()
        samples = np.concatenate(pieces) / 32768.0
        speech = resample(samples, self._rate_hz, SAMPLE_RATE_HZ)
        duration_ms = speech.size * 1000 // SAMPLE_RATE_HZ
        return speech, _words(text, events, duration_ms)

    def _on_audio(self, wav: object, n_samples: int, events: object) -> int:
        """Called by espeak_Synth, in its thread, with each piece of audio."""
        if wav and n_samples > 0:
            pointer = ctypes.cast(wav, ctypes.POINTER(ctypes.c_short))  # type: ignore[arg-type]
            piece = np.ctypeslib.as_array(pointer, shape=(n_samples,))
            self._pieces.append(piece.astype(np.int16))
        index = 0
        while events[index].type != _EVENT_LIST_TERMINATED:  # type: ignore[index]
            event = events[index]  # type: ignore[index]
            if event.type == _EVENT_WORD:
                self._events.append(
                    (event.text_position - 1, event.length, event.audio_position)
                )
            index += 1
        return 0


def _words(
    text: str, events: list[tuple[int, int, int]], duration_ms: int
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
        inside = [at for start, _, at in events if position <= start < end]
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

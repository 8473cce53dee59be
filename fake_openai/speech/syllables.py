"""A voice made of arithmetic: always there, always the same, understood by nobody.

Every syllable is a puff of noise and a vowel of two formants over a buzzing source,
about as many and as long as a person would need. It is for voice activity detectors,
meters and clocks, on machines that have no speech synthesiser.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fake_openai.utterances.model import SAMPLE_RATE_HZ, Word

_MS = SAMPLE_RATE_HZ // 1000
CONSONANT_MS = 50
VOWEL_MS = 120
WORD_GAP_MS = 40
COMMA_MS = 150
FULL_STOP_MS = 260
EDGE_MS = 40
PITCH_HZ = 180.0
LONGEST_WORD_SYLLABLES = 12
"""A "word" of 10 kB must not become an hour of audio."""

_FORMANTS_HZ = {
    "a": (750, 1200),
    "e": (530, 1850),
    "i": (320, 2300),
    "o": (520, 900),
    "u": (340, 1000),
    "y": (330, 2100),
}
_VOWELS = re.compile("[aeiouy]+|[0-9]")
_DIGIT_VOWELS = "eoueoaieeai"

Floats = NDArray[np.float64]


def speak_syllables(text: str, pitch: float) -> tuple[Floats, tuple[Word, ...]]:
    """A text as syllables.

    Args:
        text: anything; what holds no letter or digit is a pause.
        pitch: relative to a middle voice, 1.0.

    Returns:
        float64, shape (n_samples,), mono, 24 kHz, full scale 1.0, not normalised; and
        its words, which cover it in order.
    """
    pieces: list[Floats] = [np.zeros(EDGE_MS * _MS)]
    words: list[Word] = []
    at = pieces[0].size
    for number, word in enumerate(text.split()):
        hz = PITCH_HZ * pitch * (1.06 - 0.03 * (number % 5))
        spoken = np.concatenate(list(_word(word, hz)))
        words.append(Word(word, at // _MS, (at + spoken.size) // _MS))
        pause = np.zeros(_pause_ms(word) * _MS)
        pieces += [spoken, pause]
        at += spoken.size + pause.size
    return np.concatenate(pieces), tuple(words)


def _pause_ms(word: str) -> int:
    if word[-1] in ".!?":
        return FULL_STOP_MS
    return COMMA_MS if word[-1] in ",;:" else WORD_GAP_MS


def _word(word: str, hz: float) -> Iterator[Floats]:
    nuclei = _VOWELS.findall(word.lower())[:LONGEST_WORD_SYLLABLES] or ["e"]
    for place, nucleus in enumerate(nuclei):
        seed = zlib.crc32(f"{word.lower()} {place}".encode())
        yield _consonant(seed)
        letter = nucleus[0]
        vowel = _DIGIT_VOWELS[int(letter)] if letter.isdigit() else letter
        yield _vowel(_FORMANTS_HZ[vowel], hz)


def _consonant(seed: int) -> Floats:
    """A puff of noise whose colour comes from its seed."""
    n = CONSONANT_MS * _MS
    noise = np.random.default_rng(seed).standard_normal(n)
    spectrum = np.fft.rfft(noise)
    hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE_HZ)
    centre = 1500 + seed % 3500
    spectrum *= np.exp(-np.square((hz - centre) / 1200))
    puff = np.fft.irfft(spectrum, n) * np.hanning(n)
    return np.asarray(0.05 * puff / np.abs(puff).max(), dtype=np.float64)


def _vowel(formants_hz: tuple[int, int], hz: float) -> Floats:
    """Harmonics of a falling pitch, shaped by two resonances."""
    n = VOWEL_MS * _MS
    t = np.arange(n) / SAMPLE_RATE_HZ
    phase = 2 * np.pi * hz * (t - 0.05 * t * t / t[-1])
    numbers = np.arange(1, int(3800 / hz) + 1)
    gains = np.full(numbers.size, 0.01)
    for formant, width, height in zip(formants_hz, (90, 130), (1.0, 0.5), strict=True):
        gains += height / (1 + np.square((numbers * hz - formant) / width))
    partials = np.sin(numbers[:, np.newaxis] * phase)
    tone = (partials * (gains / np.sqrt(numbers))[:, np.newaxis]).sum(axis=0)
    envelope = np.minimum(1, np.minimum(t, t[::-1]) / 0.025)
    return np.asarray(0.3 * envelope * tone / np.abs(tone).max(), dtype=np.float64)

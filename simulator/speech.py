"""Test signals: tones, chirps and speech-like sound, always the same for one seed."""

from __future__ import annotations

import numpy as np

from simulator.timeline import RATE_HZ, Pcm, Samples

FULL_SCALE = 32768.0


def to_pcm(samples: Samples) -> Pcm:
    """Float samples in [-1, 1] as int16, rounded, clipped at full scale."""
    scaled = np.rint(np.asarray(samples, dtype=np.float64) * FULL_SCALE)
    return np.clip(scaled, -32768, 32767).astype(np.int16)


def to_float(pcm: Pcm) -> Samples:
    """int16 samples as floats in [-1, 1)."""
    return np.asarray(pcm, dtype=np.float64) / FULL_SCALE


def silence(seconds: float) -> Pcm:
    """Digital silence."""
    return np.zeros(round(seconds * RATE_HZ), dtype=np.int16)


def tone(hz: float, seconds: float, *, dbfs: float = -12.0, fade_ms: float = 5) -> Pcm:
    """A sine whose rms is `dbfs` (a full-scale sine is -3.01), faded at both ends."""
    n = round(seconds * RATE_HZ)
    amplitude = min(1.0, 10 ** (dbfs / 20) * np.sqrt(2))
    wave = amplitude * np.sin(2 * np.pi * hz * np.arange(n) / RATE_HZ)
    return to_pcm(wave * _fades(n, fade_ms))


def chirp(
    seconds: float, *, from_hz: float = 300, to_hz: float = 4000, dbfs: float = -18
) -> Pcm:
    """A linear sweep: a marker whose correlation has one sharp peak."""
    n = round(seconds * RATE_HZ)
    t = np.arange(n) / RATE_HZ
    phase = 2 * np.pi * (from_hz * t + (to_hz - from_hz) * t**2 / (2 * seconds))
    amplitude = min(1.0, 10 ** (dbfs / 20) * np.sqrt(2))
    return to_pcm(amplitude * np.sin(phase) * _fades(n, 5))


def speech_like(seconds: float, *, seed: int, dbfs: float = -20.0) -> Pcm:
    """Sound with the structure of speech: voiced syllables, hiss, pauses.

    A pulse train with a moving pitch goes through three moving formants, in syllables
    of 120-250 ms with a fricative or a short pause between them. Two seeds give two
    different "sentences". Nobody understands it; a voice activity detector, a speech
    codec and a correlation take it for speech.

    Args:
        seconds: length; the first and last syllable reach to the edges.
        seed: which sentence.
        dbfs: rms of the whole signal.
    """
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE_HZ)
    out = np.zeros(n)
    at = 0
    while at < n:
        voiced = _syllable(rng, rng.uniform(0.12, 0.25))
        hiss = _fricative(rng, rng.uniform(0.04, 0.09))
        pause = np.zeros(int(rng.uniform(0.0, 0.08) * RATE_HZ))
        piece = np.concatenate([voiced, hiss, pause])
        piece = piece[: n - at]
        out[at : at + piece.size] = piece
        at += piece.size
    rms = float(np.sqrt(np.mean(np.square(out)))) or 1.0
    return to_pcm(out * (10 ** (dbfs / 20) / rms) * _fades(n, 5))


def _syllable(rng: np.random.Generator, seconds: float) -> Samples:
    n = int(seconds * RATE_HZ)
    pitch_hz = np.linspace(rng.uniform(95, 160), rng.uniform(85, 150), n)
    phase = np.cumsum(pitch_hz / RATE_HZ)
    pulses = np.diff(np.floor(phase), prepend=0.0)
    spectrum = np.fft.rfft(pulses)
    hz = np.fft.rfftfreq(n, 1 / RATE_HZ)
    response = np.zeros(hz.size)
    bands = ((250, 850, 90, 1.0), (900, 2300, 120, 0.5), (2400, 3400, 200, 0.2))
    for low, high, width, gain in bands:
        centre = rng.uniform(low, high)
        response += gain / (1 + ((hz - centre) / width) ** 2)
    wave = np.fft.irfft(spectrum * response, n)
    wave *= np.hanning(n) ** 0.5
    return np.asarray(wave / (float(np.abs(wave).max()) or 1.0))


def _fricative(rng: np.random.Generator, seconds: float) -> Samples:
    n = int(seconds * RATE_HZ)
    noise = np.diff(rng.standard_normal(n + 1))
    return np.asarray(0.06 * noise * np.hanning(n))


def _fades(n: int, fade_ms: float) -> Samples:
    ramp = min(n // 2, int(fade_ms * RATE_HZ / 1000))
    window = np.ones(n)
    if ramp:
        edge = 0.5 - 0.5 * np.cos(np.pi * (np.arange(ramp) + 0.5) / ramp)
        window[:ramp] = edge
        window[n - ramp :] = edge[::-1]
    return window


def prepare(what: str) -> Pcm:
    """The samples of a sound by name, int16, 24 kHz.

    Args:
        what: `tone:HZ[:SECONDS[:DBFS]]`, `chirp[:SECONDS]`, `like:SEED[:SECONDS]`
            (speech-like sound), `silence:SECONDS`, or the id of a prepared utterance
            of the fake (`hello`, `weather_oslo.awb`, …).

    Raises:
        ValueError: no such sound.
    """
    kind, *given = what.split(":")
    try:
        numbers = [float(number) for number in given]
        if kind == "tone":
            hz, seconds, dbfs = (*numbers, *(440.0, 2.0, -12.0)[len(numbers) :])
            return tone(hz, seconds, dbfs=dbfs)
        if kind == "chirp":
            return chirp(*(numbers or [0.2]))
        if kind == "like":
            seed, seconds = (*numbers, *(0.0, 2.0)[len(numbers) :])
            return speech_like(seconds, seed=int(seed))
        if kind == "silence":
            return silence(*numbers)
    except (TypeError, ValueError) as exc:
        raise ValueError(f"{what!r} is not a sound: {exc}") from exc
    return _utterance(what)


def _utterance(what: str) -> Pcm:
    # Imported when first needed: tones and tests do without the recordings.
    from fake_openai import utterances

    try:
        return utterances.load(what).pcm
    except utterances.UnknownUtteranceError as exc:
        raise ValueError(f"{what!r} is not a sound: {exc}") from exc

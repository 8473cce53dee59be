"""WAV files as the PCM that everything here works on."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from fake_openai.speech.level import to_pcm
from fake_openai.speech.resample import resample
from fake_openai.utterances.model import SAMPLE_RATE_HZ, Pcm


def read_wav(path: Path) -> Pcm:
    """A 16-bit WAV file of any rate and number of channels, as mono at 24 kHz.

    Returns:
        int16, shape (n_samples,), mono (the mean of the channels), 24 kHz.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a WAV file of 16-bit PCM.
    """
    try:
        with wave.open(str(path)) as file:
            if file.getsampwidth() != 2:
                raise ValueError(f"{path}: {8 * file.getsampwidth()} bits, not 16")
            data = file.readframes(file.getnframes())
            n_channels, rate_hz = file.getnchannels(), file.getframerate()
    except (wave.Error, EOFError) as exc:
        raise ValueError(f"{path}: not a PCM WAV file: {exc}") from exc
    channels = np.frombuffer(data, "<i2").reshape(-1, n_channels)
    return to_pcm(resample(channels.mean(axis=1) / 32768.0, rate_hz, SAMPLE_RATE_HZ))

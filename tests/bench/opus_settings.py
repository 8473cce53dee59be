"""Which Opus settings: CPU against quality, for speech at 24 kHz mono.

Run `python tests/bench/opus_settings.py`. Quality is estimated in two ways, both over
the prepared utterances, encoded and decoded, aligned to the sample:

- lsd_db: log-spectral distance, dB, lower is better: root mean square over frames and
  40 mel bands (100 Hz to 11 kHz, 20 ms Hann frames, floor -70 dBFS) of the difference
  of band levels. About 1 dB is hard to hear, 3 dB is plain to hear.
- snr_db: segmental signal-to-noise ratio, dB, higher is better; it favours codecs that
  keep the waveform (CELT) over those that keep the sound (SILK): read lsd_db first.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fake_openai import utterances
from server.rtc import libopus

RATE_HZ, FRAME = 24_000, 480
FLOOR_DB = -70.0
SETTINGS: list[tuple[libopus.Application, int, int]] = [
    ("lowdelay", rate, complexity)
    for rate in (24_000, 32_000, 48_000, 64_000)
    for complexity in (0, 5, 10)
] + [
    ("voip", rate, complexity)
    for rate in (16_000, 24_000, 32_000)
    for complexity in (0, 5, 10)
]


def speech() -> NDArray[np.int16]:
    """Some forty seconds of both voices, in whole frames."""
    parts = [u.pcm for u in utterances.all_utterances()[:24]]
    pcm = np.concatenate(parts)
    return pcm[: pcm.size // FRAME * FRAME]


def bands(pcm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levels in dB, shape (n_frames, 40)."""
    frames = np.lib.stride_tricks.sliding_window_view(pcm, FRAME)[:: FRAME // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1)) ** 2
    mel = np.linspace(*(2595 * np.log10(1 + np.array([100, 11_000]) / 700)), 42)
    edges = 700 * (10 ** (mel / 2595) - 1)
    hz = np.fft.rfftfreq(FRAME, 1 / RATE_HZ)
    weights = [
        np.clip(np.minimum((hz - a) / (b - a), (c - hz) / (c - b)), 0, None)
        for a, b, c in zip(edges, edges[1:], edges[2:], strict=False)
    ]
    reference = (FRAME / 4) ** 2
    level = power @ np.array(weights).T / reference
    return np.maximum(10 * np.log10(level + 1e-12), FLOOR_DB)


def align(heard: NDArray[np.float64], sent: NDArray[np.float64]) -> int:
    """Samples by which `heard` is late, 0 to 20 ms."""
    lags = range(FRAME)
    middle = slice(sent.size // 4, sent.size // 4 + 5 * RATE_HZ)
    part = sent[middle]
    scores = [part @ heard[middle.start + k : middle.stop + k] for k in lags]
    return int(np.argmax(scores))


def measure() -> Iterator[str]:
    """One line per setting."""
    pcm = speech()
    frames = pcm.reshape(-1, FRAME)
    sent = pcm / 32_768
    for application, rate, complexity in SETTINGS:
        encoder = libopus.Encoder(application, bit_rate_bps=rate, complexity=complexity)
        decoder = libopus.Decoder()
        started_s = time.process_time()
        packets = [encoder.encode(frame) for frame in frames]
        encoded_s = time.process_time()
        decoded = [decoder.decode(packet) for packet in packets]
        ended_s = time.process_time()
        heard = np.concatenate([d for d in decoded if d is not None]) / 32_768
        lag = align(heard, sent)
        heard, clean = heard[lag:], sent[: sent.size - lag]
        difference = bands(heard) - bands(clean)
        loud = bands(clean).max(axis=1) > -50
        lsd_db = float(np.sqrt(np.mean(difference[loud] ** 2)))
        error = (heard - clean)[: clean.size // FRAME * FRAME].reshape(-1, FRAME)
        signal = clean[: error.size].reshape(-1, FRAME)
        energy = (signal**2).sum(axis=1)
        talking = energy > 1e-3
        noise = (error**2).sum(axis=1)
        snr_db = float(np.mean(10 * np.log10(energy[talking] / noise[talking])))
        per_frame_us = 1e6 / len(frames)
        kbit_s = sum(map(len, packets)) * 8 / (len(packets) * 0.02) / 1000
        yield (
            f"{application:9}{rate / 1000:4.0f}{complexity:4}"
            f"{(encoded_s - started_s) * per_frame_us:10.1f}"
            f"{(ended_s - encoded_s) * per_frame_us:10.1f}"
            f"{kbit_s:8.1f}{lag / 24:8.1f}{lsd_db:8.2f}{snr_db:8.1f}"
        )


def main() -> int:
    print(
        f"{'':9}{'kbps':>4}{'cx':>4}{'enc us':>10}{'dec us':>10}{'kbit/s':>8}"
        f"{'lag ms':>8}{'lsd_db':>8}{'snr_db':>8}"
    )
    for line in measure():
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

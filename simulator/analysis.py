"""What one stretch of sound is: level, pitch, where it is active. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.speech import to_float
from simulator.timeline import RATE_HZ, Pcm, Samples

SILENCE_DBFS = -96.0
"""What digital silence reads: about the last bit of int16."""

ACTIVE_DBFS = -50.0
"""A block above this carries sound a person would notice in a quiet room."""

TONE_WIDTH_HZ = 25.0

BLOCK_SAMPLES = 120
"""Block of the activity measure: 5 ms."""


def level_dbfs(pcm: Pcm) -> float:
    """RMS level in dBFS.

    Args:
        pcm: int16, shape (n_samples,). Any rate.

    Returns:
        20*log10(rms / 32768), never below SILENCE_DBFS; a full-scale sine reads
        -3.01. An empty array reads SILENCE_DBFS.
    """
    if pcm.size == 0:
        return SILENCE_DBFS
    rms = float(np.sqrt(np.mean(np.square(to_float(pcm)))))
    return max(SILENCE_DBFS, 20 * float(np.log10(rms))) if rms else SILENCE_DBFS


def block_levels_dbfs(pcm: Pcm, block: int = BLOCK_SAMPLES) -> Samples:
    """RMS level of each whole block, dBFS, shape (n_samples // block,)."""
    n_blocks = pcm.size // block
    blocks = to_float(pcm[: n_blocks * block]).reshape(n_blocks, block)
    power = np.mean(np.square(blocks), axis=1)
    floor = 10 ** (SILENCE_DBFS / 10)
    return np.asarray(10 * np.log10(np.maximum(power, floor)))


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of samples, [start, end)."""

    start: int
    end: int

    @property
    def n_samples(self) -> int:
        """How many samples it holds."""
        return self.end - self.start

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.n_samples / RATE_HZ


def active_spans(
    pcm: Pcm,
    *,
    threshold_dbfs: float = ACTIVE_DBFS,
    join_ms: float = 400.0,
    least_ms: float = 15.0,
) -> list[Span]:
    """Where there is sound, to the block of 5 ms.

    Args:
        pcm: int16, shape (n_samples,), 24 kHz.
        threshold_dbfs: a block at or above this is sound.
        join_ms: quieter stretches up to this long do not split a span.
        least_ms: spans with less sound than this are clicks and left out.
    """
    loud = block_levels_dbfs(pcm) >= threshold_dbfs
    edges = np.flatnonzero(np.diff(loud.astype(np.int8), prepend=0, append=0))
    spans: list[Span] = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        span = Span(int(start) * BLOCK_SAMPLES, int(end) * BLOCK_SAMPLES)
        if spans and (span.start - spans[-1].end) * 1000 / RATE_HZ <= join_ms:
            spans[-1] = Span(spans[-1].start, span.end)
        else:
            spans.append(span)
    return [s for s in spans if s.seconds * 1000 >= least_ms]


def active_length_s(pcm: Pcm, *, threshold_dbfs: float = ACTIVE_DBFS) -> float:
    """Seconds of sound in a recording, pauses not counted, to the block of 5 ms."""
    loud = block_levels_dbfs(pcm) >= threshold_dbfs
    return float(np.count_nonzero(loud)) * BLOCK_SAMPLES / RATE_HZ


def pitch_hz(
    pcm: Pcm, *, low_hz: float = 50.0, high_hz: float = 5000.0
) -> float | None:
    """Frequency of the strongest spectral line, in Hz, or None for silence.

    The peak of a Hann-windowed spectrum, interpolated over its neighbours in dB: for a
    tone of half a second the error is below 0.1 Hz. For speech it names a strong
    harmonic, not the fundamental.

    Args:
        pcm: int16, shape (n_samples,), 24 kHz; at least 20 ms.
        low_hz: lines below are not looked at.
        high_hz: lines above are not looked at.
    """
    if pcm.size < RATE_HZ // 50 or level_dbfs(pcm) <= ACTIVE_DBFS - 20:
        return None
    size = 1 << int(np.ceil(np.log2(pcm.size)) + 1)
    spectrum = np.abs(np.fft.rfft(to_float(pcm) * np.hanning(pcm.size), size))
    step_hz = RATE_HZ / size
    first, last = int(low_hz / step_hz) + 1, int(high_hz / step_hz)
    peak = first + int(np.argmax(spectrum[first:last]))
    left, middle, right = np.log(np.maximum(spectrum[peak - 1 : peak + 2], 1e-12))
    return (peak + vertex(float(left), float(middle), float(right))) * step_hz


def is_tone(pcm: Pcm) -> bool:
    """Whether a sound is one steady spectral line: 95 % of its power within ±25 Hz.

    Args:
        pcm: int16, shape (n_samples,), 24 kHz; less than 100 ms is no tone.
    """
    hz = pitch_hz(pcm)
    if hz is None or pcm.size < RATE_HZ // 10:
        return False
    power = np.square(np.abs(np.fft.rfft(to_float(pcm) * np.hanning(pcm.size))))
    near = np.abs(np.fft.rfftfreq(pcm.size, 1 / RATE_HZ) - hz) <= TONE_WIDTH_HZ
    return float(power[near].sum()) >= 0.95 * float(power.sum())


def vertex(left: float, middle: float, right: float) -> float:
    """Offset of a parabola's top from its middle point, in steps, within ±0.5."""
    curve = left - 2 * middle + right
    if curve >= 0:
        return 0.0
    return float(np.clip(0.5 * (left - right) / curve, -0.5, 0.5))


@dataclass(frozen=True, slots=True)
class ToneReading:
    """A tone as it came out somewhere."""

    hz: float | None
    seconds: float
    dbfs: float


def read_tone(pcm: Pcm) -> ToneReading:
    """Pitch, length and level of the longest sound in a recording.

    Length is where the level stays within 6 dB of the middle's; pitch and level are
    taken from the middle 80 %, so that neither fades nor a neighbour matter.
    """
    spans = active_spans(pcm, threshold_dbfs=-45.0, join_ms=60.0)
    if not spans:
        return ToneReading(hz=None, seconds=0.0, dbfs=SILENCE_DBFS)
    span = max(spans, key=lambda s: s.n_samples)
    tenth = span.n_samples // 10
    middle = pcm[span.start + tenth : span.end - tenth]
    level = level_dbfs(middle)
    loud = np.flatnonzero(
        _envelope_dbfs(pcm[span.start : span.end]) >= level - 6.02,
    )
    seconds = (loud[-1] - loud[0] + 1) / RATE_HZ if loud.size else 0.0
    return ToneReading(hz=pitch_hz(middle), seconds=float(seconds), dbfs=level)


def _envelope_dbfs(pcm: Pcm, window_ms: float = 5.0) -> Samples:
    """Level around each sample, dBFS, over a centred window, shape as `pcm`."""
    half = int(window_ms * RATE_HZ / 2000)
    power = np.square(np.pad(to_float(pcm), half))
    total = np.concatenate([[0.0], np.cumsum(power)])
    mean = (total[2 * half + 1 :] - total[: -(2 * half + 1)]) / (2 * half + 1)
    return np.asarray(10 * np.log10(np.maximum(mean, 10 ** (SILENCE_DBFS / 10))))

"""Ogg/Opus files to and from PCM, with exact lengths."""

from __future__ import annotations

import io
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

from fake_openai.utterances.model import SAMPLE_RATE_HZ, Pcm

OPUS_DECODER_HZ = 48_000
"""FFmpeg decodes Opus at 48 kHz whatever the file was made from."""

MAX_MISSING_MS = 40
"""A decoder may keep its last frames; more than two missing is a damaged file."""


class DamagedRecordingError(ValueError):
    """A recording does not decode to the length its index entry promises."""


def decode_opus_file(data: bytes, *, n_samples: int) -> Pcm:
    """The recording in an Ogg/Opus file.

    The container's pre-skip (RFC 7845 section 4.2) is dropped by FFmpeg, so sample 0
    is sample 0 of what was encoded. How much padding remains at the end differs
    between FFmpeg versions, therefore the length comes from the index.

    Args:
        data: the file.
        n_samples: exact length of the recording at 24 kHz.

    Returns:
        int16, shape (n_samples,), mono, 24 kHz, writable.

    Raises:
        DamagedRecordingError: not Opus, or shorter than promised.
    """
    try:
        with av.open(io.BytesIO(data), "r") as container:
            frames = [_mono(frame) for frame in container.decode(audio=0)]
    except (av.error.FFmpegError, IndexError) as exc:
        raise DamagedRecordingError(f"not an Ogg/Opus file: {exc}") from exc
    samples = np.concatenate(frames) if frames else np.zeros(0, np.float32)
    pcm = halve_rate(samples)[:n_samples]
    missing = n_samples - pcm.size
    if missing * 1000 > MAX_MISSING_MS * SAMPLE_RATE_HZ:
        raise DamagedRecordingError(
            f"decoded {pcm.size} samples where the index promises {n_samples}"
        )
    scaled: NDArray[np.float32] = np.pad(pcm, (0, missing)) * np.float32(32768.0)
    return scaled.round().clip(-32768, 32767).astype(np.int16)


def encode_opus_file(pcm: Pcm, *, bit_rate_bps: int) -> bytes:
    """A recording as an Ogg/Opus file.

    Args:
        pcm: int16, shape (n_samples,), mono, 24 kHz.
        bit_rate_bps: target of the variable bit rate encoder.
    """
    file = io.BytesIO()
    frame_samples = SAMPLE_RATE_HZ // 50
    with av.open(file, "w", format="ogg", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE_HZ)
        stream.codec_context.layout = "mono"
        stream.bit_rate = bit_rate_bps
        stream.codec_context.options = {"application": "audio"}
        for start in range(0, pcm.size, frame_samples):
            chunk = np.ascontiguousarray(pcm[start : start + frame_samples])
            frame = av.AudioFrame.from_ndarray(
                chunk[np.newaxis], format="s16", layout="mono"
            )
            frame.sample_rate = SAMPLE_RATE_HZ
            frame.pts = start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def halve_rate(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every second sample after a low-pass at 11 kHz; no delay.

    Args:
        samples: float, shape (n,), 48 kHz.

    Returns:
        float32, shape (ceil(n / 2),), 24 kHz.
    """
    if samples.size == 0:
        return samples.astype(np.float32)
    filtered = np.convolve(samples, _HALF_BAND)
    delay = _HALF_BAND.size // 2
    return filtered[delay : delay + samples.size : 2].astype(np.float32)


def _half_band(n_taps: int = 63) -> NDArray[np.float64]:
    n = np.arange(n_taps) - n_taps // 2
    taps = 0.5 * np.sinc(n / 2) * np.blackman(n_taps)
    return cast("NDArray[np.float64]", taps / taps.sum())


_HALF_BAND = _half_band()


def _mono(frame: av.AudioFrame) -> NDArray[np.float32]:
    """Samples of a decoded frame in [-1, 1): planar float is what FFmpeg yields."""
    samples = frame.to_ndarray()[0]
    scale = 32768.0 if samples.dtype == np.int16 else 1.0
    return np.asarray(samples / scale, dtype=np.float32)

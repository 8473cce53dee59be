"""Sample layouts: bytes, packed and planar arrays, int16 and float, to mono int16."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.audio.format import FRAME_BYTES, FULL_SCALE, SILENCE, Pcm

_SILENT_BYTES = bytes(FRAME_BYTES)
_WIRE = np.dtype("<i2")
"""Of a sample on the wire; made once, because reading its name costs a copy."""


def bytes_to_pcm(data: bytes | memoryview) -> Pcm:
    """Mono samples of a headerless PCM16 little-endian message (a read-only view).

    Raises:
        ValueError: if the length is odd.
    """
    if len(data) % 2:
        raise ValueError(f"{len(data)} bytes are not whole 16-bit samples")
    return np.frombuffer(data, _WIRE)


def pcm_to_bytes(pcm: Pcm) -> bytes:
    """The samples as headerless PCM16 little-endian."""
    return pcm.astype(_WIRE, copy=False).tobytes()


def is_all_zero(pcm: Pcm) -> bool:
    """Whether a frame holds nothing at all. Comparing bytes takes a tenth of `any`."""
    if pcm is SILENCE:
        return True
    if pcm.nbytes != FRAME_BYTES:
        return not pcm.any()
    return pcm.tobytes() == _SILENT_BYTES


def float_to_int16(samples: NDArray[np.floating[Any]]) -> Pcm:
    """Samples in -1.0…1.0 as int16, rounded; anything beyond saturates."""
    scaled = np.rint(samples.astype(np.float64) * FULL_SCALE)
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def array_to_mono(samples: NDArray[Any], *, n_channels: int, planar: bool) -> Pcm:
    """Mono int16 of a decoded frame in the shape PyAV gives it.

    Args:
        samples: shape (1, n_samples * n_channels) when packed,
            (n_channels, n_samples) when planar; int16, int32 or floating point.
        n_channels: channels in the frame; several are averaged, so that a voice
            present in all of them keeps its level.
        planar: how the channels lie in memory. A packed stereo frame read as mono
            plays at half speed; this argument is why it cannot happen here.

    Raises:
        ValueError: if the shape does not fit, or the type is none of the above.
    """
    expected_rows = n_channels if planar else 1
    if samples.ndim != 2 or samples.shape[0] != expected_rows:
        raise ValueError(f"expected {expected_rows} rows, got shape {samples.shape}")
    if samples.shape[1] % (1 if planar else n_channels):
        raise ValueError(f"{samples.shape[1]} samples are not {n_channels} channels")
    by_channel = samples if planar else samples.reshape(-1, n_channels).T
    if np.issubdtype(by_channel.dtype, np.floating):
        return float_to_int16(by_channel.mean(axis=0))
    if by_channel.dtype == np.int32:
        by_channel = by_channel >> 16
    elif by_channel.dtype != np.int16:
        raise ValueError(f"cannot convert samples of type {samples.dtype}")
    if n_channels == 1:
        return np.ascontiguousarray(by_channel[0], np.int16)
    mean: Pcm = np.rint(by_channel.mean(axis=0)).astype(np.int16)
    return mean

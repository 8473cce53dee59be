"""The three audio formats of the API as int16 at 24 kHz. Pure functions on arrays.

`audio/pcm` is PCM16 little endian at 24 kHz; `audio/pcmu` and `audio/pcma` are ITU-T
G.711 at 8 kHz, one byte per sample.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 24_000
G711_RATE_HZ: Final = 8_000
Pcm: TypeAlias = NDArray[np.int16]

_STEP: Final = RATE_HZ // G711_RATE_HZ


def samples_of_ms(ms: float) -> int:
    """Samples at 24 kHz in a time in milliseconds, rounded down."""
    return int(ms * RATE_HZ) // 1000


def ms_of_samples(n_samples: int) -> int:
    """Whole milliseconds in a number of samples at 24 kHz, rounded down."""
    return n_samples * 1000 // RATE_HZ


def decode_base64(text: str, format_type: str) -> Pcm:
    """Audio of a client event.

    Args:
        text: base64 of bytes in the session's input format.
        format_type: `audio/pcm`, `audio/pcmu` or `audio/pcma`.

    Returns:
        int16, shape (n_samples,), mono, 24 kHz. A last odd byte of PCM16 is dropped.

    Raises:
        ValueError: not base64.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as problem:
        raise ValueError(str(problem)) from problem
    return decode(data, format_type)


def encode_base64(pcm: Pcm, format_type: str) -> str:
    """The opposite of decode_base64."""
    return base64.b64encode(encode(pcm, format_type)).decode("ascii")


def decode(data: bytes, format_type: str) -> Pcm:
    """Bytes of one format as int16, shape (n_samples,), mono, 24 kHz."""
    if format_type == "audio/pcm":
        return np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.int16)
    table = _ULAW_TO_LINEAR if format_type == "audio/pcmu" else _ALAW_TO_LINEAR
    linear: Pcm = table[np.frombuffer(data, dtype=np.uint8)]
    return _upsample(linear)


def encode(pcm: Pcm, format_type: str) -> bytes:
    """int16 samples, mono, 24 kHz, as bytes of one format."""
    if format_type == "audio/pcm":
        return pcm.astype("<i2").tobytes()
    table = _LINEAR_TO_ULAW if format_type == "audio/pcmu" else _LINEAR_TO_ALAW
    return bytes(table()[_downsample(pcm).astype(np.int32) + 32_768].tobytes())


def _upsample(pcm: Pcm) -> Pcm:
    """8 kHz to 24 kHz by straight lines: enough for a fake's telephone audio."""
    if pcm.size == 0:
        return pcm
    at = np.arange(pcm.size * _STEP) / _STEP
    lines = np.interp(at, np.arange(pcm.size), pcm)
    return cast("Pcm", np.rint(lines).astype(np.int16))


def _downsample(pcm: Pcm) -> Pcm:
    """24 kHz to 8 kHz: the mean of every three samples."""
    whole = pcm[: pcm.size // _STEP * _STEP].astype(np.int32)
    mean: Pcm = (whole.reshape(-1, _STEP).sum(axis=1) // _STEP).astype(np.int16)
    return mean


def _ulaw_value(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)
    return 0x84 - magnitude if code & 0x80 else magnitude - 0x84


def _alaw_value(code: int) -> int:
    code ^= 0x55
    mantissa, segment = (code & 0x0F) << 4, (code & 0x70) >> 4
    magnitude = mantissa + 8 if segment == 0 else (mantissa + 0x108) << (segment - 1)
    return magnitude if code & 0x80 else -magnitude


_ULAW_TO_LINEAR: Final = np.array([_ulaw_value(c) for c in range(256)], dtype=np.int16)
_ALAW_TO_LINEAR: Final = np.array([_alaw_value(c) for c in range(256)], dtype=np.int16)


def _inverse(table: Pcm) -> Callable[[], NDArray[np.uint8]]:
    """A lookup from int16 + 32768 to the nearest code, made when first needed."""
    made: list[NDArray[np.uint8]] = []

    def lookup() -> NDArray[np.uint8]:
        if not made:
            order = np.argsort(table, kind="stable")
            levels = table[order].astype(np.int32)
            middles = (levels[1:] + levels[:-1]) // 2
            every = np.arange(-32_768, 32_768)
            nearest = np.searchsorted(middles, every, side="left")
            made.append(order[nearest].astype(np.uint8))
        return made[0]

    return lookup


_LINEAR_TO_ULAW: Final = _inverse(_ULAW_TO_LINEAR)
_LINEAR_TO_ALAW: Final = _inverse(_ALAW_TO_LINEAR)

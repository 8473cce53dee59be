"""The header of a WAV file of 16-bit mono samples. PURE."""

import struct

HEADER_BYTES = 44
_MAX_DATA_BYTES = 0xFFFFFFFF - HEADER_BYTES


def wav_header(n_samples: int, rate_hz: int) -> bytes:
    """The first 44 bytes; written again whenever the file has grown."""
    n_bytes = min(n_samples * 2, _MAX_DATA_BYTES)
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        n_bytes + HEADER_BYTES - 8,
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        rate_hz,
        rate_hz * 2,
        2,
        16,
        b"data",
        n_bytes,
    )

"""libopus itself, at 24 kHz mono, without FFmpeg around it.

FFmpeg's wrapper always decodes at 48 kHz and offers neither concealment nor forward
error correction; libopus has both, and decodes at 24 kHz directly (RFC 6716 section
2.1.6 leaves the decoder's rate free), so no resampler is needed at all. The library is
the one inside PyAV's wheel, or the system's.
"""

import ctypes
import ctypes.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from server.audio.format import FRAME_SAMPLES, RATE_HZ, Pcm
from server.rtc.opus_packet import is_celt

MAX_PACKET_BYTES = 1275
MAX_FRAME_SAMPLES = RATE_HZ * 120 // 1000
"""Opus packets hold up to 120 ms."""

Application = Literal["voip", "audio", "lowdelay"]
_APPLICATIONS: dict[Application, int] = {"voip": 2048, "audio": 2049, "lowdelay": 2051}
_SET_BITRATE, _SET_COMPLEXITY, _SET_FEC, _SET_LOSS = 4002, 4010, 4012, 4014
_RESET = 4028


class OpusError(RuntimeError):
    """libopus refused; its code is the argument."""


@cache
def load() -> Any:
    """The library, or None when there is none that can be used."""
    for candidate in _candidates():
        try:
            return _declare(ctypes.CDLL(candidate))
        except (OSError, AttributeError):
            continue
    return None


def _candidates() -> list[str]:
    folder = Path(av.__file__).parent.parent / "av.libs"
    bundled = [str(path) for path in sorted(folder.glob("libopus*"))]
    system = ctypes.util.find_library("opus")
    return bundled + ([system] if system else [])


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    library.opus_encoder_create.argtypes = [integer, integer, integer, pointer]
    library.opus_encoder_create.restype = pointer
    library.opus_encoder_destroy.argtypes = [pointer]
    library.opus_encoder_destroy.restype = None
    library.opus_encode.argtypes = [
        pointer,
        ctypes.c_char_p,
        integer,
        pointer,
        integer,
    ]
    library.opus_encode.restype = integer
    library.opus_decoder_create.argtypes = [integer, integer, pointer]
    library.opus_decoder_create.restype = pointer
    library.opus_decoder_destroy.argtypes = [pointer]
    library.opus_decoder_destroy.restype = None
    library.opus_decode.argtypes = [
        pointer,
        ctypes.c_char_p,
        integer,
        pointer,
        integer,
        integer,
    ]
    library.opus_decode.restype = integer
    library.opus_encoder_ctl.restype = integer
    return library


class Encoder:
    """Frames of FRAME_SAMPLES samples to packets."""

    def __init__(
        self,
        application: Application = "lowdelay",
        *,
        bit_rate_bps: int = 48_000,
        complexity: int = 0,
        expected_loss_percent: int = 0,
    ) -> None:
        """
        Args:
            application: "lowdelay" is CELT alone: 2.5 ms of look-ahead instead of 6.5.
            expected_loss_percent: above 0 turns forward error correction on (not with
                "lowdelay", which has none).
        """
        library = load()
        if library is None:
            raise OpusError("no libopus")
        self._library = library
        self._state = library.opus_encoder_create(
            RATE_HZ, 1, _APPLICATIONS[application], None
        )
        if not self._state:
            raise OpusError("encoder not created")
        self._set(_SET_BITRATE, bit_rate_bps)
        self._set(_SET_COMPLEXITY, complexity)
        if expected_loss_percent:
            self._set(_SET_FEC, 1)
            self._set(_SET_LOSS, expected_loss_percent)
        self._encode = library.opus_encode
        self._packet = ctypes.create_string_buffer(MAX_PACKET_BYTES)
        self._address = ctypes.addressof(self._packet)
        self._view = memoryview(self._packet).cast("B")

    def encode(self, pcm: Pcm) -> bytes:
        """One packet for one frame, int16, shape (FRAME_SAMPLES,); empty once freed.

        Raises:
            ValueError: the frame has another size.
            OpusError: libopus refused it.
        """
        if pcm.size != FRAME_SAMPLES:
            raise ValueError(f"expected {FRAME_SAMPLES} samples, got {pcm.size}")
        if not self._state:
            return b""
        n = self._encode(
            self._state,
            pcm.tobytes(),
            FRAME_SAMPLES,
            self._address,
            MAX_PACKET_BYTES,
        )
        if n < 0:
            raise OpusError(n)
        return bytes(self._view[:n])

    def join(self, frames: Sequence[Pcm], *, after: bytes) -> None:
        """Go on where another encoder's packets end.

        A packet says how it differs from the one before it, so we must know what the
        decoder knows: the same sound, when that came as CELT like ours; nothing, when
        it came as speech (SILK, hybrid), for then the decoder begins anew with us.

        Args:
            frames: what the last packets held.
            after: the last packet.
        """
        if after and is_celt(after):
            for frame in frames:
                if frame.size == FRAME_SAMPLES:
                    self.encode(frame)
        elif self._state:
            self._library.opus_encoder_ctl(
                ctypes.c_void_p(self._state), ctypes.c_int(_RESET)
            )

    def _set(self, request: int, value: int) -> None:
        result = self._library.opus_encoder_ctl(
            ctypes.c_void_p(self._state), ctypes.c_int(request), ctypes.c_int(value)
        )
        if result:
            raise OpusError(result)

    def free(self) -> None:
        """Give its memory back now; nothing is encoded any more."""
        state, self._state = self._state, None
        if state:
            self._library.opus_encoder_destroy(state)

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            self.free()


class Decoder:
    """Packets of one stream to samples at 24 kHz mono, losses filled in."""

    def __init__(self) -> None:
        library = load()
        if library is None:
            raise OpusError("no libopus")
        self._library = library
        self._state = library.opus_decoder_create(RATE_HZ, 1, None)
        if not self._state:
            raise OpusError("decoder not created")
        self._decode = library.opus_decode
        self._samples = np.zeros(MAX_FRAME_SAMPLES, np.int16)
        self._address = self._samples.ctypes.data
        self.failed_packets = 0

    def decode(self, payload: bytes) -> Pcm | None:
        """The samples of one packet, or None when it is damaged (counted)."""
        if not payload:
            return None
        n = self._decode(
            self._state, payload, len(payload), self._address, MAX_FRAME_SAMPLES, 0
        )
        if n < 0:
            self.failed_packets += 1
            return None
        return self._samples[:n].copy()

    def conceal(self, following: bytes | None = None) -> Pcm:
        """One frame in place of a lost packet.

        Args:
            following: the packet after the lost one, if it came already: it may carry
                the lost frame once more (in-band FEC). It must still be decoded.
        """
        n = self._decode(
            self._state,
            following,
            len(following) if following else 0,
            self._address,
            FRAME_SAMPLES,
            1 if following else 0,
        )
        if n < 0:
            return np.zeros(FRAME_SAMPLES, np.int16)
        return self._samples[:n].copy()

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            self._library.opus_decoder_destroy(self._state)

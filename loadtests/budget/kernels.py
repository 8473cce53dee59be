"""Small pieces of the work a bridge does, timed on this machine. EDGE.

Each kernel is one kind of work, alone and hot, on one thread, in CPU time: what it says
of a machine is the ratio to another machine's, not what the bridge costs. Nothing is
imported from the server: the ruler shares no code with what it measures.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import socket
import statistics
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROUNDS = 9
ROUND_S = 0.04
RATE_HZ, FRAME_SAMPLES = 24_000, 480
_LOWDELAY, _BITRATE, _COMPLEXITY = 2051, 4002, 4010


@dataclass(frozen=True, slots=True)
class KernelTime:
    """CPU microseconds of one operation on one machine."""

    fast_us: float
    """The quickest round: what the machine can do."""
    typical_us: float
    """The middle round: what it did while we looked."""

    def __post_init__(self) -> None:
        if not 0 < self.fast_us <= self.typical_us:
            raise ValueError("a kernel takes time, and no less than its quickest round")


class KernelError(RuntimeError):
    """A kernel cannot run on this machine."""


def measure_kernels() -> dict[str, KernelTime]:
    """Every kernel by name; about three seconds.

    Raises:
        KernelError: libopus is not here.
    """
    with ExitStack() as stack:
        opus = stack.enter_context(_Opus())
        udp = stack.enter_context(_Udp())
        return {
            "python": _timed(_python),
            "numpy": _timed(_Mixer().mix),
            "opus_encode": _timed(opus.encode),
            "opus_decode": _timed(opus.decode),
            "crypto": _timed(_Crypto().pack),
            "syscalls": _timed(udp.there),
        }


KERNELS = ("python", "numpy", "opus_encode", "opus_decode", "crypto", "syscalls")


def _timed(operation: Callable[[], object]) -> KernelTime:
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        operation()
        n = 1
        while (spent_s := _spent_s(operation, n)) < ROUND_S / 4:
            n *= 2
        n = max(1, int(n * ROUND_S / spent_s))
        rounds = sorted(_spent_s(operation, n) / n * 1e6 for _ in range(ROUNDS))
    finally:
        if was_collecting:
            gc.enable()
    return KernelTime(rounds[0], statistics.median(rounds))


def _spent_s(operation: Callable[[], object], n: int) -> float:
    began_s = time.thread_time()
    for _ in range(n):
        operation()
    return time.thread_time() - began_s


class _Packet:
    """A handful of attributes and a method, as protocol code has them."""

    __slots__ = ("kind", "payload", "sequence", "stamp")

    def __init__(self, kind: int, sequence: int, stamp: int, payload: bytes) -> None:
        self.kind = kind
        self.sequence = sequence
        self.stamp = stamp
        self.payload = payload

    def is_newer(self, other: int) -> bool:
        return 0 < (self.sequence - other) & 0xFFFF < 0x8000


_HEADER = struct.Struct("!BBHI")


def _python() -> int:
    """Pack, parse, compare, file and sort twenty small packets."""
    table: dict[int, _Packet] = {}
    newest = 65_530
    for n in range(20):
        data = _HEADER.pack(0x80, 111, (65_531 + n) & 0xFFFF, n * 960) + b"x" * 60
        first, kind, sequence, stamp = _HEADER.unpack_from(data)
        if first >> 6 != 2:
            continue
        packet = _Packet(kind & 0x7F, sequence, stamp, data[8:])
        if packet.is_newer(newest):
            newest = packet.sequence
        table[packet.sequence] = packet
    total = 0
    for sequence in sorted(table, key=lambda s: (s - newest) & 0xFFFF):
        total += len(table[sequence].payload) + table[sequence].stamp
    return total


class _Mixer:
    """Six people, 20 ms, summed and limited."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self._frames = [
            rng.integers(-9000, 9000, FRAME_SAMPLES).astype(np.int16) for _ in range(6)
        ]

    def mix(self) -> bytes:
        total = np.zeros(FRAME_SAMPLES, np.int32)
        for frame in self._frames:
            total += frame
        return np.clip(total, -32768, 32767).astype(np.int16).tobytes()


class _Crypto:
    """AES-128-GCM over a packet of speech, there and back."""

    def __init__(self) -> None:
        self._cipher = AESGCM(bytes(range(16)))
        self._nonce, self._data = bytes(12), bytes(160)

    def pack(self) -> bytes:
        sealed = self._cipher.encrypt(self._nonce, self._data, None)
        return self._cipher.decrypt(self._nonce, sealed, None)


class _Udp:
    """A datagram through the loopback interface and back out of the kernel."""

    def __enter__(self) -> _Udp:
        self._far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._far.bind(("127.0.0.1", 0))
        self._near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._near.connect(self._far.getsockname())
        self._data = bytes(172)
        return self

    def __exit__(self, *exc: object) -> None:
        self._near.close()
        self._far.close()

    def there(self) -> bytes:
        self._near.send(self._data)
        return self._far.recv(2048)


class _Opus:
    """One frame of speech-like sound, CELT, 48 kbit/s, complexity 0."""

    def __enter__(self) -> _Opus:
        self._library = library = _libopus()
        error = ctypes.c_int()
        place = ctypes.byref(error)
        self._encoder = ctypes.c_void_p(
            library.opus_encoder_create(RATE_HZ, 1, _LOWDELAY, place)
        )
        self._decoder = ctypes.c_void_p(library.opus_decoder_create(RATE_HZ, 1, place))
        if not self._encoder or not self._decoder:
            raise KernelError(f"libopus refused, code {error.value}")
        for request, value in ((_BITRATE, 48_000), (_COMPLEXITY, 0)):
            library.opus_encoder_ctl(self._encoder, request, ctypes.c_int(value))
        t = np.arange(10 * FRAME_SAMPLES) / RATE_HZ
        voice = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 20))
        rng = np.random.default_rng(1)
        pcm = (3000 * voice + rng.normal(0, 200, t.size)).astype("<i2").tobytes()
        size = 2 * FRAME_SAMPLES
        self._frames = [pcm[i : i + size] for i in range(0, len(pcm), size)]
        self._n = 0
        self._packet = ctypes.create_string_buffer(1275)
        self._pcm = ctypes.create_string_buffer(2 * size)
        self._packets = [self.encode() for _ in self._frames]
        return self

    def __exit__(self, *exc: object) -> None:
        self._library.opus_encoder_destroy(self._encoder)
        self._library.opus_decoder_destroy(self._decoder)

    def encode(self) -> bytes:
        self._n += 1
        frame = self._frames[self._n % len(self._frames)]
        n_bytes = self._library.opus_encode(
            self._encoder, frame, FRAME_SAMPLES, self._packet, len(self._packet)
        )
        if n_bytes <= 0:
            raise KernelError(f"libopus refused to encode, code {n_bytes}")
        return self._packet.raw[:n_bytes]

    def decode(self) -> int:
        self._n += 1
        packet = self._packets[self._n % len(self._packets)]
        return int(
            self._library.opus_decode(
                self._decoder, packet, len(packet), self._pcm, FRAME_SAMPLES, 0
            )
        )


def _libopus() -> ctypes.CDLL:
    """The library inside PyAV's wheel, or the system's."""
    folder = Path(av.__file__).parent.parent / "av.libs"
    candidates = [str(path) for path in sorted(folder.glob("libopus*"))]
    system = ctypes.util.find_library("opus")
    for name in [*candidates, *([system] if system else [])]:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        pointer, integer = ctypes.c_void_p, ctypes.c_int
        library.opus_encoder_create.restype = pointer
        library.opus_decoder_create.restype = pointer
        library.opus_encoder_destroy.argtypes = [pointer]
        library.opus_decoder_destroy.argtypes = [pointer]
        library.opus_encode.argtypes = [
            pointer, ctypes.c_char_p, integer, pointer, integer,
        ]  # fmt: skip
        library.opus_decode.argtypes = [
            pointer, ctypes.c_char_p, integer, pointer, integer, integer,
        ]  # fmt: skip
        return library
    raise KernelError("libopus is neither in PyAV's wheel nor in the system")

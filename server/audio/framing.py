"""The framing of audio messages on a data channel: header, and who sends when. PURE.

Specified in docs/framing.md. Eight bytes in front of the audio make loss, reordering
and pauses visible; without them (`raw`) a lost message is a hole nobody can see.
"""

from struct import Struct
from typing import Literal, NamedTuple, TypeAlias

Framing: TypeAlias = Literal["raw", "pcm16.v1", "opus.v1"]
FRAMINGS: tuple[Framing, ...] = ("raw", "pcm16.v1", "opus.v1")

VERSION = 1
HEADER_BYTES = 8
START = 0x01
"""The first frame after a pause: what lies between it and the last was not lost."""
PAUSE = 0x02
"""Nothing follows for now: the sender is silent or muted."""
SETTLING_FRAMES = 3
"""Frames of silence still sent, so that codecs and ears come to rest."""
KEEPALIVE_FRAMES = 20
"""In a pause one frame per 400 ms says that the sender is still there."""

HEADER = Struct("!BBHL")
"""Version, flags, sequence number, timestamp."""
_SEQUENCES = 1 << 16
_TIMESTAMPS = 1 << 32


class FramingError(ValueError):
    """A message that is no frame; the argument says why."""


class Frame(NamedTuple):
    """One message."""

    flags: int
    sequence: int
    """Counts messages, modulo 2**16."""
    timestamp: int
    """Sample (24 kHz) at which the frame begins, modulo 2**32; runs on in pauses."""
    payload: bytes


def framing_of(protocol: str) -> Framing:
    """The framing a channel's `protocol` asks for; empty means raw.

    Raises:
        FramingError: it is none of ours.
    """
    name = protocol or "raw"
    for framing in FRAMINGS:
        if name == framing:
            return framing
    raise FramingError(f"protocol {name[:32]!r}")


def pack(flags: int, sequence: int, timestamp: int, payload: bytes) -> bytes:
    """One message."""
    return HEADER.pack(VERSION, flags, sequence, timestamp) + payload


def payload_of(message: bytes) -> bytes:
    """The audio of a message whose HEADER may then be read.

    Raises:
        FramingError: shorter than its header, or of another version.
    """
    if len(message) < HEADER_BYTES:
        raise FramingError(f"{len(message)} bytes are no frame")
    if message[0] != VERSION:
        raise FramingError(f"version {message[0]}")
    return message[HEADER_BYTES:]


def unpack(message: bytes) -> Frame:
    """What a message says; flags of a later version of ours are kept and ignored.

    Raises:
        FramingError: shorter than its header, or of another version.
    """
    payload = payload_of(message)
    _, flags, sequence, timestamp = HEADER.unpack_from(message)
    return Frame(flags, sequence, timestamp, payload)


class FrameCounter:
    """Numbers the frames of one sender, and leaves out silence."""

    def __init__(self, samples_per_frame: int) -> None:
        self._samples = samples_per_frame
        self._sequence = 0
        self._timestamp = 0
        self._silent = 0
        self._pauses = True

    @property
    def is_pausing(self) -> bool:
        """Whether silence has settled: its payload may be the same from now on."""
        return self._silent >= SETTLING_FRAMES

    def frame(self, payload: bytes) -> bytes:
        """The message for 20 ms of sound."""
        flags = START if self._pauses else 0
        self._pauses = False
        self._silent = 0
        return self._pack(flags, payload)

    def silence(self, payload: bytes) -> bytes | None:
        """The message for 20 ms of silence, or None: none is due."""
        self._silent += 1
        if self._silent < SETTLING_FRAMES:
            return self._pack(0, payload)
        self._pauses = True
        if (self._silent - SETTLING_FRAMES) % KEEPALIVE_FRAMES == 0:
            return self._pack(PAUSE, payload)
        self._timestamp = (self._timestamp + self._samples) % _TIMESTAMPS
        return None

    def _pack(self, flags: int, payload: bytes) -> bytes:
        message = HEADER.pack(VERSION, flags, self._sequence, self._timestamp)
        self._sequence = (self._sequence + 1) % _SEQUENCES
        self._timestamp = (self._timestamp + self._samples) % _TIMESTAMPS
        return message + payload

"""The framing of audio messages on the data channel, as docs/framing.md has it. Pure.

Written from the specification, not from the bridge's code: a misreading on one side
shows as a call that fails.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Literal, TypeAlias

Framing: TypeAlias = Literal["raw", "pcm16.v1", "opus.v1"]

START, PAUSE = 1, 2
SETTLING_FRAMES = 3
KEEPALIVE_FRAMES = 20
DEPTH = 2
"""Frames that may wait behind a missing one before it is given up."""
MAX_LOST = 5
"""A longer hole is a hole; it is not made up frame by frame."""
RESTART = 1000
"""A jump of so many frames is another stream."""

_HEADER = struct.Struct("!BBHL")


def pack(flags: int, sequence: int, timestamp: int, payload: bytes) -> bytes:
    """One message."""
    return _HEADER.pack(1, flags, sequence, timestamp) + payload


def unpack(message: bytes) -> tuple[int, int, int, bytes]:
    """(flags, sequence, timestamp, payload).

    Raises:
        ValueError: it is no frame of version 1.
    """
    if len(message) < _HEADER.size or message[0] != 1:
        raise ValueError(f"{message[:8].hex()} is no frame of version 1")
    _, flags, sequence, timestamp = _HEADER.unpack_from(message)
    return flags, sequence, timestamp, message[_HEADER.size :]


class FrameCounter:
    """Numbers the frames of one sender, and leaves out silence."""

    def __init__(self, samples_per_frame: int) -> None:
        self._samples = samples_per_frame
        self._sequence = self._timestamp = self._silent = 0
        self._pauses = True

    def message(
        self, make_payload: Callable[[], bytes], *, is_silent: bool
    ) -> bytes | None:
        """The message for the next 20 ms, or None: nothing is sent for them."""
        flags: int | None = 0
        if not is_silent:
            flags = START if self._pauses else 0
            self._pauses, self._silent = False, 0
        else:
            self._silent += 1
            settled = self._silent - SETTLING_FRAMES
            if settled >= 0:
                self._pauses = True
                flags = PAUSE if settled % KEEPALIVE_FRAMES == 0 else None
        timestamp = self._timestamp
        self._timestamp = (timestamp + self._samples) % (1 << 32)
        if flags is None:
            return None
        sequence = self._sequence
        self._sequence = (sequence + 1) % (1 << 16)
        return pack(flags, sequence, timestamp, make_payload())


class FrameOrder:
    """Puts frames in order; says where one is lost. Without trouble nothing waits."""

    def __init__(self) -> None:
        self._expected: int | None = None
        self._held: dict[int, bytes] = {}
        self.n_lost = 0
        self.n_late = 0

    def push(self, sequence: int, payload: bytes) -> list[bytes | None]:
        """What can be played now; None for a frame that will not come."""
        if self._expected is None:
            self._expected = sequence
        ahead = (sequence - self._expected) % (1 << 16)
        if ahead > (1 << 16) - RESTART:
            self.n_late += 1
            return []
        if ahead >= RESTART:
            self._held.clear()
            self._expected = sequence
        self._held[sequence] = payload
        out = self._release()
        if len(self._held) > DEPTH:
            expected = self._expected
            gap = min((n - expected) % (1 << 16) for n in self._held)
            self.n_lost += gap
            out += [None] * min(gap, MAX_LOST)
            self._expected = (expected + gap) % (1 << 16)
            out += self._release()
        return out

    def _release(self) -> list[bytes | None]:
        out: list[bytes | None] = []
        assert self._expected is not None
        while (payload := self._held.pop(self._expected, None)) is not None:
            out.append(payload)
            self._expected = (self._expected + 1) % (1 << 16)
        return out

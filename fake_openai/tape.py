"""One direction of a call's audio with its place on the monotonic clock. PURE."""

import io
import wave
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 24_000
_FRAME_SAMPLES: Final = 480
_PIECE_OVERHEAD_BYTES: Final = 160


@dataclass(slots=True)
class MemoryBudget:
    """Bytes all tapes of a process may hold together."""

    limit_bytes: int
    used_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Anchor:
    """Sample `index` was at its place (see Tape) at `t_s` of CLOCK_MONOTONIC."""

    index: int
    t_s: float


class Tape:
    """A bounded recording: the newest `max_s` seconds, and less when memory is short.

    Sample indices count from the first sample ever appended, also after old audio has
    gone. Every frame of 20 ms has an anchor, the time its piece was appended: when it
    was available to the model (microphone) or handed to the RTP sender (assistant).
    Silence costs next to no memory.
    """

    def __init__(self, budget: MemoryBudget, *, max_s: float) -> None:
        self._budget = budget
        self._max_samples = int(max_s * RATE_HZ)
        self._pieces: deque[tuple[NDArray[np.int16] | int, float]] = deque()
        self._first = 0
        self._end = 0

    @property
    def first_index(self) -> int:
        """Index of the oldest sample still held."""
        return self._first

    @property
    def end_index(self) -> int:
        """Number of samples appended so far."""
        return self._end

    def append(self, pcm: NDArray[np.int16], t_s: float) -> None:
        """Add samples (int16, 24 kHz mono; kept by reference, so not to be changed)."""
        self._add(pcm, len(pcm), t_s)

    def append_silence(self, n_samples: int, t_s: float) -> None:
        """Add zeros."""
        self._add(n_samples, n_samples, t_s)

    def anchors(self) -> list[Anchor]:
        """One per frame still held, oldest first; those of one piece share its time."""
        found: list[Anchor] = []
        index = self._first
        for piece, t_s in self._pieces:
            end = index + _length(piece)
            found.extend(Anchor(at, t_s) for at in range(index, end, _FRAME_SAMPLES))
            index = end
        return found

    def pcm(self) -> NDArray[np.int16]:
        """All samples since index 0 (int16); what is no longer held is silence."""
        out = np.zeros(self._end, dtype=np.int16)
        index = self._first
        for piece, _ in self._pieces:
            if not isinstance(piece, int):
                out[index : index + len(piece)] = piece
            index += _length(piece)
        return out

    def release(self) -> None:
        """Forget everything and give the memory back."""
        while self._pieces:
            self._drop_oldest()

    def _add(self, piece: NDArray[np.int16] | int, n_samples: int, t_s: float) -> None:
        self._pieces.append((piece, t_s))
        self._end += n_samples
        self._budget.used_bytes += _cost(piece)
        while len(self._pieces) > 1 and (
            self._end - self._first > self._max_samples
            or self._budget.used_bytes > self._budget.limit_bytes
        ):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        piece, _ = self._pieces.popleft()
        self._first += _length(piece)
        self._budget.used_bytes -= _cost(piece)


def wav_bytes(pcm: NDArray[np.int16], rate_hz: int = RATE_HZ) -> bytes:
    """A RIFF/WAVE file of one int16 channel."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm.astype("<i2").tobytes())
    return buffer.getvalue()


def _length(piece: NDArray[np.int16] | int) -> int:
    return piece if isinstance(piece, int) else len(piece)


def _cost(piece: NDArray[np.int16] | int) -> int:
    return _PIECE_OVERHEAD_BYTES + (0 if isinstance(piece, int) else piece.nbytes)

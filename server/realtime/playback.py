"""The assistant's voice between a WebSocket and the tick. SANS-IO.

Over a WebSocket answers come faster than they are spoken, and the service knows nothing
of playback. This is its media edge: it hands out one frame per tick, says when an
answer begins and ends to be heard, and how much of it was when it is cut.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from server.audio.format import FRAME_SAMPLES, RATE_HZ, SILENCE, Pcm, samples_to_ms

CAPACITY_SAMPLES = 300 * RATE_HZ
"""Five minutes of an answer may wait; what comes beyond is cut and counted."""
LISTENER_DELAY_MS = 80
"""Between handing a frame out and its being heard: network and playout buffer."""
MAX_FLUSHED = 32


@dataclass(frozen=True, slots=True)
class Began:
    """An answer is being heard."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Finished:
    """It has been heard to its end."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Cut:
    """It was cut; so much of this part of it was heard."""

    response_id: str
    item_id: str
    content_index: int
    audio_end_ms: int


Change: TypeAlias = Began | Finished


@dataclass(slots=True)
class _Part:
    response_id: str
    item_id: str
    content_index: int
    chunks: deque[Pcm] = field(default_factory=deque)
    n_waiting: int = 0
    n_played: int = 0


class Playback:
    """Answers in the order in which they came."""

    def __init__(self) -> None:
        self._parts: deque[_Part] = deque()
        self._done: set[str] = set()
        """Responses of which nothing more comes."""
        self._flushed: deque[str] = deque(maxlen=MAX_FLUSHED)
        self._playing_id: str | None = None
        self._n_waiting = 0
        self.dropped_samples = 0

    @property
    def waiting_ms(self) -> float:
        """So much is still to be played."""
        return samples_to_ms(self._n_waiting)

    def add(self, response_id: str, item_id: str, content_index: int, pcm: Pcm) -> None:
        """Samples of an answer; those of one that was cut are dropped."""
        if response_id in self._flushed or not pcm.size:
            return
        room = CAPACITY_SAMPLES - self._n_waiting
        if pcm.size > room:
            self.dropped_samples += pcm.size - room
            pcm = pcm[:room]
        last = self._parts[-1] if self._parts else None
        if last is None or (last.item_id, last.content_index) != (
            item_id,
            content_index,
        ):
            last = _Part(response_id, item_id, content_index)
            self._parts.append(last)
        last.chunks.append(pcm)
        last.n_waiting += pcm.size
        self._n_waiting += pcm.size

    def response_done(self, response_id: str) -> None:
        """Nothing more comes of it."""
        if response_id == self._playing_id or any(
            part.response_id == response_id for part in self._parts
        ):
            self._done.add(response_id)

    def pull(self) -> tuple[Pcm, list[Change]]:
        """The frame for this tick, silence if there is none, and what it changes."""
        changes: list[Change] = []
        while self._parts and self._is_over(self._parts[0]):
            self._parts.popleft()
        part = self._parts[0] if self._parts else None
        playing_id = self._playing_id
        is_other = part is not None and part.response_id != playing_id
        if playing_id is not None and (
            is_other or (part is None and playing_id in self._done)
        ):
            changes.append(Finished(playing_id))
            self._done.discard(playing_id)
            self._playing_id = None
        if part is None or not self._has_frame(part):
            return SILENCE, changes
        if self._playing_id is None:
            self._playing_id = part.response_id
            changes.append(Began(part.response_id))
        return self._take(part), changes

    def cut(self) -> Cut | None:
        """Stop what is being played and drop what waits; None when nothing was."""
        cut = None
        playing_id = self._playing_id
        if playing_id is not None and self._parts:
            part = self._parts[0]
            heard_ms = int(samples_to_ms(part.n_played)) - LISTENER_DELAY_MS
            cut = Cut(playing_id, part.item_id, part.content_index, max(0, heard_ms))
        for part in self._parts:
            if part.response_id not in self._flushed:
                self._flushed.append(part.response_id)
        if playing_id is not None and playing_id not in self._flushed:
            self._flushed.append(playing_id)
        self._parts.clear()
        self._done.clear()
        self._n_waiting = 0
        self._playing_id = None
        return cut

    def _is_over(self, part: _Part) -> bool:
        """Played, and nothing more comes of it."""
        has_next = len(self._parts) > 1
        return not part.n_waiting and (has_next or part.response_id in self._done)

    def _has_frame(self, part: _Part) -> bool:
        """A whole frame, or the last piece of one."""
        is_last = part.response_id in self._done or len(self._parts) > 1
        return part.n_waiting >= FRAME_SAMPLES or (is_last and part.n_waiting > 0)

    def _take(self, part: _Part) -> Pcm:
        frame: Pcm = np.zeros(FRAME_SAMPLES, np.int16)
        filled = 0
        while filled < FRAME_SAMPLES and part.chunks:
            chunk = part.chunks[0]
            n = min(FRAME_SAMPLES - filled, chunk.size)
            frame[filled : filled + n] = chunk[:n]
            filled += n
            if n == chunk.size:
                part.chunks.popleft()
            else:
                part.chunks[0] = chunk[n:]
        part.n_waiting -= filled
        part.n_played += filled
        self._n_waiting -= filled
        return frame

"""The output audio buffer of a WebRTC session: filled faster than it is played."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from fake_openai.wire.audio import Pcm, ms_of_samples


@dataclass(slots=True)
class _Clip:
    """Audio of one content part; `played` samples of it have been pulled."""

    item_id: str
    content_index: int
    chunks: deque[Pcm] = field(default_factory=deque)
    played: int = 0


@dataclass(slots=True)
class _Show:
    """What one response plays."""

    response_id: str
    clips: list[_Clip] = field(default_factory=list)
    waiting: int = 0
    started: bool = False
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    response_id: str


@dataclass(frozen=True, slots=True)
class Stopped:
    response_id: str


@dataclass(frozen=True, slots=True)
class CutItem:
    """An item whose audio was cut; `played_ms` of it had been played."""

    item_id: str
    content_index: int
    played_ms: int
    played_samples: int


@dataclass(frozen=True, slots=True)
class Cleared:
    response_id: str
    cuts: tuple[CutItem, ...]


class Playout:
    """Audio of responses, one after the other, pulled in real time by the edge."""

    def __init__(self) -> None:
        self._shows: deque[_Show] = deque()
        self._muted: set[str] = set()
        """Responses that were cleared while they were still being generated."""
        self.last_response_id: str | None = None

    @property
    def is_playing(self) -> bool:
        """Something has started and neither stopped nor been cleared."""
        return any(show.started for show in self._shows)

    @property
    def waiting_samples(self) -> int:
        """Samples generated and not yet pulled."""
        return sum(show.waiting for show in self._shows)

    def push(
        self, response_id: str, item_id: str, content_index: int, pcm: Pcm
    ) -> None:
        """Append audio of a part of a response; dropped once it was cleared."""
        if response_id in self._muted:
            return
        show = self._show(response_id)
        clip = show.clips[-1] if show.clips else None
        if clip is None or (clip.item_id, clip.content_index) != (
            item_id,
            content_index,
        ):
            clip = _Clip(item_id, content_index)
            show.clips.append(clip)
        clip.chunks.append(pcm)
        show.waiting += pcm.size

    def finish(self, response_id: str) -> list[Stopped]:
        """No more audio will come; says so at once if all of it has been played."""
        self._muted.discard(response_id)
        for show in self._shows:
            if show.response_id == response_id:
                show.finished = True
        return self._retire()

    def pull(self, n_samples: int) -> tuple[Pcm | None, list[Started | Stopped]]:
        """The next samples to play.

        Returns:
            int16, shape (n_samples,), silence where audio is not there (yet), or None
            when nothing is playing; and what that started and ended.
        """
        if not self.is_playing and not self.waiting_samples:
            return None, []
        out = np.zeros(n_samples, dtype=np.int16)
        happened: list[Started | Stopped] = []
        filled = 0
        while filled < n_samples and self._shows:
            show = self._shows[0]
            if show.waiting and not show.started:
                show.started = True
                happened.append(Started(show.response_id))
            filled += _take(show, out[filled:])
            if show.waiting or not show.finished:
                break
            happened += self._retire()
        return out, happened

    def clear(self) -> list[Cleared]:
        """Drop everything that has not been played."""
        cleared = [_cleared(show) for show in self._shows if show.clips]
        self._muted |= {s.response_id for s in self._shows if not s.finished}
        self._shows.clear()
        return cleared

    def _show(self, response_id: str) -> _Show:
        for show in self._shows:
            if show.response_id == response_id:
                return show
        show = _Show(response_id)
        self._shows.append(show)
        self.last_response_id = response_id
        return show

    def _retire(self) -> list[Stopped]:
        """Take away what has been played to its end."""
        stopped = []
        while self._shows and self._shows[0].finished and not self._shows[0].waiting:
            show = self._shows.popleft()
            if show.started:
                stopped.append(Stopped(show.response_id))
        return stopped


def _take(show: _Show, out: Pcm) -> int:
    """Move samples from a show into `out`; returns how many."""
    taken = 0
    for clip in show.clips:
        while clip.chunks and taken < out.size:
            chunk = clip.chunks[0]
            n = min(chunk.size, out.size - taken)
            out[taken : taken + n] = chunk[:n]
            taken += n
            clip.played += n
            show.waiting -= n
            if n == chunk.size:
                clip.chunks.popleft()
            else:
                clip.chunks[0] = chunk[n:]
    return taken


def _cleared(show: _Show) -> Cleared:
    open_clips = [clip for clip in show.clips if clip.chunks or clip is show.clips[-1]]
    cuts = tuple(
        CutItem(
            clip.item_id, clip.content_index, ms_of_samples(clip.played), clip.played
        )
        for clip in open_clips
    )
    return Cleared(show.response_id, cuts)

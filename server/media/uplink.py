"""What the model was told last, kept as far as it may have to be told again. SANS-IO.

While a session lives, frames pass and the newest are kept. What the user said last and
nobody has written down yet would be lost with the session; so would everything said
until there is another one. Both are sent again, silence shortened, in front of what is
being said. A transport that takes audio faster than it is spoken gets it at once; to
the others it goes at one frame per tick, and the delay is made up for in the pauses.
"""

from collections import deque

import numpy as np

from server.audio.format import FRAME_MS, FRAME_SAMPLES, SILENCE, Pcm
from server.audio.level import rms_dbfs
from server.rtc import libopus

CAPACITY_FRAMES = 15_000 // FRAME_MS
"""So much is kept; the oldest goes."""
PRE_ROLL_FRAMES = 700 // FRAME_MS
"""Before the service said that speech began: its padding, and the way there."""
PAUSE_FRAMES = 700 // FRAME_MS
"""A longer pause is shortened to this; turn detection needs a pause to see an end."""
FORGOTTEN_FRAMES = 500 // FRAME_MS
"""What was on its way when the service was heard last."""
LOUD_DBFS = -45.0
"""Nobody speaks more quietly than this into a microphone; rooms are quieter."""
ABOVE_NOISE_DB = 9.0
MAX_MARKS = 8


class Uplink:
    """Frames on their way to the model. Not thread-safe; one loop."""

    def __init__(self) -> None:
        self._tape: deque[Pcm | bytes] = deque(maxlen=CAPACITY_FRAMES)
        """Frames, or the Opus packets that passed in their place."""
        self._n_frames = 0
        """Ever put on the tape."""
        self._marks: dict[str, int] = {}
        """Where the user's turns began that are not written down yet."""
        self._lost_from: int | None = None
        self._behind: deque[Pcm] = deque()
        """To be sent before what comes; bounded by the tape and by pauses."""
        self._pause = 0
        self.dropped_frames = 0

    @property
    def behind_ms(self) -> int:
        """How old the next frame is."""
        return len(self._behind) * FRAME_MS

    def take(self, frame: Pcm) -> tuple[Pcm, ...]:
        """One frame of the microphones; what to send now."""
        if self._lost_from is not None:
            self._keep_shortened(frame)
            return ()
        self._tape.append(frame)
        self._n_frames += 1
        if not self._behind:
            return (frame,)
        self._behind.append(frame)
        while len(self._behind) > CAPACITY_FRAMES:
            self._behind.popleft()
            self.dropped_frames += 1
        return self._next_behind()

    def note_packet(self, payload: bytes) -> None:
        """An Opus packet of 20 ms has gone to the service without our decoding it."""
        self._tape.append(payload)
        self._n_frames += 1

    def speech_started(self, item_id: str) -> None:
        """The service hears the user."""
        self._marks[item_id] = self._n_frames - PRE_ROLL_FRAMES
        while len(self._marks) > MAX_MARKS:
            self._marks.pop(next(iter(self._marks)))

    def written_down(self, item_id: str) -> None:
        """What was said there is known in words."""
        self._marks.pop(item_id, None)

    def answered(self) -> None:
        """The user hears an answer: whatever was said is dealt with."""
        self._marks.clear()

    def lost(self, silent_s: float) -> None:
        """The session is gone; so long was nothing heard of it."""
        if self._lost_from is None:
            missed = round(silent_s * 1000) // FRAME_MS + FORGOTTEN_FRAMES
            self._lost_from = self._n_frames - missed
            self._pause = 0

    def resume(self, *, at_once: bool) -> tuple[bool, tuple[Pcm, ...]]:
        """There is a session (again).

        Args:
            at_once: it takes audio faster than real time.

        Returns:
            Whether there is speech to be sent again, and what to send now.
        """
        starts = [*self._marks.values()]
        if self._lost_from is not None:
            starts.append(self._lost_from)
        self._lost_from = None
        self._marks.clear()
        again = self._since(min(starts)) if starts else []
        if not again:
            return False, ()
        if at_once:
            self._behind.clear()
            return True, tuple(again)
        self._behind = deque(again)
        self._pause = 0
        return True, ()

    def is_quiet(self, n_frames: int = 15) -> bool:
        """Whether nobody has spoken in the newest frames."""
        newest = _decoded(list(self._tape)[-n_frames:])
        return all(rms_dbfs(frame) < LOUD_DBFS for frame in newest)

    def _keep_shortened(self, frame: Pcm) -> None:
        self._pause = self._pause + 1 if rms_dbfs(frame) < LOUD_DBFS else 0
        if self._pause <= PAUSE_FRAMES:
            self._tape.append(frame)
            self._n_frames += 1

    def _next_behind(self) -> tuple[Pcm, ...]:
        while len(self._behind) > 1:
            frame = self._behind.popleft()
            self._pause = self._pause + 1 if rms_dbfs(frame) < LOUD_DBFS else 0
            if self._pause <= PAUSE_FRAMES:
                return (frame,)
        return (self._behind.popleft(),)

    def _since(self, start: int) -> list[Pcm]:
        """From a frame on; nothing when there is no speech in it."""
        first = self._n_frames - len(self._tape)
        frames = _decoded(list(self._tape)[max(0, start - first) :])
        if not frames:
            return []
        levels = np.array([rms_dbfs(frame) for frame in frames])
        # In a noisy room a pause is what is near the quietest that was heard.
        floor_dbfs = float(np.percentile(levels, 10)) + ABOVE_NOISE_DB
        is_loud = levels >= max(LOUD_DBFS, min(floor_dbfs, LOUD_DBFS + 15))
        if is_loud.sum() < 3:
            return []
        kept: list[Pcm] = []
        pause = 0
        for frame, loud in zip(frames, is_loud, strict=True):
            pause = 0 if loud else pause + 1
            if pause <= PAUSE_FRAMES:
                kept.append(frame)
        return kept


def _decoded(tape: list[Pcm | bytes]) -> list[Pcm]:
    """What is on a piece of tape, as frames."""
    decoder: libopus.Decoder | None = None
    frames: list[Pcm] = []
    for entry in tape:
        if not isinstance(entry, bytes):
            frames.append(entry)
            decoder = None
            continue
        decoder = decoder or libopus.Decoder()
        pcm = decoder.decode(entry) if entry else decoder.conceal()
        frames.append(SILENCE if pcm is None or pcm.size != FRAME_SAMPLES else pcm)
    return frames

"""Audio of one sender to one listener, passed on as it comes. SANS-IO.

With nobody to mix, waiting for the tick would only add delay, and a playout buffer a
second one before the listener's own. What must still be watched is the clock: the
listener gets silence where nothing comes, and no more audio than time has passed.
"""

import numpy as np

from server.audio.format import FRAME_MS, FRAME_SAMPLES, Pcm
from server.audio.splice import is_quiet
from server.rtc.opus_packet import OF_20_MS, SILENT_BYTES, duration_ms

PATIENCE_S = 0.06
"""So far may the sender be behind before silence is sent instead."""
MAX_LEAD_S = 0.1
"""So far may it be ahead before frames are dropped: what came late was filled in."""
QUIET_LEAD_S = 0.03
"""So far while it is silent: what a burst left is gone before the next word."""
LEAK_S_PER_S = 0.001
"""Lead and lag fade, faster than any sound card's clock drifts (1000 ppm)."""

_FRAME_S = FRAME_MS / 1000


class Passage:
    """Keeps the books: seconds of audio sent against seconds passed."""

    def __init__(self, now_s: float) -> None:
        self._now_s = now_s
        self._lead_s = 0.0
        self._rest: Pcm = np.zeros(0, np.int16)
        self.passed_frames = 0
        self.filled_frames = 0
        self.dropped_frames = 0

    @property
    def lead_s(self) -> float:
        """Audio sent minus time passed, as of the last call."""
        return self._lead_s

    def take(self, pcm: Pcm, now_s: float) -> list[Pcm]:
        """Samples have come; the frames to send now."""
        self._advance(now_s)
        if (
            pcm.size == FRAME_SAMPLES
            and self._lead_s <= QUIET_LEAD_S
            and not self._rest.size
        ):
            self._lead_s += _FRAME_S
            self.passed_frames += 1
            return [pcm]
        if self._rest.size:
            pcm = np.concatenate((self._rest, pcm))
        whole = pcm.size - pcm.size % FRAME_SAMPLES
        self._rest = pcm[whole:]
        frames: list[Pcm] = []
        for start in range(0, whole, FRAME_SAMPLES):
            frame = pcm[start : start + FRAME_SAMPLES]
            if self._lead_s > QUIET_LEAD_S and (
                self._lead_s > MAX_LEAD_S or is_quiet(frame)
            ):
                self.dropped_frames += 1
                continue
            self._lead_s += _FRAME_S
            frames.append(frame)
        self.passed_frames += len(frames)
        return frames

    def take_packet(self, payload: bytes, now_s: float) -> bool:
        """An Opus packet, or b"" for 20 ms of nothing: whether to send it on."""
        self._advance(now_s)
        limit_s = QUIET_LEAD_S if len(payload) <= SILENT_BYTES else MAX_LEAD_S
        if self._lead_s > limit_s:
            self.dropped_frames += 1
            return False
        is_usual = not payload or payload[0] in OF_20_MS
        self._lead_s += _FRAME_S if is_usual else duration_ms(payload) / 1000
        self.passed_frames += 1
        return True

    def must_fill(self, now_s: float, *, rests: bool = False) -> bool:
        """At a tick: whether one frame of silence must be sent now.

        Args:
            now_s: the time.
            rests: the sender has said that it pauses, so nothing is late: when it goes
                on, it shall find all our patience.
        """
        short_s = _FRAME_S / 2 if rests else PATIENCE_S
        if self._lead_s - (now_s - self._now_s) > LEAK_S_PER_S - short_s:
            return False  # by far: most ticks end here
        self._advance(now_s)
        if self._lead_s > -short_s:
            return False
        self._lead_s += _FRAME_S
        self.filled_frames += 1
        return True

    def _advance(self, now_s: float) -> None:
        passed_s = now_s - self._now_s
        self._now_s = now_s
        lead_s = self._lead_s - passed_s
        leak_s = passed_s * LEAK_S_PER_S
        if lead_s > leak_s:
            self._lead_s = lead_s - leak_s
        elif lead_s < -leak_s:
            self._lead_s = lead_s + leak_s
        else:
            self._lead_s = 0.0

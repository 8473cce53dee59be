"""Turn detection: from decoded audio to the start and the end of a user's turn.

SANS-IO. Wraps the energy VAD with the session's `turn_detection` and says which part of
the input is the turn.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from fake_openai.session.input_audio import InputAudio
from fake_openai.vad import EnergyVad, SpeechPaused, SpeechStarted, SpeechStopped
from fake_openai.wire.audio import Pcm, samples_of_ms

SEMANTIC_PROBE_MS: Final = 200
"""Semantic VAD listens to what was said after this much silence."""
SEMANTIC_BASE_MS: Final = {"low": 1000, "medium": 500, "auto": 500, "high": 250}
"""Silence that ends a sentence which sounds complete."""
SEMANTIC_MAX_MS: Final = {"low": 8000, "medium": 4000, "auto": 4000, "high": 2000}
"""Longest wait for the rest of one that does not (realtime-api.md §2.2)."""
SEMANTIC_PREFIX_MS: Final = 300
KEPT_MS: Final = 1000
"""Silence kept before a turn, at least the longest usual prefix."""
_OPEN_ENDINGS: Final = re.compile(
    r"\b(and|but|or|so|because|um|uh|er|hmm|well|the|an?|to|of|with|if|then)$"
)


@dataclass(frozen=True, slots=True)
class TurnStarted:
    audio_start: int
    """First sample of the turn: the speech and the padding before it."""
    speech_start: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    audio_start: int
    audio_end: int
    """One after the last sample of the turn, its silence included."""
    speech_start: int
    speech_end: int


TurnEvent: TypeAlias = TurnStarted | TurnEnded


def sounds_complete(text: str | None) -> bool:
    """Whether a sentence could end here; speech nobody understood could."""
    if not text:
        return True
    stripped = text.rstrip()
    if stripped.endswith((",", "…", "...", "-", ":")):
        return False
    return _OPEN_ENDINGS.search(stripped.rstrip(".!?").lower()) is None


class Hearing:
    """Keeps the input audio and finds turns in it.

    Args:
        on_pause: semantic VAD paused after this audio; tell `weigh_pause` what it
            says, now or later.
    """

    def __init__(self, max_samples: int, on_pause: Callable[[Pcm], None]) -> None:
        self.audio = InputAudio(max_samples)
        self.buffer_start = 0
        """First sample that has not been committed or cleared."""
        self._vad = EnergyVad()
        self._on_pause = on_pause
        self._settings: dict[str, Any] | None = None
        self._prefix = 0
        self._turn: TurnStarted | None = None

    @property
    def in_turn(self) -> bool:
        """The user is speaking, or has paused for less than the turn's silence."""
        return self._turn is not None

    @property
    def noise_floor_dbfs(self) -> float:
        return self._vad.noise_floor_dbfs

    def configure(self, turn_detection: dict[str, Any] | None) -> None:
        """Take the session's `turn_detection`; an open turn is kept if it can be."""
        if turn_detection == self._settings:
            return
        self._settings = None if turn_detection is None else dict(turn_detection)
        if turn_detection is None:
            self._forget_turn()
        elif turn_detection["type"] == "server_vad":
            self._vad.set_threshold(turn_detection["threshold"])
            self._vad.silence_samples = samples_of_ms(
                turn_detection["silence_duration_ms"]
            )
            self._vad.pause_samples = None
            self._prefix = samples_of_ms(turn_detection["prefix_padding_ms"])
        else:
            self._vad.set_threshold(0.5)
            self._vad.pause_samples = samples_of_ms(SEMANTIC_PROBE_MS)
            self._vad.silence_samples = samples_of_ms(self._semantic(SEMANTIC_MAX_MS))
            self._prefix = samples_of_ms(SEMANTIC_PREFIX_MS)

    def hear(self, pcm: Pcm) -> Iterator[TurnEvent]:
        """Write audio; yields what it began and ended. Exhaust the iterator."""
        self.audio.append(pcm)
        if self._settings is None:
            for _ in self._vad.feed(pcm):
                self._vad.stop()
            return
        for event in self._vad.feed(pcm):
            match event:
                case SpeechStarted(start_sample=start):
                    audio_start = max(start - self._prefix, self.buffer_start)
                    self._turn = TurnStarted(audio_start, start)
                    yield self._turn
                case SpeechPaused(end_sample=end):
                    self._pause(end)
                case SpeechStopped(end_sample=end, at_sample=at):
                    turn, self._turn = self._turn, None
                    if turn is not None:
                        yield TurnEnded(turn.audio_start, at, turn.speech_start, end)
        if self._turn is None:
            kept = max(self._prefix, samples_of_ms(KEPT_MS))
            self.forget_before(self._vad.heard_samples - kept)

    def forget_before(self, sample: int) -> None:
        """Let go of audio that no turn can need."""
        self.audio.forget_before(sample)
        self.buffer_start = max(self.buffer_start, self.audio.start)

    def take_all(self) -> tuple[int, int]:
        """Commit by hand: first and one-after-last sample of the buffer."""
        end = self.audio.end
        start = end - self.buffered_samples
        self.clear()
        return start, end

    def clear(self) -> None:
        """Empty the buffer: what was heard belongs to no turn."""
        self.buffer_start = self.audio.end
        self._forget_turn()

    @property
    def buffered_samples(self) -> int:
        """What a commit would take now: with turn detection, the open turn only."""
        if self._settings is None:
            return self.audio.end - self.buffer_start
        return 0 if self._turn is None else self.audio.end - self._turn.audio_start

    def _forget_turn(self) -> None:
        self._turn = None
        self._vad.stop()

    def weigh_pause(self, text: str | None) -> None:
        """Semantic VAD: wait as long as what was said before the pause asks for."""
        if self._vad.pause_samples is not None:
            table = SEMANTIC_BASE_MS if sounds_complete(text) else SEMANTIC_MAX_MS
            self._vad.silence_samples = samples_of_ms(self._semantic(table))

    def _pause(self, end: int) -> None:
        if self._turn is not None:
            self.weigh_pause(None)
            self._on_pause(self.audio.cut(self._turn.audio_start, end))

    def _semantic(self, table: dict[str, int]) -> int:
        eagerness = (self._settings or {}).get("eagerness", "auto")
        return table[eagerness]

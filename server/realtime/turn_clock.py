"""How long the stages of a turn take, from the service's events. SANS-IO.

A turn begins with the end of the user's speech, or with a request of ours (typed text,
a tool's output, news of a run), and ends with the end of its response. Every stage has
both its ends defined here and nowhere else:

transcript    end of speech        -> its words are known
response      end of speech        -> the response is created
audio         response created     -> its first audio is at hand
silence       end of speech        -> its first audio is at hand: what the user waits
answer        first audio          -> the response is done

A service writes faster than it speaks: an answer may be done while the one before is
still being played. Then the turn is told as soon as its own audio begins, or when it is
clear that it never will.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from server.realtime import wire

Stage: TypeAlias = Literal["transcript", "response", "audio", "silence", "answer"]
Outcome: TypeAlias = Literal["completed", "cancelled", "failed", "incomplete"]

OUTCOMES: dict[str, Outcome] = {
    "completed": "completed",
    "cancelled": "cancelled",
    "incomplete": "incomplete",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One response that is over."""

    spoken: bool
    """The user's speech brought it, not a request of ours."""
    outcome: Outcome
    stages_ms: dict[str, float]
    """Only the stages it had; keys are `Stage`s."""
    total_ms: float
    """From the first of its moments to its end."""


@dataclass(slots=True)
class _Running:
    created_s: float
    speech_ended_s: float | None
    marks: dict[str, float] = field(default_factory=dict)
    audio_s: float | None = None
    speaks: bool = False
    """Words of its answer have come, so there will be audio."""

    def hear(self, now_s: float) -> None:
        """Its first audio is at hand."""
        if self.audio_s is None:
            self.audio_s = now_s
            self.marks["audio"] = (now_s - self.created_s) * 1000
            if self.speech_ended_s is not None:
                self.marks["silence"] = (now_s - self.speech_ended_s) * 1000


class TurnClock:
    """Feed it every event, and the first audio of each answer."""

    def __init__(self) -> None:
        self._speech_ended_s: float | None = None
        self._transcript_ms: float | None = None
        self._running: tuple[str, _Running] | None = None
        self._silent: tuple[str, _Running, Turn] | None = None
        """A response that is done and was not heard yet."""

    def receive(self, event: wire.ServerEvent, now_s: float) -> Turn | None:
        """One event; the turn that is over with it, if any."""
        match event:
            case wire.SpeechStarted():
                self._speech_ended_s = self._transcript_ms = None
                return self._give_up_waiting()
            case wire.SpeechStopped():
                self._speech_ended_s = now_s
            case wire.InputTranscriptDone():
                self._transcribed(now_s)
            case wire.ResponseCreated(response_id):
                self._running = (response_id, self._created(now_s))
                return self._give_up_waiting()
            case wire.OutputTranscriptDelta():
                if self._running is not None:
                    self._running[1].speaks = True
            case wire.PlaybackStarted(response_id):
                return self._audio_started(response_id, now_s)
            case wire.PlaybackCleared():
                return self._give_up_waiting()
            case wire.ResponseDone(response_id):
                return self._done(response_id, event.status, now_s)
        return None

    def lost(self) -> None:
        """The session is gone, and what was running with it."""
        self._running = self._silent = None
        self._speech_ended_s = self._transcript_ms = None

    def _audio_started(self, response_id: str, now_s: float) -> Turn | None:
        if self._silent is not None and self._silent[0] == response_id:
            _, running, turn = self._silent
            self._silent = None
            running.hear(now_s)
            return replace(turn, stages_ms=running.marks)
        if self._running is not None and self._running[0] == response_id:
            self._running[1].hear(now_s)
        return None

    def _give_up_waiting(self) -> Turn | None:
        silent, self._silent = self._silent, None
        return None if silent is None else silent[2]

    def _transcribed(self, now_s: float) -> None:
        """Before the response is created, or while it runs."""
        if self._speech_ended_s is not None:
            self._transcript_ms = (now_s - self._speech_ended_s) * 1000
        elif self._running is not None:
            running = self._running[1]
            if running.speech_ended_s is not None:
                ms = (now_s - running.speech_ended_s) * 1000
                running.marks.setdefault("transcript", ms)

    def _created(self, now_s: float) -> _Running:
        running = _Running(now_s, self._speech_ended_s)
        if running.speech_ended_s is not None:
            running.marks["response"] = (now_s - running.speech_ended_s) * 1000
            if self._transcript_ms is not None:
                running.marks["transcript"] = self._transcript_ms
        self._speech_ended_s = self._transcript_ms = None
        return running

    def _done(self, response_id: str, status: str, now_s: float) -> Turn | None:
        if self._running is None or self._running[0] != response_id:
            return None
        running = self._running[1]
        self._running = None
        began_s = running.created_s
        if running.speech_ended_s is not None:
            began_s = running.speech_ended_s
        if running.audio_s is not None:
            running.marks["answer"] = (now_s - running.audio_s) * 1000
        turn = Turn(
            running.speech_ended_s is not None,
            OUTCOMES.get(status, "failed"),
            dict(running.marks),
            (now_s - began_s) * 1000,
        )
        if running.speaks and running.audio_s is None and status == "completed":
            self._silent = (response_id, running, turn)
            return None
        return turn

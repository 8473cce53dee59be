"""What one call leaves behind for the analysis: sound, times, messages. Pure data."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulator.lifeline import Outage
from simulator.mouth import Said
from simulator.timeline import FRAME_S, FRAME_SAMPLES, Pcm, Recording, Timeline


@dataclass(slots=True)
class MouthTrack:
    """Frames that left the mouth, each with its capture and its hand-over time.

    The hand-over (just before `send`) is where the bridge's delay begins; the capture
    schedule is when the person spoke: a frame is complete when its last sample is.
    """

    frames: list[Pcm] = field(default_factory=list)
    due_s: list[float] = field(default_factory=list)
    handed_over_s: list[float] = field(default_factory=list)

    def add(self, frame: Pcm, due_s: float, handed_over_s: float) -> None:
        """Note one frame."""
        self.frames.append(frame)
        self.due_s.append(due_s)
        self.handed_over_s.append(handed_over_s)

    @property
    def lateness_ms(self) -> list[float]:
        """How far behind its capture schedule each frame was handed over."""
        return [
            (handed - due) * 1000
            for handed, due in zip(self.handed_over_s, self.due_s, strict=True)
        ]

    def recording(self) -> Recording:
        """The mouth's sound by hand-over time."""
        return Recording(_joined(self.frames), _frames_timeline(self.handed_over_s))

    def spoken(self) -> Timeline:
        """When each sample was spoken: one frame before its frame was complete."""
        return _frames_timeline([due - FRAME_S for due in self.due_s])


@dataclass(frozen=True, slots=True)
class EarTrack:
    """What was heard, and what the playout buffer did."""

    sound: Recording
    waits_ms: list[tuple[int, float]]
    """(ear sample, ms that frame lay in the buffer)."""
    n_frames: int = 0
    """Frames that arrived."""
    underruns: int = 0
    """Times it ran dry in mid-sound."""
    overflows: int = 0
    skipped_ms: float = 0.0
    """Sound left out to catch up or to stay within the bound."""
    stretched_ms: float = 0.0
    """Sound repeated to fall back to the target."""
    flushed_ms: float = 0.0
    """Sound thrown away because the bridge said so (barge-in)."""
    concealed_ms: float = 0.0
    """Time in mid-sound for which there was nothing to play."""

    def wait_ms_at(self, sample: float) -> float | None:
        """How long the sound heard at this sample lay in the buffer."""
        if not self.waits_ms:
            return None
        at = bisect_right(self.waits_ms, (int(sample), float("inf"))) - 1
        return self.waits_ms[max(0, at)][1]


@dataclass(slots=True)
class CallRecord:
    """Everything known about one call when it is over."""

    index: int
    leg: str
    tag: str
    conversation_id: str
    conversation: int = 0
    """Number of the conversation; several callers may share one."""
    caller: str = "caller"
    session_id: str | None = None
    client_id: str | None = None
    failure: str | None = None
    """Why it is no good, in words; None so far."""
    steps_ms: dict[str, float] = field(default_factory=dict)
    """Each step of connecting, in order."""
    talk_s: float = 0.0
    """From `hello` to hanging up."""
    hung_up_s: float = 0.0
    mouth: MouthTrack = field(default_factory=MouthTrack)
    ear: EarTrack | None = None
    said: list[Said] = field(default_factory=list)
    unanswered: int = 0
    flushes_s: list[float] = field(default_factory=list)
    states: list[tuple[float, str]] = field(default_factory=list)
    """What the bridge said the model does, and when."""
    tools: dict[str, str] = field(default_factory=dict)
    """call_id -> last status."""
    transcripts: dict[str, int] = field(default_factory=dict)
    """Final transcripts by role: how many, never what they say."""
    outages: list[Outage] = field(default_factory=list)
    """Times without a connection, of either leg."""
    errors: list[str] = field(default_factory=list)
    """Codes of the bridge's `error` messages."""

    @property
    def connect_ms(self) -> float | None:
        """From the first request to `hello`; None when it never came."""
        return sum(self.steps_ms.values()) if "hello" in self.steps_ms else None


@dataclass(frozen=True, slots=True)
class LateSpell:
    """A time during which somebody did not keep time, on the recordings' clock."""

    began_s: float
    ended_s: float
    worst_ms: float


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What the fake recorded of the same call."""

    heard: Recording
    """What reached the model's voice activity detector."""
    spoken: Recording
    """What the model handed to its RTP sender."""
    turns: list[dict[str, Any]] = field(default_factory=list)
    late: list[LateSpell] = field(default_factory=list)
    """When the fake itself did not keep time."""


def _joined(frames: list[Pcm]) -> Pcm:
    return np.concatenate(frames) if frames else np.zeros(0, dtype=np.int16)


def _frames_timeline(times_s: list[float]) -> Timeline:
    return Timeline(
        indices=np.arange(len(times_s), dtype=np.int64) * FRAME_SAMPLES,
        times_s=np.array(times_s, dtype=np.float64),
    )

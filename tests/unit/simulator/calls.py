"""Synthetic calls whose every delay is known, for the tests of the measures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.mouth import Said
from simulator.record import CallRecord, EarTrack, ModelRecord, MouthTrack
from simulator.timeline import (
    FRAME_S,
    FRAME_SAMPLES,
    RATE_HZ,
    Pcm,
    Recording,
    Timeline,
)
from tests.unit.simulator.sounds import sentence

START_S = 1000.0


@dataclass(frozen=True)
class KnownCall:
    """Question at 1 s, answer of the model so long after it heard the end."""

    uplink_ms: float = 12.0
    downlink_ms: float = 34.0
    thinking_ms: float = 600.0
    seconds: float = 9.0
    question: Pcm | None = None
    answer: Pcm | None = None
    mute_uplink: bool = False
    mute_downlink: bool = False
    flush_after_ms: float | None = None
    """The client is told to flush so long after the answer began at its ear."""
    barge_in_ms: float | None = None
    """The user begins to speak so long before that, and says a second sentence."""

    def record(self) -> tuple[CallRecord, ModelRecord]:
        question = sentence(31, 1.5) if self.question is None else self.question
        answer = sentence(32, 2.5) if self.answer is None else self.answer
        asked, n = RATE_HZ, int(self.seconds * RATE_HZ)
        mouth = _placed(question, asked, n)
        interjection = sentence(33, 0.6)
        at = self._interjection_at(asked + question.size)
        if at is not None:
            mouth[at : at + interjection.size] = interjection
        call = CallRecord(0, "datachannel", "tag", "conversation")
        call.session_id = "session"
        call.steps_ms = {"session": 20.0, "hello": 30.0}
        call.said = [Said("question", asked, asked + question.size)]
        if at is not None:
            call.said.append(Said("stop", at, at + interjection.size, True))
        call.mouth = _mouth(mouth)
        call.talk_s, call.hung_up_s = self.seconds, START_S + self.seconds
        heard = np.zeros_like(mouth) if self.mute_uplink else mouth
        # A frame's first sample is handed over when its last one was spoken.
        handed_over_s = START_S + FRAME_S
        at_model_s = handed_over_s + self.uplink_ms / 1000
        begins = asked + question.size + int(self.thinking_ms * RATE_HZ / 1000)
        spoken = _placed(answer, begins, n)
        ear = np.zeros_like(spoken) if self.mute_downlink else spoken.copy()
        at_ear_s = at_model_s + self.downlink_ms / 1000
        if self.flush_after_ms is not None:
            cut = begins + int(self.flush_after_ms * RATE_HZ / 1000)
            call.flushes_s = [at_ear_s + cut / RATE_HZ]
            ear[cut:] = 0
        call.ear = EarTrack(Recording(ear, _frames(at_ear_s, 1)), [(0, 25.0)])
        model = ModelRecord(
            heard=Recording(heard, _frames(at_model_s, n // FRAME_SAMPLES)),
            spoken=Recording(spoken, _frames(at_model_s, n // FRAME_SAMPLES)),
        )
        return call, model

    def _interjection_at(self, asked_until: int) -> int | None:
        if self.flush_after_ms is None or self.barge_in_ms is None:
            return None
        # From the mouth's clock to the ear's: a capture frame and both ways.
        way_ms = FRAME_S * 1000 + self.uplink_ms + self.downlink_ms
        ms = self.thinking_ms + self.flush_after_ms + way_ms - self.barge_in_ms
        return asked_until + int(ms * RATE_HZ / 1000)


def _placed(sound: Pcm, at: int, n_samples: int) -> Pcm:
    out = np.zeros(n_samples, dtype=np.int16)
    out[at : at + sound.size] = sound[: max(0, n_samples - at)]
    return out


def _frames(start_s: float, n_frames: int) -> Timeline:
    at = np.arange(n_frames)
    return Timeline(at * FRAME_SAMPLES, start_s + at * FRAME_S)


def _mouth(pcm: Pcm) -> MouthTrack:
    track = MouthTrack()
    for number in range(pcm.size // FRAME_SAMPLES):
        due_s = START_S + (number + 1) * FRAME_S
        frame = pcm[number * FRAME_SAMPLES : (number + 1) * FRAME_SAMPLES]
        track.add(frame, due_s, due_s)
    return track

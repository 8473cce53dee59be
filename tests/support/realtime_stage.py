"""A stage for one Realtime session of the fake: a user, a client and a clock.

Nothing waits: time is a number that `speak`, `silence` and `wait` move on. Audio comes
and goes in 20 ms frames, as over WebRTC; over a WebSocket the frames become
`input_audio_buffer.append` events.
"""

import base64
import json
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fake_openai.scenario import Scenario, load_text
from fake_openai.session.core import RealtimeSession
from fake_openai.session.options import SessionOptions
from fake_openai.session.requests import RecogniseRequest
from fake_openai.speech.protocols import Recogniser, Recognition, Speech, Voice
from fake_openai.wire.client import Transport
from fake_openai.wire.event import Close, ServerEvent

FRAME = 480
FRAME_S = 0.02
WORD_MS = 200
"""The fake voice speaks every word in this time."""

Pcm = NDArray[np.int16]
Json = dict[str, Any]
ITEM: Json = {"type": "message", "role": "user"}
TEXT: Json = {"type": "input_text", "text": "hi"}


class FakeVoice:
    """Speaks 200 ms per word; sample n of an utterance has the value n % 30000 + 1."""

    def speak(self, text: str, voice: str, *, duration_ms: int | None = None) -> Speech:
        wanted_ms = WORD_MS * len(text.split()) if duration_ms is None else duration_ms
        pcm = (np.arange(wanted_ms * 24) % 30_000 + 1).astype(np.int16)
        return Speech(pcm, ())


class FakeEars:
    """Hears what the test says it hears, else nothing it understands."""

    def __init__(self) -> None:
        self.words: deque[Recognition] = deque()
        self.heard: list[Pcm] = []
        self.always: Recognition | None = None

    def will_hear(self, text: str, utterance_id: str | None = None) -> None:
        """The next turn says this."""
        self.words.append(Recognition(text, utterance_id, 1.0, recognised=True))

    def recognise(self, pcm: Pcm) -> Recognition:
        self.heard.append(pcm)
        if self.always is not None:
            return self.always
        return self.words.popleft() if self.words else Recognition.unrecognised()


@dataclass(frozen=True)
class Sent:
    """One event that went out, and when."""

    at_s: float
    body: Json
    to: str | None


class Stage:
    """One session on a virtual clock; every event it ever sent, in order."""

    def __init__(
        self,
        scenario: str | Scenario = "",
        *,
        transport: Transport = "webrtc",
        initial: Json | None = None,
        options: SessionOptions | None = None,
        seed: int = 1,
        start: bool = True,
        recogniser: Recogniser | None = None,
        voice: Voice | None = None,
    ) -> None:
        script = (
            load_text(scenario or "rules: []")
            if isinstance(scenario, str)
            else (scenario)
        )
        self.ears = FakeEars()
        self.session = RealtimeSession(
            transport=transport,
            scenario=script,
            recogniser=recogniser or self.ears,
            voice=voice or FakeVoice(),
            initial=initial,
            seed=seed,
            options=options or SessionOptions(),
        )
        self.transport = transport
        self.now_s = 0.0
        self.sent: list[Sent] = []
        self.raw: list[str] = []
        self.requests: list[RecogniseRequest] = []
        self.closed: Close | None = None
        self.after_close: list[Any] = []
        self.played: list[Pcm] = []
        self._noise = np.random.default_rng(seed)
        self._unanswered: deque[tuple[float, RecogniseRequest]] = deque()
        self.understands_after_s: float | None = None
        """With deferred recognition: answer every request after this time."""
        if start:
            self.session.start(self.now_s)
            self._collect()

    # What the client does.

    def send(self, kind: str, **fields: Any) -> None:
        """Send a client event."""
        self.send_text(json.dumps({"type": kind, **fields}))

    def send_text(self, message: str | bytes, source: str = "client") -> None:
        self.session.receive(message, self.now_s, source)
        self._collect()

    def update(self, **session: Any) -> None:
        self.send("session.update", session={"type": "realtime", **session})

    def turn_detection(self, **settings: Any) -> None:
        self.update(audio={"input": {"turn_detection": settings or None}})

    def type_text(self, text: str, **fields: Any) -> None:
        part = {"type": "input_text", "text": text}
        item = {"type": "message", "role": "user", "content": [part], **fields}
        self.send("conversation.item.create", item=item)

    def give_output(self, call_id: str, output: Any) -> None:
        item = {
            "type": "function_call_output",
            "call_id": call_id,
            "output": output if isinstance(output, str) else json.dumps(output),
        }
        self.send("conversation.item.create", item=item)

    # What the user does.

    def speak(
        self, ms: int = 600, words: str | None = None, utterance: str | None = None
    ) -> None:
        """Make speech-like noise, and let the ears understand it so."""
        if words is not None:
            self.ears.will_hear(words, utterance)
        self.play_in(self._noise.normal(0, 3_000, ms * 24).astype(np.int16))

    def silence(self, ms: int = 500) -> None:
        self.play_in(self._noise.normal(0, 8, ms * 24).astype(np.int16))

    def ask(self, words: str | None = None, utterance: str | None = None) -> None:
        """Speak, and be silent until the turn is over."""
        self.speak(600, words, utterance)
        self.silence(260)

    def play_in(self, pcm: Pcm) -> None:
        """Feed audio to the session in real time, in 20 ms frames."""
        for start in range(0, pcm.size, FRAME):
            frame = pcm[start : start + FRAME]
            self.now_s = round(self.now_s + frame.size / 24_000, 6)
            self._understand()
            if self.transport == "webrtc":
                self.session.receive_audio(frame, self.now_s)
                self._pull()
            else:
                audio = base64.b64encode(frame.astype("<i2").tobytes()).decode()
                append = {"type": "input_audio_buffer.append", "audio": audio}
                self.session.receive(json.dumps(append), self.now_s)
            self._collect()

    def wait(self, seconds: float) -> None:
        """Let time pass without a microphone; the output is played in real time."""
        end_s = round(self.now_s + seconds, 6)
        while self.now_s < end_s:
            self.now_s = min(end_s, round(self.now_s + FRAME_S, 6))
            self._understand()
            self.session.advance(self.now_s)
            if self.transport == "webrtc":
                self._pull()
            self._collect()

    def leap(self, seconds: float) -> None:
        """Let time pass from one deadline to the next; nothing is played."""
        end_s = self.now_s + seconds
        while (due_s := self.session.next_deadline_s()) is not None and due_s < end_s:
            self.now_s = max(self.now_s, due_s)
            self.session.advance(self.now_s)
            self._collect()
        self.now_s = end_s
        self.session.advance(end_s)
        self._collect()

    # What came out.

    @property
    def events(self) -> list[Json]:
        return [sent.body for sent in self.sent]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def of(self, kind: str) -> list[Json]:
        """Every event of a type."""
        return [event for event in self.events if event["type"] == kind]

    def last(self, kind: str) -> Json:
        """The last event of a type; it must have come."""
        found = self.of(kind)
        assert found, f"no {kind} among {self.types}"
        return found[-1]

    def time_of(self, kind: str) -> float:
        """When the last event of a type went out."""
        return [sent.at_s for sent in self.sent if sent.body["type"] == kind][-1]

    def forget(self) -> None:
        """Look only at what comes from now on."""
        self.sent.clear()

    @property
    def error(self) -> Json:
        """The `error` object of the last error event."""
        error: Json = self.last("error")["error"]
        return error

    def heard(self) -> Pcm:
        """Everything that was played, silence left out."""
        parts = [frame[frame != 0] for frame in self.played]
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)

    def _understand(self) -> None:
        after_s = self.understands_after_s
        while after_s is not None and self._unanswered:
            asked_s, request = self._unanswered[0]
            if self.now_s < asked_s + after_s:
                return
            self._unanswered.popleft()
            words = self.ears.recognise(request.pcm)
            self.session.recognised(request.item_id, words, self.now_s)
            self._collect()

    def _pull(self) -> None:
        frame = self.session.pull_audio(FRAME, self.now_s)
        if frame is not None:
            self.played.append(frame)

    def _collect(self) -> None:
        for outgoing in self.session.drain():
            if self.closed is not None:
                self.after_close.append(outgoing)
            elif isinstance(outgoing, ServerEvent):
                self.sent.append(Sent(self.now_s, outgoing.body, outgoing.to))
                self.raw.append(outgoing.to_json())
            elif isinstance(outgoing, Close):
                self.closed = outgoing
            else:
                self.requests.append(outgoing)
                self._unanswered.append((self.now_s, outgoing))


def without_repeats(types: list[str]) -> list[str]:
    """Types with runs of the same one written once."""
    return [t for i, t in enumerate(types) if i == 0 or types[i - 1] != t]


def refusal(stage: Stage, kind: str, **fields: Any) -> dict[str, Any]:
    """The error this event causes; nothing else may come of it."""
    stage.forget()
    stage.send(kind, event_id="mine", **fields)
    assert stage.types == ["error"]
    assert stage.error["event_id"] == "mine"
    assert stage.error["type"] == "invalid_request_error"
    assert stage.closed is None
    return stage.error


def acknowledged(stage: Stage, kind: str, **fields: Any) -> list[str]:
    """The types of what this event causes."""
    stage.forget()
    stage.send(kind, **fields)
    return stage.types

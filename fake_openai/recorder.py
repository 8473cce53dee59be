"""The record of one call: events and audio of both directions on one clock. PURE."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from fake_openai.tape import RATE_HZ, Anchor, MemoryBudget, Tape

MAX_EVENTS: Final = 20_000
"""Events kept per call; the oldest go first."""
LONG_TEXT: Final = 2_000
"""Longer strings in recorded events (audio as base64) are shortened."""
HUGE_TEXT: Final = 262_144
"""Of longer messages only type and length are kept."""

Direction = Literal["in", "out"]


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One event as it crossed the wire; `t_s` is CLOCK_MONOTONIC."""

    t_s: float
    direction: Direction
    event: Mapping[str, Any]
    source: str
    """Connection it came from or went to: "client", "sideband-1", "control", "*"."""

    @property
    def type(self) -> str:
        """The event's type, "" when it had none."""
        return str(self.event.get("type", ""))

    def as_json(self) -> dict[str, Any]:
        """As the control API shows it."""
        return {
            "t_s": self.t_s,
            "direction": self.direction,
            "event": dict(self.event),
            "source": self.source,
        }


@dataclass(slots=True)
class Recorder:
    """What happened in a call. All times are CLOCK_MONOTONIC seconds."""

    budget: MemoryBudget
    max_s: float = 600.0
    events: deque[RecordedEvent] = field(
        default_factory=lambda: deque(maxlen=MAX_EVENTS)
    )
    input: Tape = field(init=False)
    output: Tape = field(init=False)

    def __post_init__(self) -> None:
        self.input = Tape(self.budget, max_s=self.max_s)
        self.output = Tape(self.budget, max_s=self.max_s)

    def received(self, message: str | bytes, t_s: float, source: str) -> None:
        """Note a client event as it came, also one that is not JSON."""
        self.events.append(RecordedEvent(t_s, "in", _readable(message), source))

    def sent(self, body: Mapping[str, Any], t_s: float, to: str) -> None:
        """Note a server event."""
        self.events.append(RecordedEvent(t_s, "out", _shortened(body), to))

    def of_type(self, name: str) -> list[RecordedEvent]:
        """Events of one type, oldest first."""
        return [event for event in self.events if event.type == name]

    def timeline(self) -> dict[str, Any]:
        """Where each sample and each turn was on the clock, as the control API says."""
        return {
            "clock": "CLOCK_MONOTONIC",
            "rate_hz": RATE_HZ,
            "input": _tape_json(self.input),
            "output": _tape_json(self.output),
            "turns": turns(list(self.events)),
        }


_TURN_FIELDS: Final = {
    "input_audio_buffer.speech_started": ("speech_started_s", "audio_start_ms"),
    "input_audio_buffer.speech_stopped": ("speech_stopped_s", "audio_end_ms"),
    "input_audio_buffer.committed": ("committed_s", None),
    "conversation.item.input_audio_transcription.completed": (
        "transcribed_s",
        "transcript",
    ),
    "response.created": ("response_created_s", None),
    "output_audio_buffer.started": ("output_started_s", None),
    "output_audio_buffer.stopped": ("output_stopped_s", None),
    "output_audio_buffer.cleared": ("output_cleared_s", None),
    "response.done": ("response_done_s", None),
}


def turns(events: list[RecordedEvent]) -> list[dict[str, Any]]:
    """User turns and responses in the order they began, each with its moments.

    A user turn has `item_id`, a response `response_id`; `*_s` are monotonic seconds,
    `*_ms` session audio time.
    """
    found: dict[str, dict[str, Any]] = {}
    for recorded in events:
        names = _TURN_FIELDS.get(recorded.type)
        if recorded.direction != "out" or names is None:
            continue
        key, value = _turn_key(recorded.event)
        turn = found.setdefault(value, {key: value})
        turn.setdefault(names[0], recorded.t_s)
        if names[1] is not None:
            turn[names[1]] = recorded.event.get(names[1])
        response = recorded.event.get("response")
        if recorded.type == "response.done" and isinstance(response, Mapping):
            turn["status"] = response.get("status")
            turn["said"] = _spoken_text(response)
    return list(found.values())


def _turn_key(event: Mapping[str, Any]) -> tuple[str, str]:
    response = event.get("response")
    if isinstance(response, Mapping):
        return "response_id", str(response.get("id"))
    if "response_id" in event:
        return "response_id", str(event["response_id"])
    return "item_id", str(event.get("item_id"))


def _spoken_text(response: Mapping[str, Any]) -> str:
    parts = [
        str(part.get("transcript") or part.get("text") or "")
        for item in response.get("output") or []
        for part in item.get("content") or []
    ]
    return " ".join(part for part in parts if part)


def _tape_json(tape: Tape) -> dict[str, Any]:
    return {
        "n_samples": tape.end_index,
        "first_index": tape.first_index,
        "anchors": [_anchor_json(anchor) for anchor in tape.anchors()],
    }


def _anchor_json(anchor: Anchor) -> list[float]:
    return [anchor.index, anchor.t_s]


def _readable(message: str | bytes) -> Mapping[str, Any]:
    if isinstance(message, bytes):
        return {"type": "", "_binary_bytes": len(message)}
    # Audio comes 50 times a second on a WebSocket; parsing it twice would cost.
    if len(message) > LONG_TEXT and '"input_audio_buffer.append"' in message[:200]:
        return {"type": "input_audio_buffer.append", "audio": _mark(len(message))}
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        return {"type": "", "_not_json": message[:LONG_TEXT]}
    if not isinstance(value, dict):
        return {"type": "", "_not_an_object": str(value)[:LONG_TEXT]}
    if len(message) > HUGE_TEXT:
        return {"type": str(value.get("type"))[:64], "_characters": len(message)}
    return _shortened(value)


def _shortened(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same event with long strings (base64 audio) replaced by their length."""
    name = str(body.get("type"))
    if name == "response.output_audio.delta":
        return {**body, "delta": _mark(len(str(body.get("delta", ""))))}
    if name == "input_audio_buffer.append":
        return {**body, "audio": _mark(len(str(body.get("audio", ""))))}
    if name in {"conversation.item.create", "conversation.item.retrieved"}:
        item: Any = _cut(body.get("item"))
        return {**body, "item": item}
    return body


def _cut(value: object) -> object:
    if isinstance(value, str) and len(value) > LONG_TEXT:
        return _mark(len(value))
    if isinstance(value, Mapping):
        return {key: _cut(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_cut(entry) for entry in value]
    return value


def _mark(length: int) -> str:
    return f"({length} characters)"

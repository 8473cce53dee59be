"""A call as a test looks at it: what came, what went, and assertions that read well."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from fake_openai.call import Call
from fake_openai.faults import Fault
from fake_openai.recorder import Direction, RecordedEvent

T = TypeVar("T")
OnLoop = Callable[[Callable[[], T]], T]
"""Runs a function on the fake's thread and returns its result."""

DEFAULT_TIMEOUT_S: Final = 5.0
_POLL_S: Final = 0.01
_SHOWN: Final = 40


class CallView:
    """One call, seen from a test's thread. Every method may be called from anywhere."""

    def __init__(self, call: Call, on_loop: Callable[[Callable[[], Any]], Any]) -> None:
        self._call = call
        self._on_loop = on_loop

    @property
    def call_id(self) -> str:
        """`rtc_…` or `ws_…`"""
        return self._call.call_id

    @property
    def transport(self) -> str:
        """`webrtc` or `websocket`"""
        return self._call.transport

    @property
    def state(self) -> str:
        """`connecting`, `live` or `ended`"""
        return self._call.state

    @property
    def session(self) -> dict[str, Any]:
        """The session's configuration now."""
        config: dict[str, Any] = self._on_loop(lambda: self._call.config)
        return config

    @property
    def received(self) -> list[Mapping[str, Any]]:
        """Client events, oldest first. Audio in them is shortened."""
        return [recorded.event for recorded in self._events("in")]

    @property
    def sent(self) -> list[Mapping[str, Any]]:
        """Server events, oldest first. Audio in them is shortened."""
        return [recorded.event for recorded in self._events("out")]

    @property
    def user_said(self) -> list[str]:
        """What the fake understood of each user turn, when transcription was on."""
        name = "conversation.item.input_audio_transcription.completed"
        return [str(e["transcript"]).strip() for e in self.sent if e["type"] == name]

    @property
    def assistant_said(self) -> list[str]:
        """What the fake answered, turn by turn."""
        turns: list[dict[str, Any]] = self._timeline()["turns"]
        return [str(turn["said"]) for turn in turns if turn.get("said")]

    @property
    def turns(self) -> list[dict[str, Any]]:
        """User turns and responses with their moments, see the control API."""
        turns: list[dict[str, Any]] = self._timeline()["turns"]
        return turns

    @property
    def audio_heard(self) -> NDArray[np.int16]:
        """The client's audio as the fake heard it: int16, 24 kHz mono."""
        pcm: NDArray[np.int16] = self._on_loop(self._call.recorder.input.pcm)
        return pcm

    @property
    def audio_spoken(self) -> NDArray[np.int16]:
        """The fake's audio as it was sent: int16, 24 kHz mono."""
        pcm: NDArray[np.int16] = self._on_loop(self._call.recorder.output.pcm)
        return pcm

    def inject(self, event: Mapping[str, Any]) -> None:
        """Send this object to the client as a server event."""
        self._on_loop(lambda: self._call.inject(event))

    def arm(
        self, fault: Fault | Mapping[str, Any] | None = None, **fields: Any
    ) -> None:
        """Arm a fault in this call: `call.arm(at="response", do="fail")`."""
        armed = Fault.model_validate(fault if fault is not None else fields)
        self._on_loop(lambda: self._call.add_fault(armed))

    def hang_up(self) -> None:
        """End the call as the service would."""
        self._on_loop(lambda: self._call.end("test"))

    def wait_received(
        self, kind: str, *, timeout_s: float = DEFAULT_TIMEOUT_S, **fields: Any
    ) -> Mapping[str, Any]:
        """Wait for a client event of this type with these fields; returns it."""
        return self._wait("in", kind, fields, timeout_s)

    def wait_sent(
        self, kind: str, *, timeout_s: float = DEFAULT_TIMEOUT_S, **fields: Any
    ) -> Mapping[str, Any]:
        """Wait for a server event of this type with these fields; returns it."""
        return self._wait("out", kind, fields, timeout_s)

    def assert_received(self, kind: str, **fields: Any) -> Mapping[str, Any]:
        """The client has sent such an event; dicts need to match only in part."""
        return self._found("in", kind, fields)

    def assert_sent(self, kind: str, **fields: Any) -> Mapping[str, Any]:
        """The fake has sent such an event."""
        return self._found("out", kind, fields)

    def assert_received_in_order(self, *kinds: str) -> None:
        """The client sent events of these types in this order, others between."""
        rest = iter(str(event.get("type")) for event in self.received)
        for index, kind in enumerate(kinds):
            if kind not in rest:
                raise AssertionError(
                    f"the client did not send {kind} after {list(kinds[:index])}\n"
                    + _listing("received", self._events("in"))
                )

    def assert_user_said(self, text: str) -> None:
        """The fake understood a user turn with exactly this text."""
        said = self.user_said
        if text not in said:
            raise AssertionError(f"nobody said {text!r}; understood: {said}")

    def assert_no_errors(self) -> None:
        """The client did nothing that the service answers with `error`."""
        errors = [event["error"] for event in self.sent if event["type"] == "error"]
        if errors:
            lines = [f"  {e.get('code')}: {e.get('message')}" for e in errors]
            raise AssertionError("the client caused errors:\n" + "\n".join(lines))

    def _timeline(self) -> dict[str, Any]:
        timeline: dict[str, Any] = self._on_loop(self._call.recorder.timeline)
        return timeline

    def _events(self, direction: Direction) -> list[RecordedEvent]:
        everything: tuple[RecordedEvent, ...] = self._on_loop(
            lambda: tuple(self._call.recorder.events)
        )
        return [event for event in everything if event.direction == direction]

    def _wait(
        self,
        direction: Direction,
        kind: str,
        fields: Mapping[str, Any],
        timeout_s: float,
    ) -> Mapping[str, Any]:
        deadline_s = time.monotonic() + timeout_s
        while True:
            try:
                return self._found(direction, kind, fields)
            except AssertionError:
                if time.monotonic() >= deadline_s:
                    raise
            time.sleep(_POLL_S)

    def _found(
        self, direction: Direction, kind: str, fields: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        events = self._events(direction)
        of_kind = [event.event for event in events if event.type == kind]
        for event in of_kind:
            if contains(event, fields):
                return event
        who = "the client sent" if direction == "in" else "the fake sent"
        if of_kind:
            seen = "\n".join(f"  {event}" for event in of_kind[-3:])
            raise AssertionError(
                f"{who} {kind}, but never with {dict(fields)}; last seen:\n{seen}"
            )
        heading = "received" if direction == "in" else "sent"
        raise AssertionError(f"{who} no {kind}\n" + _listing(heading, events))


def contains(actual: Any, expected: Any) -> bool:
    """Whether `expected` is part of `actual`: dicts by key, all else by equality."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return all(
            key in actual and contains(actual[key], value)
            for key, value in expected.items()
        )
    return bool(actual == expected)


def _listing(heading: str, events: Sequence[RecordedEvent]) -> str:
    if not events:
        return f"{heading}: nothing at all"
    first_s = events[0].t_s
    lines = [f"  {event.t_s - first_s:8.3f} s  {event.type}" for event in events]
    if len(lines) > _SHOWN:
        lines = [f"  ... {len(lines) - _SHOWN} before", *lines[-_SHOWN:]]
    return f"{heading}:\n" + "\n".join(lines)

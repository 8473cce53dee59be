"""The lines between a load generator and its calling processes. PURE.

One JSON object per line, `{"kind": …}` first. Orders go down: `call`, `hang_up`. Events
come up: `ready`, `talking`, `over`, `result`, `broken`. The end of the input hangs up
every call; the process ends when all of them are analysed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, TypeAlias


class WireError(ValueError):
    """A line that is no message of ours."""


@dataclass(frozen=True, slots=True)
class PlaceCall:
    """Begin a conversation."""

    kind: ClassVar[str] = "call"
    id: int
    scenario: str
    """Name of a ready-made scenario, or a YAML file."""
    seconds: float
    number: int = 0
    """Which of many alike: turns the order of its questions round."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """End a conversation now, as its callers would; None ends all."""

    kind: ClassVar[str] = "hang_up"
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The process can take calls."""

    kind: ClassVar[str] = "ready"
    pid: int
    analyst_pid: int


@dataclass(frozen=True, slots=True)
class Talking:
    """The first caller of a conversation is connected."""

    kind: ClassVar[str] = "talking"
    id: int


@dataclass(frozen=True, slots=True)
class Over:
    """Everybody has hung up; the result follows when it is analysed."""

    kind: ClassVar[str] = "over"
    id: int
    is_connected: bool
    """Whether any caller ever was."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a conversation was like: one report per caller (`report.CallReport`)."""

    kind: ClassVar[str] = "result"
    id: int
    reports: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Broken:
    """Nothing is known of a conversation, and that is the generator's fault."""

    kind: ClassVar[str] = "broken"
    id: int
    reason: str


Order: TypeAlias = PlaceCall | HangUp
Event: TypeAlias = Ready | Talking | Over | Result | Broken
_ORDERS: dict[str, type[Order]] = {m.kind: m for m in (PlaceCall, HangUp)}
_EVENTS: dict[str, type[Event]] = {
    m.kind: m for m in (Ready, Talking, Over, Result, Broken)
}


def encode(message: Order | Event) -> bytes:
    """One line, its end included."""
    return json.dumps({"kind": message.kind, **asdict(message)}).encode() + b"\n"


def decode_order(line: bytes | str) -> Order:
    """What the generator wants.

    Raises:
        WireError: it cannot be understood.
    """
    order: Order = _decode(line, _ORDERS)
    return order


def decode_event(line: bytes | str) -> Event:
    """What the calling process says.

    Raises:
        WireError: it cannot be understood.
    """
    event: Event = _decode(line, _EVENTS)
    return event


def _decode(line: bytes | str, kinds: dict[str, Any]) -> Any:
    try:
        fields = json.loads(line)
        return kinds[fields.pop("kind")](**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise WireError(f"not a line of this protocol: {exc!r}") from exc

"""Client events: decoded from the wire and checked field by field.

`decode` is the only door: what it returns has a known type and valid fields; what it
refuses it refuses with the documented code and message (realtime-api.md §3).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from fake_openai.wire.item_shape import CONTEXT_ITEM, CREATED_ITEM
from fake_openai.wire.problem import ClientEventError, missing, quoted_list
from fake_openai.wire.session_shape import RESPONSE_FIELDS, SESSION
from fake_openai.wire.shape import Array, Number, Record, Shape, Text, nullable

Transport = Literal["webrtc", "websocket"]

MAX_EVENT_ID: Final = 512
MAX_AUDIO_CHARS: Final = 15 * 1024 * 1024
MAX_SHOWN_TYPE: Final = 100
MAX_DEPTH: Final = 64
"""Of nested objects and arrays: far more than any tool's JSON Schema needs."""

SUPPORTED_TYPES: Final = (
    "session.update",
    "session.close",
    "input_audio_buffer.append",
    "session.input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.truncate",
    "conversation.item.delete",
    "conversation.item.retrieve",
    "response.create",
    "response.cancel",
)
"""As listed by the service on a WebSocket; a WebRTC connection adds one."""

_COMMON: Final[dict[str, Shape]] = {"type": Text(), "event_id": nullable(Text())}


def _event(*required: str, **fields: Shape) -> Record:
    return Record({**_COMMON, **fields}, required=required)


_MS: Final = Number(0, integer=True)
EVENTS: Final[dict[str, Record]] = {
    "session.update": _event("session", session=SESSION),
    "input_audio_buffer.append": _event(
        "audio", audio=Text(max_length=MAX_AUDIO_CHARS)
    ),
    "input_audio_buffer.commit": _event(),
    "input_audio_buffer.clear": _event(),
    "output_audio_buffer.clear": _event(),
    "conversation.item.create": _event(
        "item", item=CREATED_ITEM, previous_item_id=nullable(Text())
    ),
    "conversation.item.retrieve": _event("item_id", item_id=Text()),
    "conversation.item.delete": _event("item_id", item_id=Text()),
    "conversation.item.truncate": _event(
        "item_id",
        "content_index",
        "audio_end_ms",
        item_id=Text(),
        content_index=_MS,
        audio_end_ms=_MS,
    ),
    "response.create": _event(
        response=nullable(
            Record({**RESPONSE_FIELDS, "input": nullable(Array(CONTEXT_ITEM))})
        )
    ),
    "response.cancel": _event(response_id=nullable(Text())),
}
WEBRTC_ONLY: Final = frozenset({"output_audio_buffer.clear"})


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """A valid client event."""

    type: str
    event_id: str | None
    body: Mapping[str, Any]


class UndecodableEventError(Exception):
    """A message that is refused, with what is needed to answer it."""

    def __init__(self, problem: ClientEventError, event_id: str | None) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.event_id = event_id


def decode(message: str | bytes, transport: Transport) -> ClientEvent:
    """The client event in a message.

    Raises:
        UndecodableEventError: not text, not JSON, unknown type, or a wrong field.
    """
    if isinstance(message, bytes):
        raise UndecodableEventError(_binary(), None)
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        raise UndecodableEventError(_not_json(), None) from None
    return decode_object(value, transport)


def decode_object(value: object, transport: Transport) -> ClientEvent:
    """The client event in a parsed JSON value; raises as `decode` does."""
    if not isinstance(value, dict):
        raise UndecodableEventError(_not_an_object(), None)
    if _depth(value) > MAX_DEPTH:
        raise UndecodableEventError(_not_json(), None)
    event_id = value.get("event_id")
    echo = event_id[:MAX_EVENT_ID] if isinstance(event_id, str) else None
    try:
        kind = _check(value, transport)
    except ClientEventError as problem:
        raise UndecodableEventError(problem, echo) from None
    return ClientEvent(kind, echo, value)


def _depth(value: object) -> int:
    """Nesting of a JSON value, counted up to just beyond MAX_DEPTH."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return depth


def _check(value: dict[str, Any], transport: Transport) -> str:
    if "type" not in value:
        raise missing("type")
    kind = value["type"]
    Text().check(kind, "type")
    shape = EVENTS.get(kind)
    if shape is None or (kind in WEBRTC_ONLY and transport != "webrtc"):
        raise _unknown_type(kind, transport)
    nullable(Text(max_length=MAX_EVENT_ID)).check(value.get("event_id"), "event_id")
    shape.check(value, "")
    return str(kind)


def _unknown_type(kind: str, transport: Transport) -> ClientEventError:
    supported = list(SUPPORTED_TYPES)
    if transport == "webrtc":
        supported.insert(-2, "output_audio_buffer.clear")
    return ClientEventError(
        f"Invalid value: '{kind[:MAX_SHOWN_TYPE]}'. "
        f"Supported values are: {quoted_list(supported)}.",
        code="invalid_value",
        param="type",
    )


def _not_json() -> ClientEventError:
    return ClientEventError(
        "Invalid event: failed to parse JSON value.", code="invalid_json"
    )


def _not_an_object() -> ClientEventError:
    return ClientEventError(
        "Invalid event: expected a JSON object.", code="invalid_event"
    )


def _binary() -> ClientEventError:
    return ClientEventError(
        "Expected a text WebSocket message; binary frames are not supported.",
        code="invalid_event",
    )

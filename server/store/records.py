"""What is recorded, and its form in the spill file. PURE.

Every record may be written twice and counts once: events and usage by their id, the
others because the last word about them wins.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias

from server import foreign_json

MAX_PAYLOAD_CHARS = 256 * 1024
"""A payload beyond this is cut and says so: one event must not fill the memory."""
KEPT_OF_OVERSIZE_CHARS = 64 * 1024
OVERHEAD_BYTES = 400
"""Of a record beside its text, roughly; for the bound of the memory."""

SessionState: TypeAlias = Literal[
    "live", "recovering", "handing_over", "draining", "ended", "interrupted"
]
RecordingState: TypeAlias = Literal["recording", "finished", "interrupted", "failed"]
RecordingTrack: TypeAlias = Literal["mix", "assistant", "client"]
OVER: tuple[SessionState, ...] = ("ended", "interrupted")


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that happened in a conversation."""

    owner: str
    conversation_id: str
    source: str
    type: str
    payload: str
    """A JSON object as text; see `encode_payload`."""
    event_id: str
    at_ms: int
    """UTC."""
    session_id: str | None = None
    session_ms: int | None = None
    """Milliseconds of the session's audio before it: one timeline with recordings."""
    coalesce_key: str | None = None
    """Of several partial records with one key, only the last need be written."""
    partial: bool = False
    """True while more of it is to come; the one that is not partial always counts."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """The state of a session. What is None leaves the row as it is."""

    session_id: str
    owner: str
    conversation_id: str
    state: SessionState
    at_ms: int
    node: str
    boot: str
    agent_name: str | None = None
    voice: str | None = None
    model: str | None = None
    end_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """A browser joined (`left` False) or left."""

    session_id: str
    client_id: str
    owner: str
    conversation_id: str
    at_ms: int
    left: bool = False
    name: str | None = None
    leg: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """What one response of the model cost."""

    usage_id: str
    owner: str
    conversation_id: str
    session_id: str
    at_ms: int
    input_tokens: int
    output_tokens: int
    details: str
    """A JSON object as text."""
    model: str | None = None


@dataclass(frozen=True, slots=True)
class RecordingRecord:
    """A file of a recording begins ("recording", no size), grows, or has ended."""

    recording_id: str
    owner: str
    conversation_id: str
    session_id: str
    take: str
    """All files that begin at the same sample."""
    track: RecordingTrack
    media_type: str
    file: str
    """Below the folder of recordings."""
    state: RecordingState
    at_ms: int
    """When its first sample was heard."""
    session_ms: int
    """The same moment on the session's timeline."""
    client_id: str | None = None
    name: str | None = None
    duration_ms: int = 0
    size_bytes: int = 0


Record: TypeAlias = (
    EventRecord | SessionRecord | ClientRecord | UsageRecord | RecordingRecord
)

_KINDS: dict[str, type[Record]] = {
    "event": EventRecord,
    "session": SessionRecord,
    "client": ClientRecord,
    "usage": UsageRecord,
    "recording": RecordingRecord,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class DamagedRecordError(ValueError):
    """A line of a spill file that cannot be read."""


def new_id() -> str:
    """An id nobody can guess."""
    return uuid.uuid4().hex


def event(
    *,
    owner: str,
    conversation_id: str,
    source: str,
    type: str,  # the column's name
    payload: Mapping[str, Any],
    at_ms: int,
    event_id: str | None = None,
    session_id: str | None = None,
    session_ms: int | None = None,
    coalesce_key: str | None = None,
    partial: bool = False,
) -> EventRecord:
    """An event record of plain values; never fails, whatever the payload holds."""
    return EventRecord(
        owner,
        conversation_id,
        clean(source),
        clean(type),
        encode_payload(payload),
        event_id or new_id(),
        at_ms,
        session_id,
        session_ms,
        coalesce_key,
        partial,
    )


def encode_payload(payload: Mapping[str, Any]) -> str:
    """JSON text every database takes: no NaN, no NUL, no half of a character."""
    try:
        text = foreign_json.dumps(payload)
    except (ValueError, TypeError):
        # Rare and foreign: a circle, an odd key, more digits than Python writes.
        text = json.dumps({"text": clean(_describe(payload))}, ensure_ascii=True)
    if len(text) > MAX_PAYLOAD_CHARS:
        text = json.dumps(
            {"truncated_chars": len(text), "text": text[:KEPT_OF_OVERSIZE_CHARS]}
        )
    return text


def clean(text: str) -> str:
    """Text without what PostgreSQL or UTF-8 refuse."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def size_bytes(record: Record) -> int:
    """Roughly what a record takes in memory."""
    match record:
        case EventRecord():
            return OVERHEAD_BYTES + len(record.payload)
        case UsageRecord():
            return OVERHEAD_BYTES + len(record.details)
        case _:
            return OVERHEAD_BYTES


def to_line(record: Record) -> str:
    """One line of a spill file, its newline included."""
    given = {k: v for k, v in asdict(record).items() if v is not None}
    return json.dumps({"kind": _NAMES[type(record)], **given}) + "\n"


def from_line(line: str) -> Record:
    """The record of a line.

    Raises:
        DamagedRecordError: it is not one.
    """
    try:
        given = json.loads(line)
        kind = _KINDS[given.pop("kind")]
        if not all(_fits(given.get(f.name), str(f.type)) for f in fields(kind)):
            raise TypeError
        return kind(**given)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise DamagedRecordError(f"not a record: {type(exc).__name__}") from exc


def _fits(value: object, annotation: str) -> bool:
    """Whether a value read from a file can be what a field is declared as."""
    if value is None:
        return True  # the constructor knows which may be absent
    if "bool" in annotation:
        return isinstance(value, bool)
    if "int" in annotation and "Literal" not in annotation:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str)


def _describe(payload: object) -> str:
    try:
        return repr(payload)
    except (RecursionError, ValueError):
        return f"a {type(payload).__name__} too deep or too long to write down"

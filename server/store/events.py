"""An event as it was stored, and how others see it. PURE."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One row of `events`."""

    owner: str
    conversation_id: str
    seq: int
    """1, 2, 3 … in its conversation."""
    event_id: str
    session_id: str | None
    session_ms: int | None
    at_ms: int
    source: str
    type: str
    payload: str
    """A JSON object as text."""

    def as_row(self) -> dict[str, Any]:
        """The columns."""
        return {
            "owner": self.owner,
            "conversation_id": self.conversation_id,
            "seq": self.seq,
            "event_id": self.event_id,
            "session_id": self.session_id,
            "session_ms": self.session_ms,
            "at_ms": self.at_ms,
            "source": self.source,
            "type": self.type,
            "payload": self.payload,
        }

    def data(self) -> dict[str, Any]:
        """The payload."""
        payload = json.loads(self.payload)
        return payload if isinstance(payload, dict) else {"value": payload}

    def as_json(self) -> dict[str, Any]:
        """What REST and the stream send. `id` is `seq` under its older name."""
        return {
            "id": self.seq,
            "seq": self.seq,
            "event_id": self.event_id,
            "conversation_id": self.conversation_id,
            "session_id": self.session_id,
            "session_ms": self.session_ms,
            "timestamp": iso(self.at_ms),
            "source": self.source,
            "type": self.type,
            "payload": self.data(),
        }


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """One row of `conversations`."""

    owner: str
    id: str
    title: str | None
    metadata: str
    created_at_ms: int
    updated_at_ms: int
    last_seq: int

    def as_json(self) -> dict[str, Any]:
        """What REST sends; the owner knows who they are. `name` is an older name."""
        return {
            "id": self.id,
            "title": self.title,
            "name": self.title,
            "metadata": json.loads(self.metadata),
            "created_at": iso(self.created_at_ms),
            "updated_at": iso(self.updated_at_ms),
            "last_seq": self.last_seq,
        }


@dataclass(frozen=True, slots=True)
class StoredRecording:
    """One row of `recordings`."""

    id: str
    owner: str
    conversation_id: str
    session_id: str
    take: str
    track: str
    client_id: str | None
    name: str | None
    media_type: str
    file: str
    state: str
    started_at_ms: int
    session_ms: int
    duration_ms: int
    size_bytes: int

    def as_json(self) -> dict[str, Any]:
        """What REST sends: everything but where the file is."""
        fields = asdict(self)
        del fields["owner"], fields["file"], fields["started_at_ms"]
        return {**fields, "started_at": iso(self.started_at_ms)}


def iso(at_ms: int) -> str:
    """A moment as ISO 8601 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

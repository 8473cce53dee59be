"""What goes through the door of the media host. Plain values only, so that the host
may as well live in another process.
"""

from dataclasses import dataclass
from typing import TypeAlias

from server.realtime.config import SessionConfig


@dataclass(frozen=True, slots=True)
class ConversationInfo:
    """What browsers are told about their conversation."""

    session_id: str
    conversation_id: str
    model_kind: str
    config: SessionConfig


@dataclass(frozen=True, slots=True)
class ClientAnswer:
    """The answer to one browser's offer."""

    client_id: str
    sdp: str


@dataclass(frozen=True, slots=True)
class ClientJoined:
    """A browser's audio is flowing."""

    session_id: str
    client_id: str


@dataclass(frozen=True, slots=True)
class ClientLeft:
    """A browser is gone, however it went; `remaining` counts those still there."""

    session_id: str
    client_id: str
    reason: str
    remaining: int


@dataclass(frozen=True, slots=True)
class ToolRequested:
    """The model wants a tool; answer with `MediaHost.tool_finished`."""

    session_id: str
    call_id: str
    name: str
    arguments: str
    """A JSON string, as the model wrote it."""


@dataclass(frozen=True, slots=True)
class SessionEnding:
    """The session has begun to end: nobody can join it any more."""

    session_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The session is over and everything of it is freed. The last event."""

    session_id: str
    reason: str


HostEvent: TypeAlias = (
    ClientJoined | ClientLeft | ToolRequested | SessionEnding | SessionEnded
)


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Sizes and times of the browser leg and the model leg."""

    max_audio_message_bytes: int = 9_600
    """200 ms: what the playout buffer of a client holds."""
    max_control_message_bytes: int = 16_384
    max_text_chars: int = 4_000
    max_clients: int = 8
    client_connect_timeout_s: float = 20.0
    client_silence_timeout_s: float = 15.0
    model_connect_timeout_s: float = 15.0
    model_silence_timeout_s: float = 3.0

"""What a model session asks of its owner: events to send, and what happened."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from server.realtime.config import Json
from server.realtime.transcripts import Transcript
from server.realtime.wire import Usage


class State(Enum):
    """What the user is shown."""

    CONNECTING = "connecting"
    LISTENING = "listening"
    HEARING = "hearing"
    THINKING = "thinking"
    SPEAKING = "speaking"
    TOOL = "tool"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Send:
    """Send this event to the service."""

    event: Json


@dataclass(frozen=True, slots=True)
class Flush:
    """Throw away every sample of the assistant that was not heard yet."""

    reason: str


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The user is to be shown another state."""

    state: State


@dataclass(frozen=True, slots=True)
class CallTool:
    """Run a tool, then report `tool_finished`; `arguments` is a JSON string."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something went wrong, the call goes on; `message` is for the user."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Used:
    """What one response cost, in tokens."""

    response_id: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class SessionLost:
    """The service has closed this session; another one may take its place."""

    code: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The service will not go on with us; `message` is for the user."""

    code: str
    message: str


Effect: TypeAlias = (
    Send
    | Flush
    | StateChanged
    | Transcript
    | CallTool
    | Notice
    | Used
    | SessionLost
    | Ended
)

"""From a connection to a configured session. SANS-IO.

The service speaks first (`session.created`), takes our configuration and says what it
made of it. Until then nothing else is sent: a refused configuration must not leave half
a conversation behind.
"""

from dataclasses import dataclass
from typing import TypeAlias

from server.errors import (
    BridgeError,
    InvalidRequestError,
    ModelLostError,
    ModelRejectedError,
)
from server.realtime import wire
from server.realtime.config import Json, SessionConfig
from server.realtime.failures import FATAL_ERRORS, SESSION_EXPIRED, words_for

UPDATE_EVENT_ID = "voicebridge_session_update"


@dataclass(frozen=True, slots=True)
class Configure:
    """Send this event."""

    event: Json


@dataclass(frozen=True, slots=True)
class Ready:
    """The session is configured; `expires_at_s` is since the epoch, 0 unknown."""

    session_id: str
    expires_at_s: int


@dataclass(frozen=True, slots=True)
class Refused:
    """There will be no session."""

    error: BridgeError


Step: TypeAlias = Configure | Ready | Refused


class Handshake:
    """Feed it every event until it is over."""

    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        self._expires_at_s = 0

    def receive(self, event: wire.ServerEvent) -> Step | None:
        """One event of the service; what follows from it."""
        match event:
            case wire.SessionCreated():
                self._expires_at_s = event.expires_at_s
                return Configure(
                    {
                        "type": "session.update",
                        "event_id": UPDATE_EVENT_ID,
                        "session": self._config.session(),
                    }
                )
            case wire.SessionUpdated():
                expires_at_s = event.expires_at_s or self._expires_at_s
                return Ready(event.session_id, expires_at_s)
            case wire.ServiceError():
                return _refusal(event)
        return None


def _refusal(event: wire.ServiceError) -> Refused | None:
    if event.code in FATAL_ERRORS:
        words = words_for(event.code)
        return Refused(ModelRejectedError(event.code, user_message=words))
    if event.code == SESSION_EXPIRED:
        return Refused(ModelLostError(event.code))
    if event.client_event_id != UPDATE_EVENT_ID:
        return None
    return Refused(_refused_field(event.message, event.param))


def _refused_field(message: str, param: str) -> BridgeError:
    """The service names the field of ours it does not take."""
    if param.endswith("voice"):
        return InvalidRequestError("voice: the voice service does not know this voice.")
    field = param.removeprefix("session.")
    return ModelRejectedError(
        f"session.update refused: {param} {message[:200]}",
        user_message=(
            f"The voice service does not accept this setting: {field}."
            if field
            else None
        ),
    )

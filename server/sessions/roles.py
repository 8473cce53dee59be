"""Whom the registry works with, as it sees them."""

from typing import Protocol

from server.realtime.signalling import ModelEndpoint
from server.sessions.session import Session, SessionRequest


class Witness(Protocol):
    """Who is told of sessions, beside the media host's own events."""

    def began(self, session: Session) -> None:
        """A session is being opened; every event of it comes later."""

    def opened(self, session: Session) -> None:
        """It can be joined."""

    def gave_up(self, session: Session, reason: str) -> None:
        """It never opened. The media host may say so too, or never heard of it."""


class ModelSource(Protocol):
    """Where the model service is at this moment."""

    async def endpoint(self) -> ModelEndpoint:
        """The service; raises ModelUnreachableError when there is none just now."""


class SessionFactory(Protocol):
    """Builds the record of a session, its tools included."""

    async def __call__(
        self,
        session_id: str,
        conversation_id: str,
        request: SessionRequest,
        endpoint: ModelEndpoint,
    ) -> Session: ...


class ConfiguredModel:
    """A ModelSource that is always at the same place."""

    def __init__(self, endpoint: ModelEndpoint) -> None:
        self._endpoint = endpoint

    async def endpoint(self) -> ModelEndpoint:
        """The configured service."""
        return self._endpoint

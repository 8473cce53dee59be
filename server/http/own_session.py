"""The session in the address, when it is the caller's."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request

from server.auth.principal import AnyPrincipal, Principal, Scope
from server.errors import ForbiddenError, RealtimeDisabledError
from server.sessions.registry import SessionRegistry
from server.sessions.session import Session


async def registry_of(request: Request) -> SessionRegistry:
    """The sessions, unless the bridge is switched off.

    A coroutine, because a plain function would be run in a thread.

    Raises:
        RealtimeDisabledError: it is.
    """
    registry: SessionRegistry | None = request.app.state.registry
    if registry is None:
        raise RealtimeDisabledError
    return registry


Registry = Annotated[SessionRegistry, Depends(registry_of)]

_Find = Callable[..., Coroutine[Any, Any, Session]]


def find_session(
    registry: SessionRegistry, principal: Principal, session_id: str, scope: Scope
) -> Session:
    """A session of the caller's, for those who have the scope.

    Raises:
        ForbiddenError: the credentials are not for this, or their seat was taken away.
        SessionNotFoundError: there is none, or it is somebody else's.
    """
    principal.need(scope)
    session = registry.find(session_id, principal.owner)
    if principal.client_id in session.removed:
        raise ForbiddenError(
            "a removed client", user_message="You were removed from this conversation."
        )
    return session


def own_session(scope: Scope) -> _Find:
    """A dependency: `find_session` for the session of the address."""

    async def find(
        session_id: str, principal: AnyPrincipal, registry: Registry
    ) -> Session:
        return find_session(registry, principal, session_id, scope)

    return find


def moderates(principal: Principal, session: Session) -> bool:
    """Whether the caller may decide for others: everybody who was not invited."""
    if principal.kind == "client":
        return not session.is_guest(principal.client_id or "unknown")
    return "moderate" in principal.scopes


SessionToRead = Annotated[Session, Depends(own_session("read"))]
SessionToTalkIn = Annotated[Session, Depends(own_session("talk"))]


async def _to_moderate(session: SessionToRead, principal: AnyPrincipal) -> Session:
    if not moderates(principal, session):
        raise ForbiddenError("a guest decides for others")
    return session


SessionToModerate = Annotated[Session, Depends(_to_moderate)]

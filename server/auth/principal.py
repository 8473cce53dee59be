"""Who is asking, and what they may do.

The gate (`server.http.gate`) works out the principal of every request and socket and
leaves it in the scope. A route takes it from there with a dependency: `ApiPrincipal`
for everything that belongs to an owner, `AnyPrincipal` where a token of one session
will do. A token never passes as the owner it was made for.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from fastapi import Depends
from starlette.requests import HTTPConnection

from server.errors import ForbiddenError, UnauthorizedError

SCOPE_KEY = "voicebridge.principal"
"""Where the gate leaves the principal in the ASGI scope."""

LOCAL_OWNER = "local"
"""The owner of everything on a server without keys."""

Kind: TypeAlias = Literal["local", "key", "ticket", "session", "client", "invitation"]
Scope: TypeAlias = Literal["api", "join", "read", "talk", "moderate"]

SCOPES: dict[Kind, frozenset[Scope]] = {
    # An owner, who proved it with a key or sits at this very machine.
    "local": frozenset({"api", "join", "read", "talk", "moderate"}),
    "key": frozenset({"api", "join", "read", "talk", "moderate"}),
    "ticket": frozenset({"api", "join", "read", "talk", "moderate"}),
    # One session: who opened it, who sits in it, who was invited to it.
    "session": frozenset({"join", "read", "talk", "moderate"}),
    "client": frozenset({"join", "read", "talk"}),
    "invitation": frozenset({"join", "read"}),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who proved who they are."""

    owner: str
    kind: Kind
    session_id: str | None = None
    """The only session a token is good for; None for an owner."""
    client_id: str | None = None
    """The seat in it, for a client token."""

    @property
    def scopes(self) -> frozenset[Scope]:
        """What the kind of credentials allows."""
        return SCOPES[self.kind]

    @property
    def is_owner(self) -> bool:
        """Whether everything of the owner is open, not only one session."""
        return "api" in self.scopes

    def need(self, scope: Scope) -> None:
        """Refuse what these credentials are not for.

        Raises:
            ForbiddenError: they do not have the scope.
        """
        if scope not in self.scopes:
            raise ForbiddenError(f"{self.kind} credentials without {scope}")


def anyone_of(connection: HTTPConnection) -> Principal:
    """The principal, tokens of one session included.

    Raises:
        UnauthorizedError: nobody proved anything.
    """
    principal = connection.scope.get(SCOPE_KEY)
    if not isinstance(principal, Principal):
        raise UnauthorizedError
    return principal


def owner_of(connection: HTTPConnection) -> Principal:
    """The principal, when it is an owner.

    Raises:
        UnauthorizedError: nobody proved anything.
        ForbiddenError: it is the token of one session only.
    """
    principal = anyone_of(connection)
    principal.need("api")
    return principal


def is_owner(connection: HTTPConnection) -> bool:
    """Whether an owner is asking, where everybody may ask."""
    principal = connection.scope.get(SCOPE_KEY)
    return isinstance(principal, Principal) and principal.is_owner


async def principal_of(connection: HTTPConnection) -> Principal:
    """Dependency of routes and sockets: the owner who is asking. Rows are theirs when
    `owner` is equal.

    A coroutine, because a plain function would be run in a thread.

    Raises:
        UnauthorizedError: nobody proved anything.
        ForbiddenError: it is the token of one session only.
    """
    return owner_of(connection)


async def anyone_asking(connection: HTTPConnection) -> Principal:
    """Dependency: as `principal_of`, but the token of one session will do.

    Raises:
        UnauthorizedError: nobody proved anything.
    """
    return anyone_of(connection)


ApiPrincipal = Annotated[Principal, Depends(principal_of)]
AnyPrincipal = Annotated[Principal, Depends(anyone_asking)]

"""One-time tickets for sockets that can carry no header."""

from fastapi import APIRouter, Request
from pydantic import BaseModel

from server.auth.principal import ApiPrincipal
from server.auth.tickets import TTL_S
from server.http.answers import errors

router = APIRouter(prefix="/api/auth", tags=["auth"])


class Ticket(BaseModel):
    """Good once, as `?ticket=` of a WebSocket."""

    ticket: str
    expires_s: float


class WhoAmI(BaseModel):
    """What the credentials of the request are worth."""

    owner: str
    kind: str
    needs_key: bool
    """False on a server without keys, which is open to its own machine only."""


@router.post("/ticket", responses=errors(503))
async def issue_ticket(request: Request, principal: ApiPrincipal) -> Ticket:
    """A ticket for the next socket, because an address may end up in a log."""
    authenticator = request.app.state.authenticator
    return Ticket(ticket=authenticator.issue_ticket(principal), expires_s=TTL_S)


@router.get("/me", responses=errors())
async def who_am_i(request: Request, principal: ApiPrincipal) -> WhoAmI:
    """Whose key this is: for a page that wants to know before it makes a call."""
    return WhoAmI(
        owner=principal.owner,
        kind=principal.kind,
        needs_key=not request.app.state.authenticator.is_open,
    )

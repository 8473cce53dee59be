"""The browsers in a session: list, change, show out."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from server.auth.principal import AnyPrincipal
from server.errors import ForbiddenError
from server.http.answers import body, errors
from server.http.body import read_json
from server.http.own_session import (
    Registry,
    SessionToModerate,
    SessionToRead,
    SessionToTalkIn,
    moderates,
)
from server.http.sessions import ParticipantView
from server.media.protocol import ClientChange

router = APIRouter(prefix="/api/realtime/session/{session_id}", tags=["clients"])


class ClientList(BaseModel):
    """Everybody whose audio flows."""

    clients: list[ParticipantView]


class ClientSettings(BaseModel):
    """What to change; what is absent stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    muted: bool | None = None
    volume: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    mode: Literal["both", "listen", "speak"] | None = None
    name: Annotated[str, Field(max_length=128)] | None = None


@router.get("/clients", responses=errors(404, 410))
async def list_clients(session: SessionToRead) -> ClientList:
    """Everybody in the session."""
    return ClientList(clients=[ParticipantView.of(p) for p in session.participants])


@router.patch(
    "/clients/{client_id}",
    responses=errors(400, 404, 408, 410, 413, 415, 422),
    openapi_extra=body("application/json", ClientSettings.model_json_schema()),
)
async def change_client(
    request: Request,
    session: SessionToTalkIn,
    client_id: str,
    principal: AnyPrincipal,
    registry: Registry,
) -> ClientList:
    """Mute or rename somebody, or change their volume; guests only themselves."""
    if principal.client_id != client_id and not moderates(principal, session):
        raise ForbiddenError("a guest changes somebody else")
    asked = await read_json(request, ClientSettings)
    change = ClientChange(
        muted=asked.muted, volume=asked.volume, mode=asked.mode, name=asked.name
    )
    await registry.update_client(session, client_id, change)
    return await list_clients(session)


@router.delete(
    "/clients/{client_id}",
    status_code=204,
    response_class=Response,
    responses=errors(404, 410),
)
async def remove_client(
    session: SessionToModerate, client_id: str, registry: Registry
) -> None:
    """Show somebody out for good: their token brings them back no more."""
    await registry.remove_client(session, client_id)

"""Which STUN and TURN servers a browser is to use."""

import time

from fastapi import APIRouter, Request
from pydantic import BaseModel

from server.auth.principal import AnyPrincipal
from server.http.answers import errors
from server.ice_servers import for_browsers
from server.settings import Settings

router = APIRouter(prefix="/api/realtime", tags=["realtime"])


class IceServer(BaseModel):
    """One entry of `RTCConfiguration.iceServers`."""

    urls: str
    username: str | None = None
    credential: str | None = None


class IceServers(BaseModel):
    """Goes into `new RTCPeerConnection(…)` as it is."""

    iceServers: list[IceServer]


@router.get(
    "/ice-servers", response_model_exclude_none=True, responses=errors(401, 403, 429)
)
async def ice_servers(request: Request, principal: AnyPrincipal) -> IceServers:
    """STUN and TURN for a browser; empty on a LAN. Credentials expire in hours."""
    settings: Settings = request.app.state.settings
    servers = for_browsers(
        settings.stun_url, settings.turn_server(), time.time(), user=principal.kind
    )
    return IceServers(iceServers=[IceServer(**server) for server in servers])

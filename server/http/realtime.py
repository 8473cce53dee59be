"""The voice routes: open a session, connect a browser, close a session."""

import time
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from server.auth.authenticator import Authenticator
from server.auth.principal import AnyPrincipal, ApiPrincipal
from server.auth.tokens import Token
from server.http.answers import body, errors, header
from server.http.body import SessionBody, read_json, read_sdp
from server.http.own_session import Registry, find_session
from server.sessions.session import SessionRequest

CLIENT_HEADER = "X-Voicebridge-Client"
CLIENT_TOKEN_HEADER = "X-Voicebridge-Client-Token"
SESSION_TOKEN_HEADER = "X-Voicebridge-Session-Token"
_EXPIRES = "-Expires"
TOKEN_HEADERS = (
    CLIENT_HEADER,
    *(CLIENT_TOKEN_HEADER, CLIENT_TOKEN_HEADER + _EXPIRES),
    *(SESSION_TOKEN_HEADER, SESSION_TOKEN_HEADER + _EXPIRES),
)
"""What a page of another site must be allowed to read: wildcards in names are none."""

router = APIRouter(prefix="/api/realtime", tags=["realtime"])


class SessionOpened(BaseModel):
    """A session one can connect to."""

    session_id: str
    status: Literal["connected"] = "connected"


class SessionClosed(BaseModel):
    """A session that is gone."""

    status: Literal["closed"] = "closed"


def iso_time(epoch_s: float) -> str:
    """UTC, as every time in this API."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat().replace("+00:00", "Z")


def token_headers(name: str, token: Token) -> dict[str, str]:
    """A token and its end."""
    return {name: token.text, name + _EXPIRES: iso_time(token.expires_at_s)}


@router.post(
    "/session",
    responses={
        200: {
            "headers": {
                SESSION_TOKEN_HEADER: header("Opens this session, and nothing else"),
                SESSION_TOKEN_HEADER + _EXPIRES: header("ISO 8601, UTC"),
            }
        },
        **errors(400, 404, 408, 413, 415, 422, 502, 503, 504),
    },
    openapi_extra=body(
        "application/json", SessionBody.model_json_schema(), required=False
    ),
)
async def open_session(
    request: Request, response: Response, principal: ApiPrincipal, registry: Registry
) -> SessionOpened:
    """Open the session of a conversation, or join the one that is live."""
    state = request.app.state
    state.session_budget.take(principal.owner, time.monotonic())
    asked = await read_json(request, SessionBody)
    session_id = await registry.open(
        SessionRequest(
            conversation_id=asked.conversation_id,
            voice=asked.voice,
            agent_name=asked.agent_name,
            system_prompt=asked.system_prompt,
            owner=principal.owner,
            options=asked.options(),
        )
    )
    authenticator: Authenticator = state.authenticator
    token = authenticator.signer.sign(
        "session",
        owner=principal.owner,
        session_id=session_id,
        ttl_s=state.settings.token_ttl_s,
    )
    response.headers.update(token_headers(SESSION_TOKEN_HEADER, token))
    return SessionOpened(session_id=session_id)


@router.post(
    "/sdp/{session_id}",
    response_class=Response,
    responses={
        200: {
            "description": "The answer",
            "content": {"application/sdp": {"schema": {"type": "string"}}},
            "headers": {
                CLIENT_HEADER: header("The id of this client"),
                CLIENT_TOKEN_HEADER: header("Brings this client back"),
                CLIENT_TOKEN_HEADER + _EXPIRES: header("ISO 8601, UTC"),
            },
        },
        **errors(400, 404, 408, 410, 413, 415, 422, 503),
    },
    openapi_extra=body("application/sdp", {"type": "string"}),
)
async def connect_client(
    request: Request,
    session_id: str,
    principal: AnyPrincipal,
    registry: Registry,
    name: Annotated[str, Query(max_length=128, description="Display name")] = "",
) -> Response:
    """Connect one more browser: its offer in, our answer out.

    With the client token of an earlier answer it is the same client again: it keeps
    its id, name and settings, and its old connection is dropped.
    """
    offer = await read_sdp(request)
    session = find_session(registry, principal, session_id, "join")
    answer = await registry.admit(
        session,
        offer,
        name=name,
        resume_client_id=principal.client_id,
        is_guest=principal.kind == "invitation",
    )
    state = request.app.state
    token = state.authenticator.signer.sign(
        "client",
        owner=principal.owner,
        session_id=session_id,
        client_id=answer.client_id,
        ttl_s=state.settings.token_ttl_s,
    )
    return Response(
        answer.sdp,
        media_type="application/sdp",
        headers={
            CLIENT_HEADER: answer.client_id,
            **token_headers(CLIENT_TOKEN_HEADER, token),
        },
    )


@router.delete("/session/{session_id}", responses=errors(404, 410))
async def close_session(
    session_id: str, principal: AnyPrincipal, registry: Registry
) -> SessionClosed:
    """End a session for everybody in it."""
    await registry.close(find_session(registry, principal, session_id, "moderate"))
    return SessionClosed()

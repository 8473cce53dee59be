"""The voice routes: open a session, connect a browser, close a session."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from server.errors import RealtimeDisabledError
from server.http.body import SessionBody, read_json, read_sdp
from server.sessions.registry import SessionRegistry
from server.sessions.session import SessionRequest

CLIENT_HEADER = "X-Voicebridge-Client"


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

router = APIRouter(prefix="/api/realtime", tags=["realtime"])


class SessionOpened(BaseModel):
    """A session one can connect to."""

    session_id: str
    status: Literal["connected"] = "connected"


class SessionClosed(BaseModel):
    """A session that is gone."""

    status: Literal["closed"] = "closed"


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: str
    message: str
    retryable: bool


class ErrorBody(BaseModel):
    """Every response that is not a success."""

    error: ErrorDetail


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorBody} for status in statuses}


def _body(content_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"content": {content_type: {"schema": schema}}}}


@router.post(
    "/session",
    responses=_errors(400, 404, 408, 413, 415, 422, 500, 502, 503, 504),
    openapi_extra=_body("application/json", SessionBody.model_json_schema()),
)
async def open_session(request: Request, registry: Registry) -> SessionOpened:
    """Open the session of a conversation, or join the one that is live."""
    body = await read_json(request, SessionBody)
    session_id = await registry.open(
        SessionRequest(
            conversation_id=body.conversation_id,
            voice=body.voice,
            agent_name=body.agent_name,
            system_prompt=body.system_prompt,
        )
    )
    return SessionOpened(session_id=session_id)


@router.post(
    "/sdp/{session_id}",
    response_class=Response,
    responses={
        200: {
            "description": "The answer",
            "content": {"application/sdp": {"schema": {"type": "string"}}},
            "headers": {
                CLIENT_HEADER: {
                    "description": "The id of this client",
                    "schema": {"type": "string"},
                }
            },
        },
        **_errors(400, 404, 408, 413, 415, 500, 503),
    },
    openapi_extra=_body("application/sdp", {"type": "string"}),
)
async def connect_client(
    session_id: str, request: Request, registry: Registry
) -> Response:
    """Connect one more browser: its offer in, our answer out."""
    answer = await registry.admit(session_id, await read_sdp(request))
    return Response(
        answer.sdp,
        media_type="application/sdp",
        headers={CLIENT_HEADER: answer.client_id},
    )


@router.delete("/session/{session_id}", responses=_errors(404, 500))
async def close_session(session_id: str, registry: Registry) -> SessionClosed:
    """End a session for everybody in it."""
    await registry.close(session_id)
    return SessionClosed()

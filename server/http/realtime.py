"""The voice routes: open a session, connect a browser, close a session."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

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


def _body(content_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"content": {content_type: {"schema": schema}}}}


@router.post(
    "/session",
    openapi_extra=_body("application/json", SessionBody.model_json_schema()),
)
async def open_session(request: Request, registry: Registry) -> dict[str, str]:
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
    return {"session_id": session_id, "status": "connected"}


@router.post(
    "/sdp/{session_id}",
    response_class=Response,
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


@router.delete("/session/{session_id}")
async def close_session(session_id: str, registry: Registry) -> dict[str, str]:
    """End a session for everybody in it."""
    await registry.close(session_id)
    return {"status": "closed"}

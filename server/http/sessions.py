"""Live sessions: list, look, change, invite, type, confirm, record."""

import asyncio
import io
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import segno
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from server.auth.principal import AnyPrincipal, ApiPrincipal, Principal
from server.errors import ForbiddenError, InvalidRequestError
from server.http.answers import body, errors
from server.http.body import read_json
from server.http.own_session import (
    Registry,
    SessionToModerate,
    SessionToRead,
    SessionToTalkIn,
    moderates,
)
from server.http.realtime import iso_time
from server.media.protocol import Participant
from server.sessions.session import Session

MAX_INVITATION_S = 7 * 86_400

router = APIRouter(prefix="/api/realtime", tags=["sessions"])


class ParticipantView(BaseModel):
    """One browser in a session."""

    client_id: str
    name: str
    leg: str
    muted: bool
    volume: float
    mode: Literal["both", "listen", "speak"]
    speaking: bool

    @classmethod
    def of(cls, participant: Participant) -> "ParticipantView":
        """As the media host tells it."""
        return cls.model_validate(participant, from_attributes=True)


class SessionSummary(BaseModel):
    """A live session in a list."""

    session_id: str
    conversation_id: str
    agent_name: str
    voice: str
    model: str
    state: Literal["connecting", "live", "recovering", "handing_over", "draining"]
    started_at: str
    clients: int


class SessionDetail(SessionSummary):
    """A live session, and who is in it."""

    participants: list[ParticipantView]
    mix_minus: bool
    recording: bool
    usage: dict[str, float]


class SessionList(BaseModel):
    """The caller's live sessions, oldest first."""

    sessions: list[SessionSummary]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SessionChange(_Body):
    """What to change; what is absent stays."""

    mix_minus: bool | None = None
    voice: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    model: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")] | None = None


class InvitationRequest(_Body):
    """How long it is good, and whether a QR code is wanted."""

    expires_s: Annotated[int, Field(ge=60, le=MAX_INVITATION_S)] | None = None
    qr: bool = False


class Invitation(BaseModel):
    """Whoever has this may join the one session, as a guest."""

    token: str
    expires_at: str
    path: str
    """Address of the page; the token is in its fragment, which no server logs."""
    qr_svg: str | None = None


class TypedText(_Body):
    """What somebody typed, and for whom."""

    text: Annotated[str, Field(min_length=1, max_length=4_000, pattern=r"\S")]
    target: Literal["voice", "team", "coding_agent"] = "voice"


class Verdict(_Body):
    """Yes or no to a tool that waits for it."""

    approve: bool


class RecordingSwitch(_Body):
    """Whether the session is recorded from now on."""

    on: bool


class Accepted(BaseModel):
    """It was passed on; what comes of it is told over the data channel."""

    status: Literal["accepted"] = "accepted"


class RecordingState(BaseModel):
    """Whether the session is being recorded."""

    recording: bool


def summary_of(session: Session) -> dict[str, Any]:
    """The fields of SessionSummary."""
    config = session.info.config
    return {
        "session_id": session.session_id,
        "conversation_id": session.info.conversation_id,
        "agent_name": config.agent_name,
        "voice": config.voice,
        "model": config.model,
        "state": session.state,
        "started_at": iso_time(session.started_at_s),
        "clients": len(session.participants),
    }


def detail_of(session: Session) -> SessionDetail:
    """Everything one may know about a session."""
    return SessionDetail(
        **summary_of(session),
        participants=[ParticipantView.of(p) for p in session.participants],
        mix_minus=session.mix_minus,
        recording=session.recording,
        usage=dict(session.usage),
    )


@router.get("/sessions", responses=errors(404))
async def list_sessions(principal: ApiPrincipal, registry: Registry) -> SessionList:
    """The caller's live sessions."""
    live = registry.of_owner(principal.owner)
    return SessionList(sessions=[SessionSummary(**summary_of(s)) for s in live])


@router.get("/session/{session_id}", responses=errors(404, 410))
async def get_session(session: SessionToRead) -> SessionDetail:
    """One session, with everybody in it."""
    return detail_of(session)


@router.patch(
    "/session/{session_id}",
    responses=errors(400, 404, 408, 409, 410, 413, 415, 422, 502, 503, 504),
    openapi_extra=body("application/json", SessionChange.model_json_schema()),
)
async def change_session(
    request: Request, session: SessionToModerate, registry: Registry
) -> SessionDetail:
    """Change what everybody hears, or the voice or model of the assistant."""
    change = await read_json(request, SessionChange)
    if change.mix_minus is not None:
        registry.set_mix_minus(session, change.mix_minus)
    if change.voice is not None or change.model is not None:
        await registry.change_model(session, voice=change.voice, model=change.model)
    return detail_of(session)


@router.post(
    "/session/{session_id}/invite",
    responses=errors(400, 404, 408, 410, 413, 415, 422),
    openapi_extra=body(
        "application/json", InvitationRequest.model_json_schema(), required=False
    ),
)
async def invite(
    request: Request, session: SessionToModerate, principal: AnyPrincipal
) -> Invitation:
    """A link for others to join this session as guests, with a QR code if wanted."""
    asked = await read_json(request, InvitationRequest)
    state = request.app.state
    token = state.authenticator.signer.sign(
        "invitation",
        owner=principal.owner,
        session_id=session.session_id,
        ttl_s=asked.expires_s or state.settings.invitation_ttl_s,
    )
    fragment = urlencode({"session": session.session_id, "invite": token.text})
    path = f"/#{fragment}"
    qr_svg = None
    if asked.qr:
        base = state.settings.public_url or str(request.base_url).rstrip("/")
        qr_svg = await asyncio.to_thread(_qr_svg, base + path)
    return Invitation(
        token=token.text,
        expires_at=iso_time(token.expires_at_s),
        path=path,
        qr_svg=qr_svg,
    )


@router.post(
    "/session/{session_id}/text",
    responses=errors(400, 404, 408, 410, 413, 415, 422, 503),
    openapi_extra=body("application/json", TypedText.model_json_schema()),
)
async def type_text(
    request: Request,
    session: SessionToTalkIn,
    principal: AnyPrincipal,
    registry: Registry,
) -> Accepted:
    """Typed text for the assistant, the agent team or the coding agent."""
    typed = await read_json(request, TypedText)
    if typed.target != "voice" and not moderates(principal, session):
        raise ForbiddenError("a guest sends work to the agents")
    client_id = principal.client_id or ""
    registry.type_text(session, typed.text, typed.target, client_id=client_id)
    return Accepted()


@router.post(
    "/session/{session_id}/tools/{call_id}",
    responses=errors(400, 404, 408, 410, 413, 415, 422),
    openapi_extra=body("application/json", Verdict.model_json_schema()),
)
async def confirm_tool(
    request: Request, session: SessionToModerate, call_id: str, registry: Registry
) -> Accepted:
    """Say yes or no to a tool call that waits for it."""
    if len(call_id) > 256:
        raise InvalidRequestError("call_id is too long.", http_status=422)
    verdict = await read_json(request, Verdict)
    registry.confirm_tool(session, call_id, approve=verdict.approve)
    return Accepted()


@router.post(
    "/session/{session_id}/recording",
    responses=errors(400, 404, 408, 409, 410, 413, 415, 422, 507),
    openapi_extra=body("application/json", RecordingSwitch.model_json_schema()),
)
async def switch_recording(
    request: Request,
    session: SessionToModerate,
    principal: AnyPrincipal,
    registry: Registry,
) -> RecordingState:
    """Record the session, or stop it; everybody in it is told."""
    switch = await read_json(request, RecordingSwitch)
    by = who_asks(session, principal)
    await registry.set_recording(session, switch.on, by=by)
    return RecordingState(recording=session.recording)


def who_asks(session: Session, principal: Principal) -> str:
    """The name under which people are told who did something.

    A browser that brings the token of its seat has the name it has there, if any; all
    other credentials are the owner's, whoever holds them.
    """
    if principal.client_id is None:
        return principal.owner
    return session.name_of(principal.client_id) or "a participant"


def _qr_svg(text: str) -> str:
    svg = io.BytesIO()
    # No colours of its own and no size: the page decides.
    segno.make(text, error="m", micro=False).save(
        svg, kind="svg", xmldecl=False, omitsize=True, border=2
    )
    return svg.getvalue().decode()

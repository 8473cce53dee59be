"""The Realtime REST endpoints: client secrets, calls, hang-up (realtime-api.md 1)."""

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import BodyPartReader, web

from fake_openai.api_error import ApiError, invalid_offer, unknown_call
from fake_openai.beta_shape import BetaDialect
from fake_openai.credentials import (
    DEFAULT_LIFETIME_S,
    MAX_LIFETIME_S,
    MIN_LIFETIME_S,
    ClientSecret,
)
from fake_openai.http_edge import json_body, token_of
from fake_openai.rtc.sdp import MAX_OFFER_BYTES, InvalidOfferError, read_offer
from fake_openai.server import SERVER, FakeServer
from fake_openai.wire.session_shape import SESSION
from fake_openai.wire.shape import Number, Record, Text

_EXPIRES_AFTER: Final = Record(
    {
        "anchor": Text(values=("created_at",)),
        "seconds": Number(MIN_LIFETIME_S, MAX_LIFETIME_S, integer=True),
    }
)
_MINT_FIELDS: Final = frozenset({"expires_after", "session"})


def add_routes(app: web.Application) -> None:
    """Register the endpoints under /v1."""
    app.router.add_post("/v1/realtime/client_secrets", mint)
    app.router.add_post("/v1/realtime/calls", create_call)
    app.router.add_post("/v1/realtime/calls/{call_id}/hangup", hang_up)
    for verb in ("accept", "reject", "refer"):
        app.router.add_post(f"/v1/realtime/calls/{{call_id}}/{verb}", sip_only)


async def mint(request: web.Request) -> web.Response:
    """POST /v1/realtime/client_secrets"""
    server = request.app[SERVER]
    server.credentials.require_api_key(token_of(request), time.time())
    body = await json_body(request)
    for name in body:
        if name not in _MINT_FIELDS:
            raise ApiError(
                400,
                f"Unknown parameter: '{name}'.",
                code="unknown_parameter",
                param=name,
            )
    if body.get("expires_after") is not None:
        _EXPIRES_AFTER.check(body["expires_after"], "expires_after")
    config = checked_session(body.get("session"))
    lifetime_s = (body.get("expires_after") or {}).get("seconds", DEFAULT_LIFETIME_S)
    now_s = time.time()
    secret = server.credentials.mint(
        config, server.ids.make("sess", now_s), lifetime_s=lifetime_s, now_s=now_s
    )
    return web.json_response(
        {
            "value": secret.value,
            "expires_at": secret.expires_at,
            "session": server.describe_session(secret),
        }
    )


async def create_call(request: web.Request) -> web.Response:
    """POST /v1/realtime/calls: an SDP offer in, 201 and the answer out."""
    server = request.app[SERVER]
    secret = server.credentials.check(token_of(request), time.time())
    offer_text, config = await _read_call_body(request, secret)
    model = request.query.get("model")
    if model and "model" not in config:
        config = {**config, "model": model}
    return await answer_call(server, offer_text, config, secret)


async def answer_call(
    server: FakeServer,
    offer_text: str,
    config: Mapping[str, Any],
    secret: ClientSecret | None,
    *,
    dialect: BetaDialect | None = None,
) -> web.Response:
    """Start a WebRTC call and answer its offer.

    Raises:
        ApiError: 400 invalid_offer; 429 when the fake is full.
    """
    try:
        offer = read_offer(
            offer_text, channel_required=server.settings.channel_required
        )
        call, answer = await server.start_webrtc_call(
            offer, config, secret, dialect=dialect
        )
    except InvalidOfferError as exc:
        raise invalid_offer() from exc
    return web.Response(
        status=201,
        body=answer.encode(),
        content_type="application/sdp",
        headers={"Location": f"/v1/realtime/calls/{call.call_id}"},
    )


async def hang_up(request: web.Request) -> web.Response:
    """POST /v1/realtime/calls/{id}/hangup"""
    server = request.app[SERVER]
    server.credentials.require_api_key(token_of(request), time.time())
    call_id = request.match_info["call_id"]
    call = server.live_call(call_id)
    if call is None:
        raise unknown_call(call_id)
    call.end("hangup")
    return web.Response(status=200)


async def sip_only(request: web.Request) -> web.Response:
    """accept, reject and refer belong to SIP calls, which this fake does not have."""
    server = request.app[SERVER]
    server.credentials.require_api_key(token_of(request), time.time())
    raise unknown_call(request.match_info["call_id"])


async def _read_call_body(
    request: web.Request, secret: ClientSecret | None
) -> tuple[str, Mapping[str, Any]]:
    """The offer and the session configuration that applies to it."""
    config: Mapping[str, Any] = secret.session if secret is not None else {}
    if request.content_type == "application/sdp":
        return body_text(await request.read()), config
    if request.content_type != "multipart/form-data":
        raise ApiError(
            400,
            f"Unsupported content type: '{request.content_type}'. Expected "
            "'application/sdp' or 'multipart/form-data'.",
            code="unsupported_content_type",
        )
    parts = await _read_parts(request)
    if "sdp" not in parts:
        raise ApiError(
            400,
            "Missing required parameter: 'sdp'.",
            code="missing_required_parameter",
            param="sdp",
        )
    if "session" in parts:
        config = checked_session(_json_part(parts["session"]))
    return body_text(parts["sdp"]), config


async def _read_parts(request: web.Request) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    try:
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name in {"sdp", "session"}:
                parts[part.name] = bytes(await part.read())
    except ValueError as exc:
        raise ApiError(400, "Could not parse multipart form.") from exc
    return parts


def _json_part(data: bytes) -> object:
    try:
        value: object = json.loads(data)
    except ValueError as exc:
        raise ApiError(
            400, "Could not parse the 'session' part as JSON.", param="session"
        ) from exc
    return value


def checked_session(config: object) -> Mapping[str, Any]:
    """A session configuration, validated field by field; none is an empty one.

    Raises:
        ClientEventError: a wrong field, in the service's words.
    """
    if config is None:
        return {}
    SESSION.check(config, "session")
    assert isinstance(config, dict)
    return config


def body_text(data: bytes) -> str:
    """An SDP body as text.

    Raises:
        ApiError: 400 invalid_offer, it is far too long.
    """
    if len(data) > MAX_OFFER_BYTES:
        raise invalid_offer()
    return data.decode("utf-8", errors="replace")

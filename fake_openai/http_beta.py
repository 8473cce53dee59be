"""The retired beta endpoints: refused as today, or answered as they used to be."""

import time
from typing import Any

from aiohttp import web

from fake_openai.api_error import beta_disabled
from fake_openai.beta_shape import (
    SECRET_LIFETIME_S,
    BetaDialect,
    session_to_beta,
    session_to_today,
)
from fake_openai.http_edge import json_body, token_of
from fake_openai.http_realtime import answer_call, body_text, checked_session
from fake_openai.server import SERVER


def add_routes(app: web.Application) -> None:
    """Register the endpoints under /v1."""
    app.router.add_post("/v1/realtime", create_call)
    app.router.add_post("/v1/realtime/sessions", mint)
    app.router.add_post("/v1/realtime/transcription_sessions", mint_transcription)


async def mint(request: web.Request) -> web.Response:
    """POST /v1/realtime/sessions: a flat session in, with its client_secret out."""
    return await _mint(request, "realtime")


async def mint_transcription(request: web.Request) -> web.Response:
    """POST /v1/realtime/transcription_sessions"""
    return await _mint(request, "transcription")


async def _mint(request: web.Request, kind: str) -> web.Response:
    server = request.app[SERVER]
    now_s = time.time()
    server.credentials.require_api_key(token_of(request), now_s)
    if not server.settings.beta:
        raise beta_disabled()
    body: dict[str, Any] = await json_body(request)
    config = checked_session(session_to_today(body, kind=kind))
    secret = server.credentials.mint(
        config,
        server.ids.make("sess", now_s),
        lifetime_s=SECRET_LIFETIME_S,
        now_s=now_s,
    )
    session = session_to_beta(server.describe_session(secret))
    shown = {"value": secret.value, "expires_at": secret.expires_at}
    return web.json_response({**session, "client_secret": shown})


async def create_call(request: web.Request) -> web.Response:
    """POST /v1/realtime?model=: an SDP offer in, 201 and the answer out."""
    server = request.app[SERVER]
    secret = server.credentials.check(token_of(request), time.time())
    if not server.settings.beta:
        raise beta_disabled()
    config = dict(secret.session) if secret is not None else {}
    model = request.query.get("model")
    if model:
        config.setdefault("model", model)
    offer = body_text(await request.read())
    return await answer_call(server, offer, config, secret, dialect=BetaDialect())

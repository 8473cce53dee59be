"""The WebSocket transport: `/v1/realtime?model=`, `?intent=transcription`, `?call_id=`.

Key and model problems do not fail the upgrade: they come as one `error` event and a
close (realtime-api.md 1.5). Only an unknown `call_id` is an HTTP 404.
"""

import asyncio
import contextlib
import json
import logging
import time
from typing import Any, Final

from aiohttp import WSMsgType, web

from fake_openai.api_error import ApiError, beta_disabled, unknown_call
from fake_openai.beta_shape import BetaDialect
from fake_openai.call import CLIENT, Call
from fake_openai.credentials import ClientSecret, bearer
from fake_openai.faults import Fault
from fake_openai.http_edge import HANG_S, drop_connection, status_error
from fake_openai.models import judge_model
from fake_openai.server import SERVER, FakeServer
from fake_openai.socket_connection import CLOSE_TIMEOUT_S, SocketConnection

logger = logging.getLogger(__name__)

SUBPROTOCOL: Final = "realtime"
KEY_PROTOCOL: Final = "openai-insecure-api-key."
BETA_PROTOCOL: Final = "openai-beta.realtime-v1"
PING_S: Final = 20.26
MAX_MESSAGE_BYTES: Final = 24 * 1024 * 1024
"""15 MiB of audio as base64 and its envelope."""


class _Refusal(Exception):
    """The connection is accepted, told why it cannot work, and closed."""

    def __init__(self, error: ApiError, close_code: int) -> None:
        super().__init__(error.message)
        self.error = error
        self.close_code = close_code


async def realtime(request: web.Request) -> web.StreamResponse:
    """GET /v1/realtime"""
    server = request.app[SERVER]
    fault = server.faults.strike("ws.connect")
    if fault is not None:
        await _strike(request, fault)
    call_id = request.query.get("call_id")
    if call_id is not None:
        call = server.live_call(call_id)
        if call is None:
            raise unknown_call(call_id)
        return await _sideband(request, server, call)
    socket = await _accept(request)
    try:
        if fault is not None and fault.do == "error":
            raise _refusal_of(fault)
        secret = _authorise(request, server)
        model, intent = _wanted(request, secret)
    except _Refusal as refusal:
        return await _refuse(socket, refusal)
    config = secret.session if secret is not None else {}
    call = server.new_call(
        "websocket",
        config,
        model=model,
        session_id=secret.session_id if secret is not None else None,
        intent="transcription" if intent == "transcription" else "conversation",
    )
    dialect = BetaDialect() if _asks_for_beta(request) else None
    connection = SocketConnection(request, socket, dialect)
    call.connect(connection)
    try:
        call.begin()
        await _serve(socket, connection, call, CLIENT)
    finally:
        call.end(f"client_closed_{socket.close_code or 1006}")
    return socket


async def _strike(request: web.Request, fault: Fault) -> None:
    """What a `ws.connect` fault does before the upgrade."""
    match fault.do:
        case "status":
            raise status_error(fault)
        case "delay":
            await asyncio.sleep(fault.ms / 1000)
        case "hang":
            await asyncio.sleep(HANG_S)
        case "disconnect":
            drop_connection(request)


def _refusal_of(fault: Fault) -> _Refusal:
    message = fault.message or "The server had an error while processing your request."
    error = ApiError(
        500, message, code=fault.code or "server_error", kind="server_error"
    )
    return _Refusal(error, 1011)


async def _sideband(
    request: web.Request, server: FakeServer, call: Call
) -> web.StreamResponse:
    socket = await _accept(request)
    try:
        _authorise(request, server)
    except _Refusal as refusal:
        return await _refuse(socket, refusal)
    connection = SocketConnection(request, socket)
    name = call.attach(connection)
    try:
        await _serve(socket, connection, call, name)
    finally:
        call.detach(name)
    return socket


async def _serve(
    socket: web.WebSocketResponse, connection: SocketConnection, call: Call, name: str
) -> None:
    """Read until the client leaves or the call ends; the writer runs beside."""
    writer = asyncio.create_task(connection.write(), name=f"write {call.call_id}")
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
                data = message.data
                if connection.dialect is not None:
                    data = connection.dialect.incoming(data)
                call.receive(data, name)
    finally:
        connection.close(1000, "")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await writer
        writer.cancel()


async def _accept(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(
        protocols=(SUBPROTOCOL,),
        heartbeat=PING_S,
        max_msg_size=MAX_MESSAGE_BYTES,
        compress=False,
        timeout=CLOSE_TIMEOUT_S,
    )
    await socket.prepare(request)
    return socket


def _authorise(request: web.Request, server: FakeServer) -> ClientSecret | None:
    if _asks_for_beta(request) and not server.settings.beta:
        raise _Refusal(beta_disabled(), 4000)
    try:
        return server.credentials.check(_token(request), time.time())
    except ApiError as error:
        raise _Refusal(
            ApiError(
                401,
                error.message,
                code=error.code or "invalid_api_key",
            ),
            3000,
        ) from error


def _wanted(
    request: web.Request, secret: ClientSecret | None
) -> tuple[str | None, str]:
    """Model and intent of a new session."""
    intent = request.query.get("intent", "conversation")
    if intent == "transcription":
        return None, intent
    configured = secret.session.get("model") if secret is not None else None
    model = request.query.get("model") or configured
    if not model:
        raise _Refusal(
            ApiError(
                400,
                "You must provide a model parameter, for example "
                "wss://api.openai.com/v1/realtime?model=gpt-realtime",
                code="missing_model",
            ),
            4000,
        )
    verdict = judge_model(model)
    if verdict == "not_realtime":
        raise _Refusal(
            ApiError(
                400,
                f'Model "{model}" is not supported in realtime mode.',
                code="invalid_model",
            ),
            4000,
        )
    if verdict == "not_found":
        raise _Refusal(
            ApiError(
                404,
                f"The model `{model}` does not exist or you do not have access to it.",
                code="model_not_found",
            ),
            4004,
        )
    return model, intent


async def _refuse(
    socket: web.WebSocketResponse, refusal: _Refusal
) -> web.WebSocketResponse:
    error = refusal.error
    body: dict[str, Any] = {
        "type": "error",
        "event_id": "event_refused",
        "error": {
            "type": error.kind,
            "code": error.code,
            "message": error.message,
            "param": None,
            "event_id": None,
        },
    }
    reason = f"{error.kind}.{error.code}"
    with contextlib.suppress(ConnectionError):
        await socket.send_str(json.dumps(body))
        await socket.close(code=refusal.close_code, message=reason.encode())
    return socket


def _token(request: web.Request) -> str | None:
    token = bearer(request.headers.get("Authorization"))
    if token is not None:
        return token
    for protocol in _protocols(request):
        if protocol.startswith(KEY_PROTOCOL):
            return protocol.removeprefix(KEY_PROTOCOL)
    return None


def _asks_for_beta(request: web.Request) -> bool:
    header = request.headers.get("OpenAI-Beta", "")
    return "realtime=v1" in header or BETA_PROTOCOL in _protocols(request)


def _protocols(request: web.Request) -> list[str]:
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    return [name.strip() for name in offered.split(",") if name.strip()]

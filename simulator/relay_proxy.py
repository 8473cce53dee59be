"""An HTTP reverse proxy that leads every call it carries over a relay. EDGE: aiohttp.

Page, API, streams and WebSockets pass through unchanged. The SDP of a call passes by
the relay: `POST …/api/realtime/sdp/{session}` (browser to bridge) and
`POST …/realtime/calls` (bridge to model; raw SDP or multipart). So any client of the
proxy's port, a browser too, gets the impaired network. HTTP itself is not impaired.

`/_relay/v1` is the relay's own: GET the account; POST `network` (a profile as plain
data) and POST `rebind` change every call.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import re
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    TCPConnector,
    WSMsgType,
    WSServerHandshakeError,
    web,
)
from multidict import CIMultiDict
from yarl import URL

from simulator.network import SpecError, profile_from_mapping
from simulator.relay import Relay, RelayError
from simulator.relay_multipart import MultipartError, replace_part
from simulator.sdp_rewrite import SdpError, strip_offer

logger = logging.getLogger(__name__)

CONTROL_PATH: Final = "/_relay/v1"
CONNECT_TIMEOUT_S: Final = 5.0
SDP_TIMEOUT_S: Final = 30.0
"""For a whole offer/answer exchange; a slow model answers within some seconds."""
MAX_SIGNALLING_BYTES: Final = 1024 * 1024
"""An offer with a session configuration beside it."""
MAX_WS_MESSAGE_BYTES: Final = 16 * 1024 * 1024
MAX_REQUESTS: Final = 512
"""Requests and WebSockets at once; more are answered 503."""

_SIGNALLING = re.compile(r"(/api/realtime/sdp/[^/]+|/realtime/calls)/?$")
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9110 §7.6.1: they speak of one connection, not of the message."""


def is_loopback_host(host: str | None) -> bool:
    """Is this a numeric loopback address or `localhost`?"""
    if host == "localhost":
        return True
    try:
        return host is not None and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class RelayProxy:
    """One target behind one relay. `async with` owns the connections to the target."""

    def __init__(
        self, relay: Relay, target: str, *, allow_remote: bool = False
    ) -> None:
        self._target = URL(target.rstrip("/"))
        if self._target.scheme not in ("http", "https") or not self._target.host:
            raise RelayError("the target must be an http:// or https:// address")
        self._is_local = is_loopback_host(self._target.host)
        if not (self._is_local or allow_remote):
            raise RelayError("the target is not loopback; --allow-remote was not given")
        self._relay = relay
        self._session: ClientSession | None = None
        self._active = 0
        self.app = web.Application(client_max_size=MAX_SIGNALLING_BYTES)
        self.app.router.add_get(CONTROL_PATH, self._account)
        self.app.router.add_post(f"{CONTROL_PATH}/network", self._impair)
        self.app.router.add_post(f"{CONTROL_PATH}/rebind", self._rebind)
        self.app.router.add_route("*", "/{path:.*}", self._handle)
        self.app.cleanup_ctx.append(self._connections)

    async def _connections(self, app: web.Application) -> Any:
        self._session = ClientSession(
            connector=TCPConnector(limit=MAX_REQUESTS, ttl_dns_cache=60),
            timeout=ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            auto_decompress=False,
        )
        yield
        await self._session.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self._active >= MAX_REQUESTS:
            return _error(503, "relay_busy", "The relay has too many requests.", True)
        self._active += 1
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._websocket(request)
            if request.method == "POST" and _SIGNALLING.search(request.path):
                return await self._signalling(request)
            return await self._forward(request)
        except (ClientError, TimeoutError) as exc:
            logger.warning("target failed", extra={"error": type(exc).__name__})
            return _error(
                502, "relay_target_failed", "The target did not answer.", True
            )
        finally:
            self._active -= 1

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        """Any other request: bodies stream both ways."""
        body = request.content if request.can_read_body else None
        async with self._http.request(
            request.method,
            self._url(request),
            headers=self._request_headers(request),
            data=body,
            allow_redirects=False,
        ) as upstream:
            response = web.StreamResponse(
                status=upstream.status,
                reason=upstream.reason,
                headers=self._response_headers(upstream),
            )
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    async def _signalling(self, request: web.Request) -> web.StreamResponse:
        """An offer: rewritten on the way in, and its answer on the way out."""
        body = _rewritten(await request.read(), request.headers.get("Content-Type", ""))
        headers = self._request_headers(request)
        headers.pop("Content-Length", None)
        # What cannot be read cannot be rewritten.
        headers["Accept-Encoding"] = "identity"
        async with (
            asyncio.timeout(SDP_TIMEOUT_S),
            self._http.post(
                self._url(request), headers=headers, data=body, allow_redirects=False
            ) as upstream,
        ):
            answer = await upstream.content.read(MAX_SIGNALLING_BYTES + 1)
            while len(answer) <= MAX_SIGNALLING_BYTES and not upstream.content.at_eof():
                answer += await upstream.content.read(MAX_SIGNALLING_BYTES)
        if len(answer) > MAX_SIGNALLING_BYTES:
            return _error(502, "relay_failed", "The answer is too long.", False)
        if upstream.status in (200, 201) and upstream.content_type == "application/sdp":
            try:
                answer = self._relay.relay_answer(answer.decode()).encode()
            except (SdpError, RelayError, UnicodeDecodeError) as exc:
                logger.warning("answer refused", extra={"error": type(exc).__name__})
                return _error(502, "relay_failed", f"Not relayed: {exc}.", False)
        out = self._response_headers(upstream)
        out.pop("Content-Length", None)
        return web.Response(
            status=upstream.status, reason=upstream.reason, headers=out, body=answer
        )

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        headers = self._request_headers(request)
        for name in [n for n in headers if n.lower().startswith("sec-websocket-")]:
            headers.popall(name)
        try:
            upstream = await self._http.ws_connect(
                self._url(request),
                headers=headers,
                protocols=[p.strip() for p in offered.split(",") if p.strip()],
                max_msg_size=MAX_WS_MESSAGE_BYTES,
                autoping=True,
            )
        except WSServerHandshakeError as exc:
            return _error(exc.status, "relay_target_refused", "No WebSocket.", False)
        async with upstream:
            protocols = [upstream.protocol] if upstream.protocol else []
            client = web.WebSocketResponse(
                protocols=protocols, max_msg_size=MAX_WS_MESSAGE_BYTES
            )
            await client.prepare(request)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(client, upstream))
                pumps.create_task(_pump(upstream, client))
        return client

    async def _account(self, request: web.Request) -> web.Response:
        return web.json_response(self._relay.as_dict())

    async def _impair(self, request: web.Request) -> web.Response:
        try:
            spec = await request.json()
            self._relay.impair(profile_from_mapping(spec))
        except (SpecError, json.JSONDecodeError) as exc:
            return _error(400, "invalid_network", str(exc), False)
        return web.json_response({"network": self._relay.profile.name})

    async def _rebind(self, request: web.Request) -> web.Response:
        self._relay.rebind()
        return web.json_response({"flows": len(self._relay.flows)})

    @property
    def _http(self) -> ClientSession:
        if self._session is None:
            raise RuntimeError("the proxy is not running")
        return self._session

    def _url(self, request: web.Request) -> URL:
        return URL(f"{self._target}{request.raw_path}", encoded=True)

    def _request_headers(self, request: web.Request) -> CIMultiDict[str]:
        headers = _end_to_end(request.headers)
        if not self._is_local:
            # A local target sees the proxy's own host, which is also the page's origin.
            headers.pop("Host", None)
        return headers

    def _response_headers(self, upstream: ClientResponse) -> CIMultiDict[str]:
        headers = _end_to_end(upstream.headers)
        location = headers.get("Location", "")
        if location.startswith(f"{self._target.origin()}/"):
            headers["Location"] = location.removeprefix(str(self._target.origin()))
        return headers


def _rewritten(body: bytes, content_type: str) -> bytes:
    """The body with its offer stripped; an unreadable one goes to the target as it is,
    whose refusal the client is then to see."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == "application/sdp":
            return strip_offer(body.decode()).encode()
        if kind == "multipart/form-data":
            return replace_part(body, content_type, "sdp", strip_offer)
    except (SdpError, MultipartError, UnicodeDecodeError) as exc:
        logger.warning("offer not rewritten", extra={"error": type(exc).__name__})
    return body


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    named = {h.strip().lower() for h in headers.get("Connection", "").split(",")}
    out: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if name.lower() not in _HOP_BY_HOP and name.lower() not in named:
            out.add(name, value)
    return out


async def _pump(
    source: web.WebSocketResponse | ClientWebSocketResponse,
    sink: web.WebSocketResponse | ClientWebSocketResponse,
) -> None:
    """Messages one way until the source closes; then its close goes on to the sink."""
    try:
        async for message in source:
            if message.type is WSMsgType.TEXT:
                await sink.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await sink.send_bytes(message.data)
    except ConnectionResetError:
        pass  # the sink has gone: its own pump ends the source
    code = source.close_code
    await sink.close(
        code=code if code and 1000 <= code < 5000 and code != 1006 else 1000
    )


def _error(status: int, code: str, message: str, retryable: bool) -> web.Response:
    return web.json_response(
        {"error": {"code": code, "message": message, "retryable": retryable}},
        status=status,
    )

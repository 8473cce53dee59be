"""Everything that comes in passes here first: host, origin, credentials, limits, size.

An ASGI middleware, so that a route cannot be forgotten: what is not public needs a
principal before any route sees it, and a token of one session gets no further than the
addresses of that session.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.auth import origins
from server.auth.authenticator import Authenticator, Credentials
from server.auth.limits import Buckets, Rate, address_name
from server.auth.principal import SCOPE_KEY, Principal
from server.errors import (
    BodyTooLargeError,
    BridgeError,
    CapacityError,
    ForbiddenError,
    HostNotAllowedError,
    OriginNotAllowedError,
    RateLimitedError,
    UnauthorizedError,
)
from server.http import body as http_body
from server.http.errors import count, error_response

GUARDED = ("/api", "/ws", "/metrics", "/openapi.json")
"""What needs a principal; every socket does. The rest is the page and the probes."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_BODY_BYTES = 1024 * 1024
"""For routes that set no limit of their own."""
MAX_SOCKETS = 512
MAX_SOCKETS_PER_OWNER = 128
BEARER_PROTOCOL = "bearer."
SOCKET_PROTOCOL = "voicebridge"
"""What a page offers beside `bearer.<token>`, and what is chosen then."""


PRINCIPAL_RATE = Rate(per_s=50.0, burst=300.0)
ADDRESS_RATE = Rate(per_s=200.0, burst=1_000.0)
GUESS_RATE = Rate(per_s=0.5, burst=10.0)


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Requests of one principal, of one address, and guesses of one address."""

    principal: Rate = PRINCIPAL_RATE
    address: Rate = ADDRESS_RATE
    guesses: Rate = GUESS_RATE


class Gate:
    """Lets in who may come in. One for the whole application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticator: Authenticator,
        allowed_origins: Iterable[str] = (),
        limits: GateLimits,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._origins = frozenset(allowed_origins)
        self._hosts = frozenset(
            origins.host_name(origin.partition("://")[2]) for origin in self._origins
        )
        self._principals = Buckets(limits.principal)
        self._addresses = Buckets(limits.address)
        self._guesses = Buckets(limits.guesses)
        self._sockets: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except BridgeError as exc:
            await _refuse(exc, scope, receive, send)
            return
        if scope["type"] == "http":
            await self._app(scope, _BoundedBody(receive), send)
        else:
            await self._pass_socket(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        """Raises BridgeError for what must not come in; sets the principal."""
        headers = Headers(scope=scope)
        self._check_host(scope, headers.get("host", ""))
        self._check_origin(scope, headers)
        is_guarded = scope["type"] == "websocket" or _is_guarded(scope["path"])
        if is_guarded:
            self._addresses.take(_address(scope), time.monotonic())
        given = _credentials(scope, headers)
        try:
            principal = self._authenticate(scope, given)
            _confine(principal, scope["path"])
            scope[SCOPE_KEY] = principal
        except (UnauthorizedError, ForbiddenError, RateLimitedError):
            if is_guarded:
                raise
            return
        if is_guarded:
            self._principals.take(_bucket_name(principal), time.monotonic())
            announced = headers.get("content-length", "")
            if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
                raise BodyTooLargeError(MAX_BODY_BYTES)

    def _check_host(self, scope: Scope, host: str) -> None:
        """Without keys only the name protects: a foreign page may have had its own
        name point at this machine, and would be same-origin then."""
        if not self._authenticator.is_open or origins.is_loopback_name(host):
            return
        server = scope.get("server")
        name = origins.host_name(host)
        # In process there is no network, and so no name server to trust or not.
        is_own = server is not None and name == server[0]
        if not name or not (is_own or name in self._hosts):
            raise HostNotAllowedError

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return
        origin = headers.get("origin")
        if origin is None:
            # No page, or one whose browser says where it is from in another way.
            if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
                raise OriginNotAllowedError
            return
        host = headers.get("host", "")
        if not origins.is_allowed_origin(origin, host, self._origins):
            raise OriginNotAllowedError

    def _authenticate(self, scope: Scope, given: Credentials) -> Principal:
        try:
            return self._authenticator.authenticate(given)
        except UnauthorizedError:
            if given.bearer is not None or given.ticket is not None:
                # Wrong, not only absent: whoever goes on guessing has to wait. The
                # right key is let in all the same, also from a shared address.
                self._guesses.take(_address(scope), time.monotonic())
            raise

    async def _pass_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        owner: str = scope[SCOPE_KEY].owner
        if (
            self._sockets.total() >= MAX_SOCKETS
            or self._sockets[owner] >= MAX_SOCKETS_PER_OWNER
        ):
            await _refuse(CapacityError("too many sockets"), scope, receive, send)
            return
        self._sockets[owner] += 1
        try:
            await self._app(scope, receive, _choose_protocol(scope, send))
        finally:
            self._sockets[owner] -= 1
            if not self._sockets[owner]:
                del self._sockets[owner]


class _BoundedBody:
    """A `receive` that ends bodies too long or too slow, for routes that would wait."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._n_bytes = 0
        self._is_complete = False
        self._deadline_s = asyncio.get_running_loop().time() + _body_timeout_s()

    async def __call__(self) -> Message:
        if self._is_complete:
            return await self._receive()  # waits for the disconnect
        try:
            async with asyncio.timeout_at(self._deadline_s):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408) from None
        if message["type"] == "http.request":
            self._n_bytes += len(message.get("body", b""))
            self._is_complete = not message.get("more_body", False)
            if self._n_bytes > MAX_BODY_BYTES:
                raise HTTPException(413)
        return message


def _body_timeout_s() -> float:
    # A little more than routes with a deadline of their own, whose words are better.
    return http_body.BODY_TIMEOUT_S * 1.5


def _is_guarded(path: str) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in GUARDED)


def _confine(principal: Principal, path: str) -> None:
    """A token of one session is good for that session's addresses, and to learn how
    to reach it.

    Raises:
        ForbiddenError: it was brought elsewhere.
    """
    if principal.is_owner:
        return
    session_id = principal.session_id
    if path in (f"/api/realtime/sdp/{session_id}", "/api/realtime/ice-servers"):
        return
    own = f"/api/realtime/session/{session_id}"
    if path != own and not path.startswith(f"{own}/"):
        raise ForbiddenError(f"{principal.kind} token at a foreign address")


def _credentials(scope: Scope, headers: Headers) -> Credentials:
    client = scope.get("client")
    address = client[0] if client is not None else None
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer.strip():
        return Credentials(bearer=bearer.strip(), address=address)
    if scope["type"] != "websocket":
        return Credentials(address=address)
    offered: list[str] = scope.get("subprotocols", [])
    tokens = [p for p in offered if p.startswith(BEARER_PROTOCOL)]
    # The route chooses among the others: the token must not come back in the answer.
    scope["subprotocols"] = [p for p in offered if p not in tokens]
    if tokens:
        bearer = tokens[0].removeprefix(BEARER_PROTOCOL)
        return Credentials(bearer=bearer, address=address)
    return Credentials(ticket=_take_ticket(scope), address=address)


def _take_ticket(scope: Scope) -> str | None:
    """The `ticket` of the query, which nobody behind us gets to see."""
    pairs = scope.get("query_string", b"").split(b"&")
    tickets = [pair[7:] for pair in pairs if pair.startswith(b"ticket=")]
    scope["query_string"] = b"&".join(p for p in pairs if not p.startswith(b"ticket="))
    return str(tickets[0], "ascii", "replace") if tickets else None


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return address_name(client[0]) if client is not None else "unix"


def _bucket_name(principal: Principal) -> str:
    if principal.is_owner:
        return f"owner {principal.owner}"
    return f"{principal.kind} {principal.session_id} {principal.client_id}"


def _choose_protocol(scope: Scope, send: Send) -> Send:
    """A browser that offered protocols gives up unless one of them is chosen."""

    async def send_choosing(message: Message) -> None:
        if (
            message["type"] == "websocket.accept"
            and message.get("subprotocol") is None
            and SOCKET_PROTOCOL in scope.get("subprotocols", [])
        ):
            message = {**message, "subprotocol": SOCKET_PROTOCOL}
        await send(message)

    return send_choosing


async def _refuse(
    error: BridgeError, scope: Scope, receive: Receive, send: Send
) -> None:
    count(scope.get("app"), error.code)
    response: JSONResponse = error_response(error)
    if scope["type"] == "http" or "websocket.http.response" in scope.get(
        "extensions", {}
    ):
        await response(scope, receive, send)
        return
    await receive()
    await send({"type": "websocket.close", "code": 1008, "reason": error.code})

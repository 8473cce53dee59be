"""The gate: who passes it, and as whom, request by request and socket by socket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from server.auth.authenticator import Authenticator
from server.auth.keys import KeyRing
from server.auth.limits import Rate
from server.auth.principal import SCOPE_KEY, Principal
from server.auth.tokens import TokenSigner
from server.http import gate as gate_module
from server.http.gate import Gate, GateLimits

KEY = "ann-key-0123456789abcdef"
HOST = "voice.example"


@dataclass
class Passed:
    """An application that notes what reaches it."""

    scopes: list[Scope] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})


class Front:
    """A gate, what is behind it, and a way to knock."""

    def __init__(self, *keys: str, limits: GateLimits | None = None) -> None:
        self.now_s = 0.0
        self.authenticator = Authenticator(
            KeyRing(keys),
            TokenSigner(b"s" * 32, now_s=lambda: 1_000.0),
            monotonic_s=lambda: self.now_s,
        )
        self.behind = Passed()
        self.gate = Gate(
            self.behind,
            authenticator=self.authenticator,
            allowed_origins=["https://app.example"],
            limits=limits or GateLimits(),
        )

    def token(self, session_id: str = "s") -> str:
        return self.authenticator.signer.sign(
            "session", owner="ann", session_id=session_id, ttl_s=60
        ).text

    async def knock(
        self,
        path: str = "/api/x",
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        socket: bool = False,
        query: str = "",
        protocols: list[str] | None = None,
        client: tuple[str, int] = ("127.0.0.1", 1),
        server: tuple[str, int | None] = ("127.0.0.1", 8000),
    ) -> tuple[int, str]:
        """Status and error code; 204 or 101 when it passed."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "websocket.connect" if socket else "http.disconnect"}

        scope: Scope = {
            "type": "websocket" if socket else "http",
            "path": path,
            "query_string": query.encode(),
            "headers": [
                (name.lower().encode(), value.encode())
                for name, value in {"host": HOST, **(headers or {})}.items()
            ],
            "client": client,
            "server": server,
            "subprotocols": protocols or [],
            "extensions": {"websocket.http.response": {}},
        }
        if not socket:
            scope["method"] = method
        await self.gate(scope, receive, send)
        self.sent = sent
        if sent[0]["type"] == "websocket.accept":
            return 101, ""
        body = b"".join(m.get("body", b"") for m in sent)
        error = json.loads(body)["error"]["code"] if body else ""
        return sent[0]["status"], error

    @property
    def principal(self) -> Any:
        return self.behind.scopes[-1].get(SCOPE_KEY)


@pytest.fixture
def keyed() -> Front:
    return Front(f"ann:{KEY}")


@pytest.fixture
def local() -> Front:
    return Front()


KEYED = {"authorization": f"Bearer {KEY}"}


async def test_a_key_makes_an_owner(keyed: Front) -> None:
    assert await keyed.knock(headers=KEYED) == (204, "")
    assert keyed.principal == Principal("ann", "key")
    assert await keyed.knock(headers={"authorization": f"bearer  {KEY} "}) == (204, "")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": KEY},
        {"authorization": f"Basic {KEY}"},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": f"Bearer {KEY} {KEY}"},
        {"x-api-key": KEY},
        {"cookie": f"key={KEY}"},
    ],
)
async def test_nothing_else_does(keyed: Front, headers: dict[str, str]) -> None:
    assert await keyed.knock(headers=headers) == (401, "unauthorized")
    assert not keyed.behind.scopes


async def test_a_key_in_the_address_is_worth_nothing(keyed: Front) -> None:
    for query in (f"token={KEY}", f"ticket={KEY}", f"key={KEY}", f"api_key={KEY}"):
        assert await keyed.knock(query=query) == (401, "unauthorized")
        assert await keyed.knock(socket=True, query=query) == (401, "unauthorized")


@pytest.mark.parametrize("path", ["/", "/index.html", "/healthz", "/readyz", "/apix"])
async def test_the_page_and_the_probes_are_public(keyed: Front, path: str) -> None:
    assert await keyed.knock(path) == (204, "")
    assert keyed.principal is None


@pytest.mark.parametrize(
    "path", ["/api", "/api/x", "/metrics", "/openapi.json", "/ws/voice"]
)
async def test_everything_else_is_guarded(keyed: Front, path: str) -> None:
    assert await keyed.knock(path) == (401, "unauthorized")


async def test_every_socket_is_guarded(keyed: Front) -> None:
    assert await keyed.knock("/anything", socket=True) == (401, "unauthorized")


async def test_a_socket_brings_its_key_as_a_subprotocol(keyed: Front) -> None:
    protocols = ["voicebridge", f"bearer.{KEY}"]

    assert await keyed.knock(socket=True, protocols=protocols) == (101, "")
    assert keyed.principal == Principal("ann", "key")
    # It is chosen by a name, and the key comes back in no answer.
    assert keyed.sent[0]["subprotocol"] == "voicebridge"
    assert keyed.behind.scopes[-1]["subprotocols"] == ["voicebridge"]


async def test_a_ticket_opens_one_socket(keyed: Front) -> None:
    ticket = keyed.authenticator.issue_ticket(Principal("ann", "key"))
    query = f"after=7&ticket={ticket}"

    assert await keyed.knock(query=query) == (401, "unauthorized")  # no socket
    assert await keyed.knock(socket=True, query=query) == (101, "")
    assert keyed.behind.scopes[-1]["query_string"] == b"after=7"
    assert await keyed.knock(socket=True, query=query) == (401, "unauthorized")


async def test_a_token_goes_to_its_own_session_only(keyed: Front) -> None:
    headers = {"authorization": f"Bearer {keyed.token('s')}"}

    for path in ("sdp/s", "session/s", "session/s/clients/c", "ice-servers"):
        assert await keyed.knock(f"/api/realtime/{path}", headers) == (204, "")
    for path in ("sdp/t", "session/sx", "session/", "sessions", "session/t/clients"):
        passed = await keyed.knock(f"/api/realtime/{path}", headers)
        assert passed == (403, "forbidden")
    assert await keyed.knock("/api/conversations", headers) == (403, "forbidden")
    assert await keyed.knock("/x", headers, socket=True) == (403, "forbidden")


async def test_tokens_end_with_the_keys_of_their_owner() -> None:
    front = Front(f"bob:{KEY}")
    headers = {"authorization": f"Bearer {front.token('s')}"}

    assert await front.knock("/api/realtime/sdp/s", headers) == (401, "unauthorized")


async def test_without_keys_this_machine_is_the_owner(local: Front) -> None:
    for host in ("localhost:8000", "127.0.0.1:8000", "[::1]", "app.example"):
        assert await local.knock(headers={"host": host}) == (204, "")
        assert local.principal == Principal("local", "local")


async def test_without_keys_a_key_left_over_does_no_harm(local: Front) -> None:
    headers = {"host": "localhost", **KEYED}
    assert await local.knock(headers=headers) == (204, "")

    headers["authorization"] = "Bearer eyJ.bad.token"
    assert await local.knock(headers=headers) == (401, "unauthorized")


@pytest.mark.parametrize("path", ["/", "/api/x", "/healthz"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "10.0.0.7", "", "localhost.evil.com"]
)
async def test_without_keys_foreign_names_are_refused(
    local: Front, path: str, host: str
) -> None:
    """DNS rebinding: the name is the attacker's, the address is ours."""
    refused = await local.knock(path, {"host": host})

    assert refused == (403, "host_not_allowed")


async def test_without_keys_other_machines_are_refused(local: Front) -> None:
    """For instance behind a proxy that somebody put before it."""
    refused = await local.knock(headers={"host": "localhost"}, client=("192.0.2.1", 1))

    assert refused == (401, "unauthorized")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": f"https://{HOST}.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_foreign_pages_change_nothing(
    keyed: Front, method: str, headers: dict[str, str]
) -> None:
    refused = await keyed.knock(headers={**KEYED, **headers}, method=method)

    assert refused == (403, "origin_not_allowed")
    assert not keyed.behind.scopes


async def test_foreign_pages_open_no_sockets(keyed: Front) -> None:
    foreign = {**KEYED, "origin": "https://evil.example"}
    own = {**KEYED, "origin": f"https://{HOST}"}

    assert await keyed.knock(headers=foreign, socket=True) == (
        403,
        "origin_not_allowed",
    )
    assert await keyed.knock(headers=own, socket=True) == (101, "")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": f"https://{HOST}"},
        {"origin": "https://app.example"},
        {"sec-fetch-site": "same-origin"},
        {},
    ],
)
async def test_own_and_configured_pages_may(
    keyed: Front, headers: dict[str, str]
) -> None:
    passed = await keyed.knock(headers={**KEYED, **headers}, method="POST")

    assert passed == (204, "")


async def test_an_announced_body_beyond_the_limit_is_not_read(keyed: Front) -> None:
    headers = {**KEYED, "content-length": "10000000"}

    assert await keyed.knock(headers=headers, method="POST") == (413, "body_too_large")


async def test_an_owner_who_asks_too_often_waits() -> None:
    limits = GateLimits(principal=Rate(per_s=0.01, burst=2.0))
    front = Front(f"ann:{KEY}", f"bob:{KEY}bob", limits=limits)
    answers = [await front.knock(headers=KEYED) for _ in range(3)]

    assert answers == [(204, ""), (204, ""), (429, "rate_limited")]
    assert await front.knock(headers={"authorization": f"Bearer {KEY}bob"}) == (204, "")
    assert await front.knock("/", headers=KEYED) == (204, "")  # the page is free


async def test_guesses_are_limited_and_right_keys_are_not() -> None:
    limits = GateLimits(guesses=Rate(per_s=0.01, burst=2.0))
    front = Front(f"ann:{KEY}", limits=limits)
    wrong = {"authorization": "Bearer wrong"}
    answers = [(await front.knock(headers=wrong))[0] for _ in range(3)]

    assert answers == [401, 401, 429]
    assert await front.knock(headers=KEYED) == (204, "")
    assert await front.knock() == (401, "unauthorized")  # nothing is no guess


async def test_one_owner_cannot_take_all_sockets(
    keyed: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_module, "MAX_SOCKETS_PER_OWNER", 0)

    assert await keyed.knock(headers=KEYED, socket=True) == (503, "at_capacity")
    monkeypatch.undo()
    assert await keyed.knock(headers=KEYED, socket=True) == (101, "")

"""Whoever has no business here: behind proxies, on foreign pages, with old offers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from tests.integration.server.conftest import PATIENCE_S, eventually
from tests.integration.server.port.conftest import BEARER, KEY, Serve
from tests.support.browser import browser


async def test_a_proxy_without_keys_lets_nobody_in(serve: Serve) -> None:
    """Somebody put a proxy before an open server: its visitors are not local."""
    target = await serve(api_keys=None)
    async with target.client() as http:
        mine = await http.get("/api/auth/me")
        theirs = await http.get(
            "/api/auth/me", headers={"X-Forwarded-For": "203.0.113.5"}
        )

    assert mine.json() == {"owner": "local", "kind": "local", "needs_key": False}
    assert theirs.status_code == 401


async def test_sockets_open_for_their_owner_only(serve: Serve) -> None:
    bob = "bob-key-0123456789abcdef"
    target = await serve(api_keys=f"ann:{KEY},bob:{bob}")
    note = {"source": "user", "type": "note", "payload": {"text": "only for Ann"}}
    async with aiohttp.ClientSession(target.url) as http:
        async with http.post("/api/conversations/c/events", json=note, headers=BEARER):
            pass
        async with http.post("/api/auth/ticket", headers=BEARER) as answer:
            ticket = (await answer.json())["ticket"]

        async def hear(**options: Any) -> str:
            """What the stream says until it is live, or its refusal."""
            path = "/api/conversations/c/stream?after=0" + options.pop("query", "")
            heard = ""
            try:
                async with http.ws_connect(path, **options) as ws:
                    while True:
                        message = await asyncio.wait_for(ws.receive(), PATIENCE_S)
                        if message.type is not aiohttp.WSMsgType.TEXT:
                            return f"{heard} closed {message.data}"
                        heard += message.data
                        if json.loads(message.data)["type"] == "live":
                            return heard
            except aiohttp.WSServerHandshakeError as exc:
                return str(exc.status)

        anns = [
            await hear(headers=BEARER),
            await hear(protocols=["voicebridge", f"bearer.{KEY}"]),
            await hear(query=f"&ticket={ticket}"),
        ]
        refused = [
            await hear(),
            await hear(query=f"&ticket={ticket}"),
            await hear(query=f"&token={KEY}"),
            await hear(protocols=["voicebridge", "bearer.wrong"]),
        ]
        foreign = await hear(headers={**BEARER, "Origin": "https://evil.example"})
        bobs = await hear(headers={"Authorization": f"Bearer {bob}"})

    for heard in anns:
        assert "only for Ann" in heard
    assert refused == ["401"] * 4
    assert foreign == "403"
    assert "Ann" not in bobs


async def test_foreign_pages_and_foreign_names(serve: Serve) -> None:
    target = await serve(api_keys=None)  # open: the case a browser could be used for
    evil = {"Origin": "https://evil.example"}
    async with target.client() as http:
        path = "/api/realtime/session"
        refused = [
            await http.post(path, json={}, headers=evil),
            await http.post(path, json={}, headers={"Origin": "null"}),
            # A form needs no leave of ours to be sent: its type is refused besides.
            await http.post(path, data={"a": "b"}, headers=evil),
            await http.delete(f"{path}/x", headers=evil),
        ]
        rebound = [
            await http.get(path, headers={"Host": f"evil.example:{target.port}"})
            for path in ("/", "/api/realtime/sessions", "/healthz", "/call/call.js")
        ]
        own = await http.delete(f"{path}/x", headers={"Origin": target.url})
        preflight = await http.options(
            path, headers={**evil, "Access-Control-Request-Method": "POST"}
        )
        plain = await http.get("/api/realtime/sessions", headers=evil)

    assert {(a.status_code, a.json()["error"]["code"]) for a in refused} == {
        (403, "origin_not_allowed")
    }
    assert {(a.status_code, a.json()["error"]["code"]) for a in rebound} == {
        (403, "host_not_allowed")
    }
    assert own.status_code == 404
    for answer in (preflight, plain):  # the browser shows that page nothing
        assert "access-control-allow-origin" not in answer.headers


async def test_a_configured_page_may_use_the_api(serve: Serve) -> None:
    target = await serve(allowed_origins="https://app.example")
    async with target.client() as http:
        preflight = await http.options(
            "/api/realtime/session",
            headers={
                "Origin": "https://app.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type",
            },
        )
        asked = await http.get(
            "/api/auth/me", headers={**BEARER, "Origin": "https://app.example"}
        )

    assert preflight.status_code == 200
    for answer in (preflight, asked):
        allowed = answer.headers["access-control-allow-origin"]
        assert allowed == "https://app.example"


async def test_a_replayed_offer_takes_nobody_elses_place(serve: Serve) -> None:
    """Whoever saw an offer go by has neither its keys nor a token."""
    target = await serve(client_connect_timeout_s=1.0)
    async with target.client() as stranger, target.client(headers=BEARER) as http:
        opened = await http.post("/api/realtime/session", json={})
        session_id = opened.json()["session_id"]
        sdp = {"Content-Type": "application/sdp"}
        async with browser(http, session_id) as victim:
            offer = victim.pc.localDescription.sdp
            path = f"/api/realtime/sdp/{session_id}"
            without = await stranger.post(path, content=offer, headers=sdp)
            replayed = [
                await http.post(path, content=offer, headers=sdp) for _ in range(3)
            ]
            victim.send(type="ping", t=1)
            await victim.message("pong")

            async def is_alone() -> bool:
                clients = await http.get(f"/api/realtime/session/{session_id}/clients")
                health = (await http.get("/healthz")).json()
                return len(clients.json()["clients"]) == 1 == health["clients"]

            await eventually(is_alone)

    assert without.status_code == 401
    assert {a.status_code for a in replayed} == {200}
    ids = {a.headers["X-Voicebridge-Client"] for a in replayed} | {victim.client_id}
    assert len(ids) == 4

"""Who may do what, with real sessions: owners, hosts, guests and strangers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest

from tests.integration.server.conftest import (
    Bridge,
    FakeModel,
    eventually,
    running_bridge,
    settings_for,
)
from tests.support.browser import Browser, browser

ANN = "ann-key-0123456789abcdef"
BOB = "bob-key-0123456789abcdef"
SECRET = "token-secret-of-this-test-0123456789"
SDP = {"Content-Type": "application/sdp"}
SESSION_TOKEN = "X-Voicebridge-Session-Token"


def bearer(credentials: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credentials}"}


@pytest.fixture
async def keyed(fake: FakeModel) -> AsyncIterator[Bridge]:
    """A bridge with two owners, and a client without any credentials."""
    settings = settings_for(
        fake.url,
        api_keys=f"ann:{ANN},bob:{BOB}",
        token_secret=SECRET,
        session_grace_s=0.5,
    )
    async with running_bridge(settings) as bridge:
        yield bridge


async def open_as(bridge: Bridge, key: str, **body: Any) -> tuple[str, str]:
    """A session and its token."""
    response = await bridge.http.post(
        "/api/realtime/session", json=body, headers=bearer(key)
    )
    assert response.status_code == 200, response.text
    assert set(response.json()) == {"session_id", "status"}
    return response.json()["session_id"], response.headers[SESSION_TOKEN]


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_ids_alone_open_nothing(keyed: Bridge) -> None:
    session_id, _ = await open_as(keyed, ANN)
    http = keyed.http
    path = f"/api/realtime/session/{session_id}"
    sdp_path = f"/api/realtime/sdp/{session_id}"
    async with browser(http, session_id, bearer=ANN) as one:
        answers = [
            await http.post(sdp_path, content="v", headers=SDP),
            await http.get("/api/realtime/sessions"),
            await http.get(path),
            await http.patch(path, json={"mix_minus": False}),
            await http.delete(path),
            await http.post(f"{path}/invite", json={}),
            await http.post(f"{path}/text", json={"text": "x"}),
            await http.get(f"{path}/clients"),
            await http.delete(f"{path}/clients/{one.client_id}"),
            await http.get("/api/auth/me"),
            await http.get("/api/nothing/at/all"),
            await http.get("/openapi.json"),
        ]

    assert {code_of(answer) for answer in answers} == {(401, "unauthorized")}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}


async def test_another_owner_finds_nothing(keyed: Bridge) -> None:
    session_id, _ = await open_as(keyed, ANN)
    http, bob = keyed.http, bearer(BOB)
    path = f"/api/realtime/session/{session_id}"
    unknown = "/api/realtime/session/0123456789abcdef0123456789abcdef"
    async with browser(http, session_id, bearer=ANN) as one:
        offer = one.pc.localDescription.sdp
        theirs = [
            await http.post(
                f"/api/realtime/sdp/{session_id}", content=offer, headers={**SDP, **bob}
            ),
            await http.get(path, headers=bob),
            await http.delete(path, headers=bob),
            await http.post(f"{path}/invite", json={}, headers=bob),
            await http.delete(f"{path}/clients/{one.client_id}", headers=bob),
        ]
        none = await http.get(unknown, headers=bob)
        listed = await http.get("/api/realtime/sessions", headers=bob)

    # Word for word what a session that does not exist gives: nothing can be learned.
    assert {answer.text for answer in theirs} == {none.text}
    assert {code_of(answer) for answer in theirs} == {(404, "session_not_found")}
    assert listed.json() == {"sessions": []}


async def test_equal_conversation_ids_of_two_owners_are_two_conversations(
    keyed: Bridge,
) -> None:
    ann, _ = await open_as(keyed, ANN, conversation_id="same")
    again, _ = await open_as(keyed, ANN, conversation_id="same")
    bob, _ = await open_as(keyed, BOB, conversation_id="same")

    assert ann == again
    assert bob != ann


async def test_a_session_token_opens_its_session_and_nothing_else(
    keyed: Bridge,
) -> None:
    session_id, token = await open_as(keyed, ANN)
    other_id, _ = await open_as(keyed, ANN)
    http, own = keyed.http, bearer(token)
    path = f"/api/realtime/session/{session_id}"
    async with browser(http, session_id, bearer=token):
        listed = await http.get(path, headers=own)
        elsewhere = [
            await http.get(f"/api/realtime/session/{other_id}", headers=own),
            await http.get("/api/realtime/sessions", headers=own),
            await http.post("/api/realtime/session", json={}, headers=own),
            await http.post("/api/auth/ticket", headers=own),
            await http.get("/openapi.json", headers=own),
            # Not by a clever spelling of the address either.
            await http.get(
                f"/api/realtime/session/{session_id}/../{other_id}x", headers=own
            ),
            await http.get(f"/api/realtime/session/{session_id}x", headers=own),
        ]
        closed = await http.delete(path, headers=own)

    assert listed.json()["clients"] == 1
    assert {code_of(answer) for answer in elsewhere} == {(403, "forbidden")}
    assert closed.json() == {"status": "closed"}


async def test_an_invited_guest_talks_but_decides_nothing(keyed: Bridge) -> None:
    session_id, _ = await open_as(keyed, ANN)
    http = keyed.http
    path = f"/api/realtime/session/{session_id}"
    async with browser(http, session_id, bearer=ANN, name="Ann") as ann:
        invited = await http.post(
            f"{path}/invite", json={"qr": True}, headers=bearer(ANN)
        )
        invitation = invited.json()
        async with browser(
            http, session_id, bearer=invitation["token"], name="Guest"
        ) as guest:
            me = bearer(guest.client_token)
            mine = f"{path}/clients/{guest.client_id}"
            allowed = [
                await http.get(path, headers=me),
                await http.patch(mine, json={"name": "Gus"}, headers=me),
                await http.post(f"{path}/text", json={"text": "Hi"}, headers=me),
            ]
            refused = [
                await http.patch(
                    f"{path}/clients/{ann.client_id}", json={"muted": True}, headers=me
                ),
                await http.delete(f"{path}/clients/{ann.client_id}", headers=me),
                await http.patch(path, json={"mix_minus": False}, headers=me),
                await http.post(f"{path}/invite", json={}, headers=me),
                await http.post(f"{path}/recording", json={"on": True}, headers=me),
                await http.post(f"{path}/tools/c", json={"approve": True}, headers=me),
                await http.post(
                    f"{path}/text",
                    json={"text": "rm", "target": "coding_agent"},
                    headers=me,
                ),
                await http.delete(path, headers=me),
                await http.delete(path, headers=bearer(invitation["token"])),
                await http.post(
                    f"{path}/text",
                    json={"text": "Hi"},
                    headers=bearer(invitation["token"]),
                ),
            ]
            told = await ann.message(
                "participants",
                lambda m: "Gus" in {p["name"] for p in m["participants"]},
            )

    assert [answer.status_code for answer in allowed] == [200] * 3
    assert {code_of(answer) for answer in refused} == {(403, "forbidden")}
    assert {p["name"] for p in told["participants"]} == {"Ann", "Gus"}
    assert invitation["path"].startswith(f"/#session={session_id}&invite=")
    assert "<svg" in invitation["qr_svg"]
    assert invitation["expires_at"].endswith("Z")


async def test_settings_over_rest_reach_everybody_at_once(keyed: Bridge) -> None:
    session_id, token = await open_as(keyed, ANN)
    path = f"/api/realtime/session/{session_id}"
    http, host = keyed.http, bearer(token)
    async with (
        browser(http, session_id, bearer=token, name="Ann") as ann,
        browser(http, session_id, bearer=token, name="Ben") as ben,
    ):
        changed = await http.patch(
            f"{path}/clients/{ben.client_id}",
            json={"muted": True, "volume": 0.5, "mode": "listen", "name": "B\nen "},
            headers=host,
        )
        await http.patch(path, json={"mix_minus": False}, headers=host)

        def is_changed(message: dict[str, Any]) -> bool:
            by_id = {p["client_id"]: p for p in message["participants"]}
            his = by_id.get(ben.client_id, {})
            return (
                his.get("muted"),
                his.get("volume"),
                his.get("mode"),
                his.get("name"),
            ) == (True, 0.5, "listen", "B en") and message["mix_minus"] is False

        for one in (ann, ben):
            await one.message("participants", is_changed)
        detail = (await http.get(path, headers=host)).json()
        listed = (await http.get("/api/realtime/sessions", headers=bearer(ANN))).json()
        unknown = await http.patch(f"{path}/clients/x", json={}, headers=host)
        bad = await http.patch(
            f"{path}/clients/{ben.client_id}", json={"volume": 2.1}, headers=host
        )

    assert changed.status_code == 200
    assert detail["mix_minus"] is False
    assert detail["state"] == "live"
    assert {p["name"] for p in detail["participants"]} == {"Ann", "B en"}
    assert [s["session_id"] for s in listed["sessions"]] == [session_id]
    assert listed["sessions"][0]["clients"] == 2
    assert code_of(unknown) == (404, "client_not_found")
    assert code_of(bad) == (422, "invalid_request")
    assert "volume" in bad.json()["error"]["message"]


async def test_who_is_shown_out_stays_out(keyed: Bridge) -> None:
    session_id, token = await open_as(keyed, ANN)
    path = f"/api/realtime/session/{session_id}"
    http = keyed.http
    async with browser(http, session_id, bearer=ANN) as ann:
        invitation = await http.post(f"{path}/invite", json={}, headers=bearer(ANN))
        guest = Browser(http, bearer=invitation.json()["token"])
        guest.open_control()
        await guest.connect(session_id)
        offer = guest.pc.localDescription.sdp
        removed = await http.delete(
            f"{path}/clients/{guest.client_id}", headers=bearer(token)
        )
        ended = await guest.message("ended")
        await asyncio.wait_for(guest.closed.wait(), 30)
        again = bearer(guest.client_token)
        back = [
            await http.post(
                f"/api/realtime/sdp/{session_id}",
                content=offer,
                headers={**SDP, **again},
            ),
            await http.get(path, headers=again),
            await http.post(f"{path}/text", json={"text": "x"}, headers=again),
        ]
        twice = await http.delete(
            f"{path}/clients/{guest.client_id}", headers=bearer(token)
        )
        ann.send(type="ping", t=1)
        assert await ann.message("pong")
        await guest.close()

    assert removed.status_code == 204
    assert ended["reason"] == "removed"
    assert {code_of(answer) for answer in back} == {(403, "forbidden")}
    assert "removed" in back[0].json()["error"]["message"]
    assert code_of(twice) == (404, "client_not_found")


async def test_a_client_token_brings_the_same_client_back(keyed: Bridge) -> None:
    session_id, _ = await open_as(keyed, ANN)
    http = keyed.http
    async with (
        browser(http, session_id, bearer=ANN, name="Ann") as ann,
        browser(http, session_id, bearer=ANN, name="Ben") as ben,
    ):
        ben.send(type="mode", mode="listen")
        await ann.message(
            "participants",
            lambda m: "listen" in {p["mode"] for p in m["participants"]},
        )
        n_before = len(ann.messages)
        async with browser(http, session_id, bearer=ben.client_token) as back:
            hello = await back.message("hello")
            await asyncio.wait_for(ben.closed.wait(), 30)
            sizes = [
                len(m["participants"])
                for m in ann.messages[n_before:]
                if m["type"] == "participants"
            ]
            detail = await http.get(
                f"/api/realtime/session/{session_id}", headers=bearer(ANN)
            )

    assert back.client_id == ben.client_id == hello["client_id"]
    assert (hello["name"], hello["mode"], hello["resumed"]) == ("Ben", "listen", True)
    assert detail.json()["clients"] == 2
    assert not {3} & set(sizes)  # never twice in the list


async def test_tokens_that_are_not_ours_or_not_any_more(keyed: Bridge) -> None:
    session_id, token = await open_as(keyed, ANN)
    path = f"/api/realtime/session/{session_id}"
    claims = jwt.decode(token, options={"verify_signature": False})
    now_s = int(time.time())

    def forged(secret: str = SECRET, **changed: Any) -> str:
        return jwt.encode({**claims, **changed}, secret, "HS256")

    async def ask(credentials: str) -> tuple[int, str]:
        return code_of(await keyed.http.get(path, headers=bearer(credentials)))

    assert await ask(forged(exp=now_s - 1)) == (401, "token_expired")
    for bad in (
        forged("x" * 32),
        forged(aud="voicebridge:admin"),
        forged(aud="voicebridge:client"),
        forged(own="nobody"),
        jwt.encode(claims, "", "none"),
        token[:-6] + "AAAAAA",
        "eyJ..",
        "x",
    ):
        assert await ask(bad) in ((401, "unauthorized"), (429, "rate_limited"))
    assert (await keyed.http.get(path, headers=bearer(token))).status_code == 200


async def test_whoever_guesses_keys_has_to_wait_and_the_owner_has_not(
    keyed: Bridge,
) -> None:
    answers = [
        await keyed.http.get("/api/auth/me", headers=bearer(f"guess-{n:020}"))
        for n in range(30)
    ]
    right = await keyed.http.get("/api/auth/me", headers=bearer(ANN))

    assert [code_of(a) for a in answers[:10]] == [(401, "unauthorized")] * 10
    assert {code_of(a) for a in answers[12:]} == {(429, "rate_limited")}
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert right.json() == {"owner": "ann", "kind": "key", "needs_key": True}


async def test_the_health_of_a_guarded_server_is_one_word(keyed: Bridge) -> None:
    stranger = await keyed.http.get("/healthz")
    owner = await keyed.http.get("/healthz", headers=bearer(ANN))
    page = await keyed.http.get("/")
    ready = await keyed.http.get("/readyz")
    because = await keyed.http.get("/readyz", headers=bearer(ANN))

    assert ready.json() == {"ready": True}
    assert because.json()["checks"] == {
        "store": "ok",
        "sessions": "ok",
        "workers": "ok",
        "model": "ok",
    }
    assert stranger.json() == {"status": "ok"}
    assert "process" in owner.json()
    assert page.status_code == 200


async def test_every_route_wants_credentials(keyed: Bridge) -> None:
    """Whatever is added later, too: a route that forgot to ask is found here."""
    public = {"/healthz", "/readyz"}
    asked = {}
    for path, operations in keyed.app.openapi()["paths"].items():
        for method in operations if path not in public else ():
            address = path.replace("{", "").replace("}", "")
            answer = await keyed.http.request(method.upper(), address)
            asked[method, path] = answer.status_code

    assert len(asked) > 10
    assert set(asked.values()) == {401}, asked


async def test_two_owners_at_once_never_hear_of_each_other(keyed: Bridge) -> None:
    ann_id, _ = await open_as(keyed, ANN, conversation_id="c", agent_name="AnnAgent")
    bob_id, _ = await open_as(keyed, BOB, conversation_id="c", agent_name="BobAgent")
    async with (
        browser(keyed.http, ann_id, bearer=ANN, name="Ann") as ann,
        browser(keyed.http, bob_id, bearer=BOB, name="Bob") as bob,
    ):
        answers = [
            await keyed.http.get("/api/realtime/sessions", headers=bearer(key))
            for key in (ANN, BOB)
        ]
        await eventually(lambda: bool(ann.messages and bob.messages))
        everything = str(ann.messages), str(bob.messages)

    for told, foreign in zip(everything, ("Bob", "Ann"), strict=True):
        assert foreign not in told
    assert "Bob" not in answers[0].text
    assert "Ann" not in answers[1].text

"""Who may do what, with real sessions: owners, hosts, guests and strangers."""

from __future__ import annotations

import time
from typing import Any

import jwt

from tests.integration.server.conftest import (
    ANN,
    BOB,
    SDP,
    SECRET,
    Bridge,
    bearer,
    code_of,
    eventually,
    open_as,
)
from tests.support.browser import browser


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

"""People in one session: what guests may do, who is shown out, who comes back."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.integration.server.conftest import ANN, SDP, Bridge, bearer, code_of, open_as
from tests.support.browser import Browser, browser


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

"""The REST of the store, on both databases."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.store.store import Store
from tests.support.stores import FLUSH_S, Api, said, say


async def test_a_conversation_from_its_creation_to_its_end(api: Api) -> None:
    async with api.of("ada") as http:
        created = await http.post("/conversations", json={"title": "Tea"})
        name = created.json()["id"]
        await say(http, name, "hello")
        renamed = await http.patch(f"/conversations/{name}", json={"title": "Coffee"})
        detail = (await http.get(f"/conversations/{name}")).json()
        gone = await http.delete(f"/conversations/{name}")
        after = await http.get(f"/conversations/{name}")

    assert created.status_code == 201
    assert renamed.json()["title"] == "Coffee"
    assert (detail["n_events"], detail["last_seq"]) == (1, 1)
    assert gone.status_code == 204
    assert after.status_code == 404
    assert after.json()["error"]["code"] == "conversation_not_found"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_what_is_no_number_is_no_json_anywhere(api: Api, number: str) -> None:
    odd = f'{{"x": [{number}]}}'
    async with api.of("ada") as http:
        await say(http, "c1", "hello")
        json_type = {"content-type": "application/json"}
        refused = [
            await http.request(method, path, content=body, headers=json_type)
            for method, path, body in (
                ("POST", "/conversations", f'{{"metadata": {odd}}}'),
                ("PATCH", "/conversations/c1", f'{{"metadata": {odd}}}'),
                (
                    "POST",
                    "/conversations/c1/events",
                    f'{{"source": "a", "type": "b", "payload": {odd}}}',
                ),
            )
        ]
        page = (await http.get("/conversations/c1/events")).json()

    assert [answer.status_code for answer in refused] == [400, 400, 400]
    for answer in refused:
        assert answer.json()["error"]["code"] == "invalid_request"
        assert "not valid JSON" in answer.json()["error"]["message"]
    assert page["events"][-1]["seq"] == 1, "nothing of it was kept"


async def test_an_id_that_no_database_takes_is_the_callers_fault(api: Api) -> None:
    """PostgreSQL refuses a NUL in a text; that is no outage of ours."""
    async with api.of("ada") as http:
        await say(http, "c1", "hello")
        answer = await http.get("/conversations/c1/export?recording=%00")

    assert answer.status_code == 422
    assert "recording" in answer.json()["error"]["message"]


async def test_the_addresses_and_words_of_the_earlier_system_still_work(
    api: Api,
) -> None:
    async with api.of("ada") as http:
        base = "/realtime/conversations"
        made = (await http.post(base, json={"name": "Old", "voice_model": "x"})).json()
        await http.put(f"{base}/{made['id']}", json={"name": "Older"})
        sent = await http.post(
            f"{base}/{made['id']}/events",
            json={"source": "mobile", "type": "note", "payload": {"a": 1}},
        )
        detail = (await http.get(f"{base}/{made['id']}?limit=5000")).json()
        if "error" in detail:  # the page is bounded, and says so
            detail = (await http.get(f"{base}/{made['id']}?limit=1000")).json()
        cleanup = await http.post(f"{base}/cleanup?inactive_minutes=1")
        still = await http.get(f"{base}/{made['id']}")

    assert sent.status_code == 201
    assert detail["name"] == "Older"
    [event] = detail["events"]
    assert event["id"] == 1
    assert event["payload"] == {"a": 1}
    assert {"conversation_id", "timestamp", "source", "type"} <= event.keys()
    assert cleanup.status_code in (404, 405)
    assert still.status_code == 200


async def test_an_event_for_a_conversation_nobody_created_creates_it(api: Api) -> None:
    async with api.of("ada") as http:
        first = await say(http, "from nowhere", "hello")
        listed = (await http.get("/conversations")).json()["conversations"]
    assert first["seq"] == 1
    assert [c["id"] for c in listed] == ["from nowhere"]


async def test_nobody_sees_or_touches_what_belongs_to_another(api: Api) -> None:
    async with api.of("ada") as ada, api.of("bob") as bob:
        await say(ada, "secret", "the code is 1234")
        answers = [
            await bob.get("/conversations/secret"),
            await bob.get("/conversations/secret/events"),
            await bob.get("/conversations/secret/export"),
            await bob.get("/conversations/secret/recordings"),
            await bob.patch("/conversations/secret", json={"title": "mine"}),
            await bob.delete("/conversations/secret/events"),
            await bob.delete("/conversations/secret"),
        ]
        listed = (await bob.get("/conversations")).json()
        mine = await say(bob, "secret", "a conversation of my own")
        untouched = (await ada.get("/conversations/secret/events")).json()["events"]
        memory = await ada.put("/memory", json={"text": "likes tea"})
        others = (await bob.get("/memory")).json()

    assert {answer.status_code for answer in answers} == {404}
    assert not any("1234" in answer.text for answer in answers)
    assert listed["conversations"] == []
    assert mine["seq"] == 1
    assert [e["payload"]["text"] for e in untouched] == ["the code is 1234"]
    assert memory.json() == {"text": "likes tea"}
    assert others == {"text": ""}


async def test_without_a_key_there_is_nothing(api: Api) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api.app), base_url="http://127.0.0.1:8000/api"
    ) as http:
        for path in ("conversations", "conversations/x/events", "memory"):
            assert (await http.get(f"/{path}")).status_code == 401


async def test_a_repeated_post_with_its_id_counts_once(api: Api) -> None:
    body = {"source": "user", "type": "note", "payload": {}, "event_id": "mine-1"}
    async with api.of("ada") as http:
        answers = [
            await http.post("/conversations/c/events", json=body) for _ in range(3)
        ]
        events = (await http.get("/conversations/c/events")).json()["events"]
    assert [a.status_code for a in answers] == [201, 200, 200]
    assert {a.json()["seq"] for a in answers} == {1}
    assert len(events) == 1


BAD_EVENTS: list[tuple[dict[str, Any], str]] = [
    ({"type": "t"}, "source"),
    ({"source": "s", "type": ""}, "type"),
    ({"source": "s p a c e", "type": "t"}, "source"),
    ({"source": "s", "type": "t", "payload": [1]}, "payload"),
    ({"source": "s", "type": "t", "event_id": "x" * 65}, "event_id"),
    ({"source": "s", "type": "t", "timestamp": "yesterday"}, "timestamp"),
]
BAD_PAGES = [
    "limit=0",
    "limit=1001",
    "before=-1",
    "after=x",
    "after=99999999999999999999",
]


async def test_what_is_bad_is_refused_by_the_name_of_its_field(api: Api) -> None:
    async with api.of("ada") as http:
        for body, field in BAD_EVENTS:
            answer = await http.post("/conversations/c/events", json=body)
            assert answer.status_code == 422
            assert answer.json()["error"]["message"].startswith(field)
        assert (await http.get("/conversations")).json()["conversations"] == []
        await say(http, "c", "x")
        for query in BAD_PAGES:
            answer = await http.get(f"/conversations/c/events?{query}")
            assert answer.status_code == 422
            assert answer.json()["error"]["message"].startswith(query[:5])
        assert (await http.get("/conversations?cursor=AAAA")).status_code == 400
        half = base64.urlsafe_b64encode(rb'[1, "\ud800"]').decode().rstrip("=")
        assert (await http.get(f"/conversations?cursor={half}")).status_code == 200


async def test_pages_of_conversations_come_to_an_end(api: Api) -> None:
    async with api.of("ada") as http:
        for n in range(7):
            await http.post("/conversations", json={"id": f"c{n}"})
        names: list[str] = []
        cursor = None
        for _ in range(10):
            query = {"limit": 3, **({"cursor": cursor} if cursor else {})}
            page = (await http.get("/conversations", params=query)).json()
            names += [c["id"] for c in page["conversations"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        exists = await http.post("/conversations", json={"id": "c1"})
    assert sorted(names) == [f"c{n}" for n in range(7)]
    assert exists.status_code == 409


@given(
    n_events=st.integers(0, 40),
    limit=st.integers(1, 15),
    forwards=st.booleans(),
)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_paging_either_way_shows_every_event_once(
    store: Store, n_events: int, limit: int, forwards: bool
) -> None:
    """Every example has a conversation of its own in one store."""
    conversation = f"c{n_events}-{limit}-{forwards}"
    stored = {
        e.seq for e in await store.queries.events_after("ada", conversation, 0, 1)
    }
    for n in range(n_events if not stored else 0):
        store.writer.record(said(str(n), conversation_id=conversation))
    await store.writer.flush(FLUSH_S)

    seen: list[int] = []
    after, before = 0, None
    while True:
        page = await store.queries.events(
            "ada",
            conversation,
            limit=limit,
            after=after if forwards else None,
            before=before,
        )
        seqs = [event.seq for event in page.events]
        assert seqs == sorted(seqs)
        assert len(seqs) <= limit
        if forwards:
            assert page.has_older == bool(after)
            seen += seqs
            if not page.has_newer:
                break
            after = seqs[-1]
        else:
            assert page.has_newer == (before is not None and bool(n_events))
            seen = seqs + seen
            if not page.has_older:
                break
            before = seqs[0]
    assert seen == list(range(1, n_events + 1))


async def test_export_has_everything_in_every_format(api: Api) -> None:
    store = api.store
    for n in range(3):
        store.writer.record(
            said(
                f"line {n}\n\nwith --> arrows & <tags>",
                session_id="s1",
                session_ms=n * 4_000,
            )
        )
    half = said("half a sent", session_id="s1", coalesce_key="k", partial=True)
    store.writer.record(half)
    await store.writer.flush(FLUSH_S)
    async with api.of("ada") as http:
        url = "/conversations/c1/export"
        found = {
            kind: await http.get(url, params={"format": kind})
            for kind in ("json", "markdown", "srt", "vtt")
        }
        unknown = await http.get(url, params={"format": "exe"})

    document = json.loads(found["json"].text)
    assert [e["seq"] for e in document["events"]] == [1, 2, 3, 4]
    assert found["markdown"].text.startswith("# Conversation\n")
    assert r"\<tags\>" in found["markdown"].text
    assert "--> 00:00:04,000\nUser: line 1" in found["srt"].text
    assert found["vtt"].text.startswith("WEBVTT\n\n")
    assert "&lt;tags&gt;" in found["vtt"].text
    for kind in ("srt", "vtt"):
        # No text may look like the timing of a cue, or end one early.
        assert len(re.findall("-->", found[kind].text)) == 3
    assert (
        'filename="conversation-c1.srt"' in found["srt"].headers["content-disposition"]
    )
    assert unknown.status_code == 422

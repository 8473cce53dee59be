"""The routes: every refusal has its status, its code and a sentence."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import respx

from server.http.body import MAX_JSON_BYTES, MAX_SDP_BYTES

SESSION = "/api/realtime/session"
JSON = {"content-type": "application/json"}
SDP = {"content-type": "application/sdp"}


def assert_error(response: httpx.Response, status: int, code: str, words: str) -> None:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "retryable"}
    assert body["error"]["code"] == code
    assert words in body["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("{", 400, "not valid JSON"),
        ("", 200, ""),
        ("[]", 422, "body"),
        ('"x"', 422, "body"),
        ('{"voice": 5}', 422, "voice"),
        ('{"voice": "no spaces here"}', 422, "voice"),
        ('{"voice": ""}', 422, "voice"),
        ('{"agent_name": "a/../b"}', 422, "agent_name"),
        ('{"agent_name": "%s"}' % ("x" * 129), 422, "agent_name"),
        ('{"conversation_id": ["x"]}', 422, "conversation_id"),
        ('{"system_prompt": "%s"}' % ("x" * 32_001), 422, "system_prompt"),
        ('{"system_prompt": 7}', 422, "system_prompt"),
        (b'{"voice": "\xff"}', 400, "not valid JSON"),
    ],
)
async def test_a_bad_session_request_names_the_field(
    client: httpx.AsyncClient,
    model: respx.MockRouter,
    body: Any,
    status: int,
    words: str,
) -> None:
    model.post("/realtime/client_secrets").respond(503)

    response = await client.post(SESSION, content=body, headers=JSON)

    if status == 200:  # valid: it got as far as the model
        assert_error(response, 503, "model_unavailable", "")
    else:
        assert_error(response, status, "invalid_request", words)


async def test_a_recording_that_cannot_be_made_is_in_the_document(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()

    route = document["paths"][f"{SESSION}/{{session_id}}/recording"]["post"]
    assert {"409", "507"} <= set(route["responses"])


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data"])
async def test_a_session_request_must_be_json(
    client: httpx.AsyncClient, content_type: str
) -> None:
    response = await client.post(
        SESSION, content="{}", headers={"content-type": content_type}
    )

    assert_error(response, 415, "unsupported_media_type", "application/json")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
async def test_an_offer_must_be_sdp(
    client: httpx.AsyncClient, content_type: str
) -> None:
    response = await client.post(
        "/api/realtime/sdp/x", content="v=0", headers={"content-type": content_type}
    )

    assert_error(response, 415, "unsupported_media_type", "application/sdp")


@pytest.mark.parametrize(
    ("path", "headers", "limit"),
    [(SESSION, JSON, MAX_JSON_BYTES), ("/api/realtime/sdp/x", SDP, MAX_SDP_BYTES)],
)
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_beyond_its_limit_is_refused_without_reading_it_all(
    client: httpx.AsyncClient,
    path: str,
    headers: dict[str, str],
    limit: int,
    announced: bool,
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 4096
            yield b" " * 4096

    content: Any = b" " * (limit + 1) if announced else endless()
    response = await client.post(path, content=content, headers=headers)

    assert_error(response, 413, "body_too_large", str(limit))
    assert sent <= limit + 2 * 4096


async def test_an_unknown_session_is_not_found(client: httpx.AsyncClient) -> None:
    offer = await client.post("/api/realtime/sdp/nobody", content="v=0", headers=SDP)
    closed = await client.delete(f"{SESSION}/nobody")

    assert_error(offer, 404, "session_not_found", "no live session")
    assert_error(closed, 404, "session_not_found", "no live session")


async def test_other_addresses_and_methods_have_the_same_shape(
    client: httpx.AsyncClient,
) -> None:
    assert_error(await client.get("/api/nothing"), 404, "not_found", "nothing")
    assert_error(
        await client.put(SESSION, json={}), 405, "method_not_allowed", "method"
    )


async def test_switched_off_the_routes_are_gone_and_the_rest_works(
    make_client: Any,
) -> None:
    client = await make_client(enable_backend_webrtc=False)

    for response in (
        await client.post(SESSION, json={}),
        await client.post("/api/realtime/sdp/x", content="v=0", headers=SDP),
        await client.delete(f"{SESSION}/x"),
    ):
        assert_error(response, 404, "realtime_disabled", "switched off")
    assert (await client.get("/healthz")).status_code == 200


async def test_a_full_server_says_so_and_when_to_come_back(
    make_client: Any, model: respx.MockRouter
) -> None:
    client = await make_client(max_sessions=1)
    asked, waiting = asyncio.Event(), asyncio.Event()

    async def slow(request: httpx.Request) -> httpx.Response:
        asked.set()
        await waiting.wait()
        return httpx.Response(503)

    model.post("/realtime/client_secrets").mock(side_effect=slow)
    first = asyncio.create_task(client.post(SESSION, json={}))
    await asked.wait()
    second = await client.post(SESSION, json={})
    waiting.set()
    await first

    assert_error(second, 503, "at_capacity", "busy")
    assert second.json()["error"]["retryable"] is True
    assert second.headers["retry-after"]


async def test_two_requests_for_one_conversation_open_one_session(
    client: httpx.AsyncClient, model: respx.MockRouter
) -> None:
    waiting, mints = asyncio.Event(), []

    async def slow(request: httpx.Request) -> httpx.Response:
        mints.append(request)
        await waiting.wait()
        return httpx.Response(503)

    model.post("/realtime/client_secrets").mock(side_effect=slow)
    asyncio.get_running_loop().call_later(0.2, waiting.set)

    body = {"conversation_id": "one"}
    responses = await asyncio.gather(
        *(client.post(SESSION, json=body) for _ in range(5))
    )

    assert len(mints) == 1
    assert [r.status_code for r in responses] == [503] * 5


async def test_health_says_what_the_process_uses(client: httpx.AsyncClient) -> None:
    body = (await client.get("/healthz")).json()

    assert body["status"] == "ok"
    assert body["model"] == {"kind": "openai", "fake_url": None}
    assert body["sessions"] == body["clients"] == 0
    assert body["process"]["cpu_s"] > 0
    assert body["process"]["rss_bytes"] > 1 << 20
    assert all(body["process"][name] > 0 for name in ("threads", "fds", "tasks"))


async def test_the_openapi_document_knows_bodies_and_errors(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    paths = document["paths"]
    opened = paths[SESSION]["post"]
    connected = paths["/api/realtime/sdp/{session_id}"]["post"]

    fields = opened["requestBody"]["content"]["application/json"]["schema"]
    assert set(fields["properties"]) >= {
        "conversation_id",
        "voice",
        "agent_name",
        "system_prompt",
    }
    assert "$defs" not in json.dumps(document)  # every reference can be followed
    assert {"200", "413", "415", "422", "502", "503", "504"} <= set(opened["responses"])
    assert "application/sdp" in connected["requestBody"]["content"]
    assert "application/sdp" in connected["responses"]["200"]["content"]
    error = document["components"]["schemas"]["ErrorDetail"]["properties"]
    assert set(error) == {"code", "message", "retryable"}


async def test_every_response_carries_the_security_headers(
    client: httpx.AsyncClient,
) -> None:
    for response in (await client.get("/healthz"), await client.get("/api/nothing")):
        policy = response.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"


async def test_the_page_is_served_with_the_right_types(
    make_client: Any, tmp_path: Any
) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><title>x</title>")
    (tmp_path / "app.js").write_text("export {};")
    (tmp_path / ".env").write_text("SECRET=1")
    client = await make_client(web_root=tmp_path)

    page, script = await client.get("/"), await client.get("/app.js")

    assert page.headers["content-type"].startswith("text/html")
    assert script.headers["content-type"].startswith("text/javascript")
    for path in ("/.env", "/../pyproject.toml", "/%2e%2e/pyproject.toml"):
        assert (await client.get(path)).status_code == 404


async def test_a_page_of_another_site_may_read_the_tokens_it_is_given(
    make_client: Any,
) -> None:
    """A browser shows a foreign page only headers that are named: no wildcards."""
    http = await make_client(allowed_origins=("https://app.example",))
    document = (await http.get("/openapi.json")).json()
    told = {
        name.lower()
        for operations in document["paths"].values()
        for operation in operations.values()
        for answer in operation["responses"].values()
        for name in answer.get("headers", {})
    }

    answer = await http.get("/healthz", headers={"Origin": "https://app.example"})

    exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
    assert told
    assert told <= {*exposed}

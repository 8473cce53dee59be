"""Client secrets are minted and taken as OpenAI's are (realtime-api.md 1.1-1.4)."""

from typing import Any

import aiohttp
import pytest

from fake_openai.app import RunningFake
from tests.contract.fake_openai.conftest import error_of, mint, offering


async def test_a_secret_shows_its_value_expiry_and_the_whole_session(
    http: aiohttp.ClientSession, fake: RunningFake
) -> None:
    status, body = await mint(
        http,
        fake,
        expires_after={"anchor": "created_at", "seconds": 60},
        session={"type": "realtime", "instructions": "Be brief."},
    )

    assert status == 200
    assert body["value"].startswith("ek_")
    assert len(body["value"]) == 3 + 32
    session = body["session"]
    assert session["object"] == "realtime.session"
    assert session["id"].startswith("sess_")
    assert session["expires_at"] == 0
    assert session["instructions"] == "Be brief."
    assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (
            {"session": {"type": "realtime", "wings": 2}},
            "session.wings",
            "unknown_parameter",
        ),
        ({"session": {}}, "session.type", "missing_required_parameter"),
        (
            {"session": {"type": "realtime", "audio": {"output": {"voice": "bob"}}}},
            "session.audio.output.voice",
            "invalid_value",
        ),
        ({"expires_after": {"seconds": 5}}, "expires_after.seconds", None),
        ({"ttl": 5}, "ttl", "unknown_parameter"),
    ],
)
async def test_a_wrong_mint_request_names_the_field(
    http: aiohttp.ClientSession,
    fake: RunningFake,
    body: dict[str, Any],
    param: str,
    code: str | None,
) -> None:
    status, answer = await mint(http, fake, **body)

    assert status == 400
    kind, found, where = error_of(answer)
    assert (kind, where) == ("invalid_request_error", param)
    assert code is None or found == code


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, None),
        ({"Authorization": "Bearer sk-invalid-key"}, "invalid_api_key"),
        ({"Authorization": "Bearer ek_nobody"}, "invalid_api_key"),
    ],
)
async def test_a_missing_or_wrong_key_is_401(
    http: aiohttp.ClientSession,
    fake: RunningFake,
    headers: dict[str, str],
    code: str | None,
) -> None:
    url = f"{fake.base_url}/realtime/client_secrets"
    async with http.post(url, json={}, headers=headers) as response:
        body = await response.json()

    assert response.status == 401
    assert error_of(body)[:2] == ("invalid_request_error", code)


async def test_the_first_call_of_a_secret_has_the_session_id_it_showed(
    http: aiohttp.ClientSession, fake: RunningFake, offer: str
) -> None:
    _, secret = await mint(http, fake)
    headers = {
        "Authorization": f"Bearer {secret['value']}",
        "Content-Type": "application/sdp",
    }
    url = f"{fake.base_url}/realtime/calls"
    for _ in range(2):
        async with http.post(url, data=offer, headers=headers) as response:
            assert response.status == 201

    first, second = fake.server.calls.values()
    assert first.config["id"] == secret["session"]["id"] != second.config["id"]


async def test_an_expired_secret_is_a_wrong_key(
    http: aiohttp.ClientSession,
    fake: RunningFake,
    offer: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lifetime = {"anchor": "created_at", "seconds": 10}
    _, secret = await mint(http, fake, expires_after=lifetime)
    expiry = secret["expires_at"]
    monkeypatch.setattr("fake_openai.http_realtime.time.time", lambda: expiry + 0.1)

    async with http.post(
        f"{fake.base_url}/realtime/calls",
        data=offer,
        headers=offering(secret),
    ) as response:
        body = await response.json()

    assert response.status == 401
    assert body["error"]["code"] == "invalid_api_key"

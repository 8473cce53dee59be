"""The Realtime REST endpoints answer as OpenAI's do (realtime-api.md 1.1-1.4)."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from fake_openai.app import RunningFake, running_fake
from fake_openai.faults import Fault
from fake_openai.ice import LOOPBACK, address_policy
from tests.support.realtime_caller import Microphone

KEY = {"Authorization": "Bearer sk-test"}


@pytest.fixture
async def fake() -> AsyncIterator[RunningFake]:
    async with running_fake() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def offer() -> AsyncIterator[str]:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTrack(Microphone())
    pc.createDataChannel("oai-events")
    with address_policy(LOOPBACK):
        await pc.setLocalDescription(await pc.createOffer())
    yield pc.localDescription.sdp
    await pc.close()


async def mint(
    http: aiohttp.ClientSession, fake: RunningFake, **body: Any
) -> tuple[int, dict[str, Any]]:
    url = f"{fake.base_url}/realtime/client_secrets"
    async with http.post(url, json=body, headers=KEY) as response:
        return response.status, await response.json()


def error_of(body: dict[str, Any]) -> tuple[str, Any, Any]:
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error["type"], error["code"], error["param"]


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


async def test_a_raw_offer_is_answered_201_with_location_and_sdp(
    http: aiohttp.ClientSession, fake: RunningFake, offer: str
) -> None:
    _, secret = await mint(http, fake)
    async with http.post(
        f"{fake.base_url}/realtime/calls",
        data=offer,
        headers={
            "Authorization": f"Bearer {secret['value']}",
            "Content-Type": "application/sdp",
        },
    ) as response:
        answer = await response.text()

    assert response.status == 201
    assert response.headers["Content-Type"] == "application/sdp"
    assert response.headers["Location"].startswith("/v1/realtime/calls/rtc_")
    assert answer.startswith("v=0\r\n")
    assert answer.endswith("\r\n")
    assert "a=msid:realtimeapi audio" in answer
    assert answer.count("a=setup:active") == 2
    assert "a=extmap" not in answer


async def test_a_multipart_offer_configures_its_session(
    http: aiohttp.ClientSession, fake: RunningFake, offer: str
) -> None:
    form = aiohttp.FormData()
    form.add_field("sdp", offer, content_type="application/sdp")
    config = {"type": "realtime", "instructions": "From the form."}
    form.add_field("session", json.dumps(config), content_type="application/json")

    url = f"{fake.base_url}/realtime/calls"
    async with http.post(url, data=form, headers=KEY) as response:
        call_id = response.headers["Location"].rpartition("/")[2]

    assert response.status == 201
    assert fake.server.calls[call_id].config["instructions"] == "From the form."


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


@pytest.mark.parametrize("text", ["", "hello", "v=0\r\nm=audio 9 X 1\r\n", "{}"])
async def test_what_is_not_an_offer_is_invalid_offer(
    http: aiohttp.ClientSession, fake: RunningFake, text: str
) -> None:
    async with http.post(
        f"{fake.base_url}/realtime/calls",
        data=text.encode(),
        headers={**KEY, "Content-Type": "application/sdp"},
    ) as response:
        body = await response.json()

    assert response.status == 400
    assert error_of(body)[:2] == ("invalid_request_error", "invalid_offer")
    assert body["error"]["message"] == (
        "Invalid SDP offer. Please try again with a WHIP-compliant offer."
    )
    assert not fake.server.live_calls


async def test_an_offer_of_a_data_channel_alone_is_invalid_offer(
    http: aiohttp.ClientSession, fake: RunningFake
) -> None:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.createDataChannel("oai-events")
    with address_policy(LOOPBACK):
        await pc.setLocalDescription(await pc.createOffer())
    async with http.post(
        f"{fake.base_url}/realtime/calls",
        data=pc.localDescription.sdp,
        headers={**KEY, "Content-Type": "application/sdp"},
    ) as response:
        body = await response.json()
    await pc.close()

    assert response.status == 400
    assert body["error"]["code"] == "invalid_offer"


@pytest.mark.parametrize(
    ("model", "status"), [("gpt-4o", 400), ("gpt-4o-realtime-preview", 404)]
)
async def test_a_model_without_realtime_is_refused(
    http: aiohttp.ClientSession, fake: RunningFake, offer: str, model: str, status: int
) -> None:
    async with http.post(
        f"{fake.base_url}/realtime/calls?model={model}",
        data=offer,
        headers={**KEY, "Content-Type": "application/sdp"},
    ) as response:
        body = await response.json()

    assert response.status == status
    assert body["error"]["code"] == "model_not_found"


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
        headers={
            "Authorization": f"Bearer {secret['value']}",
            "Content-Type": "application/sdp",
        },
    ) as response:
        body = await response.json()

    assert response.status == 401
    assert body["error"]["code"] == "invalid_api_key"


async def test_hanging_up_ends_the_call_and_an_unknown_call_is_404(
    http: aiohttp.ClientSession, fake: RunningFake, offer: str
) -> None:
    async with http.post(
        f"{fake.base_url}/realtime/calls",
        data=offer,
        headers={**KEY, "Content-Type": "application/sdp"},
    ) as response:
        location = response.headers["Location"]

    async with http.post(f"{fake.url}{location}/hangup", headers=KEY) as response:
        first = response.status, await response.read()
    async with http.post(f"{fake.url}{location}/hangup", headers=KEY) as response:
        second = response.status, (await response.json())["error"]["code"]

    assert first == (200, b"")
    assert second == (404, "call_id_not_found")


async def test_a_browsers_preflight_allows_what_the_sdk_sends(
    http: aiohttp.ClientSession, fake: RunningFake
) -> None:
    asked = "authorization,content-type,x-openai-agents-sdk"
    async with http.options(
        f"{fake.base_url}/realtime/calls",
        headers={
            "Origin": "http://127.0.0.1:8000",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": asked,
        },
    ) as response:
        allowed = response.headers["Access-Control-Allow-Headers"]

    assert response.status == 204
    assert allowed == asked
    assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_browser_may_read_the_location_also_of_an_error(
    http: aiohttp.ClientSession, fake: RunningFake
) -> None:
    async with http.post(f"{fake.base_url}/realtime/calls", headers=KEY) as response:
        exposed = response.headers["Access-Control-Expose-Headers"]

    assert "Location" in exposed
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "path", ["/realtime/sessions", "/realtime/transcription_sessions", "/realtime"]
)
async def test_the_beta_api_says_that_it_is_gone(
    http: aiohttp.ClientSession, fake: RunningFake, path: str
) -> None:
    async with http.post(
        f"{fake.base_url}{path}", json={"model": "gpt-realtime"}, headers=KEY
    ) as response:
        body = await response.json()

    assert response.status == 400
    assert body["error"]["code"] == "beta_api_shape_disabled"


async def test_an_unknown_url_is_404_in_the_services_shape(
    http: aiohttp.ClientSession, fake: RunningFake
) -> None:
    async with http.get(f"{fake.base_url}/nothing") as response:
        body = await response.json()

    assert response.status == 404
    assert body["error"]["message"] == "Invalid URL (GET /v1/nothing)"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "invalid_api_key"),
        (403, "unsupported_country_region_territory"),
        (429, "rate_limit_exceeded"),
        (500, "server_error"),
        (503, "server_overloaded"),
    ],
)
@pytest.mark.parametrize("at", ["http.client_secrets", "http.calls"])
async def test_a_forced_status_has_the_services_error_body(
    http: aiohttp.ClientSession, at: str, status: int, code: str
) -> None:
    fault = Fault.model_validate({"at": at, "do": "status", "status": status})
    path = "client_secrets" if at.endswith("secrets") else "calls"
    async with running_fake(faults=(fault,)) as fake:
        url = f"{fake.base_url}/realtime/{path}"
        async with http.post(url, json={}, headers=KEY) as response:
            body = await response.json()

    assert response.status == status
    assert body["error"]["code"] == code
    assert ("retry-after" in response.headers) is (status in {429, 503})


async def test_a_forced_delay_makes_the_answer_late(
    http: aiohttp.ClientSession,
) -> None:
    fault = Fault(at="http.client_secrets", do="delay", ms=300, times=1)
    async with running_fake(faults=(fault,)) as fake:
        with pytest.raises(TimeoutError):
            async with http.post(
                f"{fake.base_url}/realtime/client_secrets",
                json={},
                headers=KEY,
                timeout=aiohttp.ClientTimeout(total=0.2),
            ):
                pass
        status, _ = await mint(http, fake)

    assert status == 200


async def test_a_forced_disconnect_resets_the_connection(
    http: aiohttp.ClientSession,
) -> None:
    fault = Fault(at="http.calls", do="disconnect")
    async with running_fake(faults=(fault,)) as fake:
        with pytest.raises(aiohttp.ClientError):
            async with http.post(f"{fake.base_url}/realtime/calls", headers=KEY):
                pass


async def test_a_malformed_answer_is_html_where_json_was_due(
    http: aiohttp.ClientSession,
) -> None:
    fault = Fault(at="http.client_secrets", do="malformed")
    async with running_fake(faults=(fault,)) as fake:
        url = f"{fake.base_url}/realtime/client_secrets"
        async with http.post(url, json={}, headers=KEY) as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ContentTypeError):
                await response.json()


async def test_a_hanging_endpoint_does_not_keep_the_fake_from_stopping(
    http: aiohttp.ClientSession,
) -> None:
    fault = Fault(at="http.client_secrets", do="hang")
    timeout = aiohttp.ClientTimeout(total=0.3)
    async with asyncio.timeout(40), running_fake(faults=(fault,)) as fake:
        url = f"{fake.base_url}/realtime/client_secrets"
        with pytest.raises(TimeoutError):
            async with http.post(url, json={}, headers=KEY, timeout=timeout):
                pass

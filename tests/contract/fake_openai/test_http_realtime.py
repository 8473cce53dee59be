"""The Realtime REST endpoints answer as OpenAI's do (realtime-api.md 1.1-1.4)."""

import json

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from fake_openai.app import RunningFake
from fake_openai.ice import LOOPBACK, address_policy
from tests.contract.fake_openai.conftest import error_of, mint, offering
from tests.support.realtime_caller import BEARER


async def test_a_raw_offer_is_answered_201_with_location_and_sdp(
    http: aiohttp.ClientSession, fake: RunningFake, offer: str
) -> None:
    _, secret = await mint(http, fake)
    async with http.post(
        f"{fake.base_url}/realtime/calls",
        data=offer,
        headers=offering(secret),
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
    async with http.post(url, data=form, headers=BEARER) as response:
        call_id = response.headers["Location"].rpartition("/")[2]

    assert response.status == 201
    assert fake.server.calls[call_id].config["instructions"] == "From the form."


@pytest.mark.parametrize("text", ["", "hello", "v=0\r\nm=audio 9 X 1\r\n", "{}"])
async def test_what_is_not_an_offer_is_invalid_offer(
    http: aiohttp.ClientSession, fake: RunningFake, text: str
) -> None:
    async with http.post(
        f"{fake.base_url}/realtime/calls",
        data=text.encode(),
        headers={**BEARER, "Content-Type": "application/sdp"},
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
        headers={**BEARER, "Content-Type": "application/sdp"},
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
        headers={**BEARER, "Content-Type": "application/sdp"},
    ) as response:
        body = await response.json()

    assert response.status == status
    assert body["error"]["code"] == "model_not_found"


async def test_hanging_up_ends_the_call_and_an_unknown_call_is_404(
    http: aiohttp.ClientSession, fake: RunningFake, offer: str
) -> None:
    async with http.post(
        f"{fake.base_url}/realtime/calls",
        data=offer,
        headers={**BEARER, "Content-Type": "application/sdp"},
    ) as response:
        location = response.headers["Location"]

    async with http.post(f"{fake.url}{location}/hangup", headers=BEARER) as response:
        first = response.status, await response.read()
    async with http.post(f"{fake.url}{location}/hangup", headers=BEARER) as response:
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
    async with http.post(f"{fake.base_url}/realtime/calls", headers=BEARER) as response:
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
        f"{fake.base_url}{path}", json={"model": "gpt-realtime"}, headers=BEARER
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

"""Realtime REST endpoints that go wrong on purpose."""

import asyncio

import aiohttp
import pytest

from fake_openai.app import running_fake
from fake_openai.faults import Fault
from tests.contract.fake_openai.conftest import mint
from tests.support.realtime_caller import BEARER


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
        async with http.post(url, json={}, headers=BEARER) as response:
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
                headers=BEARER,
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
            async with http.post(f"{fake.base_url}/realtime/calls", headers=BEARER):
                pass


async def test_a_malformed_answer_is_html_where_json_was_due(
    http: aiohttp.ClientSession,
) -> None:
    fault = Fault(at="http.client_secrets", do="malformed")
    async with running_fake(faults=(fault,)) as fake:
        url = f"{fake.base_url}/realtime/client_secrets"
        async with http.post(url, json={}, headers=BEARER) as response:
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
            async with http.post(url, json={}, headers=BEARER, timeout=timeout):
                pass

"""The fake over HTTP: one that runs, a client of it, and an offer to it."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from fake_openai.app import RunningFake, running_fake
from fake_openai.ice import LOOPBACK, address_policy
from tests.support.realtime_caller import BEARER, Microphone


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
    async with http.post(url, json=body, headers=BEARER) as response:
        return response.status, await response.json()


def offering(secret: dict[str, Any]) -> dict[str, str]:
    """The headers of an offer that a browser makes with a client secret."""
    return {
        "Authorization": f"Bearer {secret['value']}",
        "Content-Type": "application/sdp",
    }


def error_of(body: dict[str, Any]) -> tuple[str, Any, Any]:
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error["type"], error["code"], error["param"]

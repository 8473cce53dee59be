"""A model service that misbehaves, fault by fault: what the person in front sees."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest

from fake_openai.utterances import load
from tests.integration.server.conftest import (
    Bridge,
    FakeModel,
    eventually,
    running_bridge,
    settings_for,
)
from tests.support.browser import browser
from tests.support.tones import silence


@pytest.fixture
async def impatient(fake: FakeModel) -> AsyncIterator[Bridge]:
    """A bridge that waits 1 s for the model service, whatever it waits for."""
    settings = settings_for(
        fake.url,
        model_http_timeout_s=1.0,
        model_connect_timeout_s=1.0,
        model_recovery_timeout_s=0,
        model_transport="webrtc",
    )
    async with running_bridge(settings) as bridge:
        yield bridge
    await reset(fake)


@pytest.fixture
async def patient(fake: FakeModel) -> AsyncIterator[Bridge]:
    """A bridge that waits as long as it does by itself."""
    settings = settings_for(
        fake.url, model_recovery_timeout_s=0, model_transport="webrtc"
    )
    async with running_bridge(settings) as bridge:
        yield bridge
    await reset(fake)


async def reset(fake: FakeModel) -> None:
    async with httpx.AsyncClient(base_url=fake.url) as http:
        await http.post("/fake/v1/reset")


async def arm(fake: FakeModel, **fault: Any) -> None:
    async with httpx.AsyncClient(base_url=fake.url) as http:
        response = await http.post("/fake/v1/faults", json=fault)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"at": "http.calls", "do": "status", "status": 500}, 503, "model_unavailable"),
        ({"at": "http.calls", "do": "status", "status": 401}, 502, "model_rejected"),
        ({"at": "http.calls", "do": "hang"}, 504, "model_timeout"),
        ({"at": "http.calls", "do": "disconnect"}, 502, "model_unreachable"),
        ({"at": "http.calls", "do": "malformed"}, 502, "model_unreachable"),
        ({"at": "sdp.answer", "do": "malformed"}, 502, "model_unreachable"),
        ({"at": "sdp.answer", "do": "no_candidates"}, 504, "model_timeout"),
        ({"at": "sdp.answer", "do": "wrong_fingerprint"}, 502, "model_lost"),
        ({"at": "ice", "do": "never_completes"}, 504, "model_timeout"),
        ({"at": "channel", "do": "never_opens"}, 504, "model_timeout"),
        (
            {"at": "events.output", "do": "drop", "event": "session.created"},
            504,
            "model_timeout",
        ),
        ({"at": "session", "do": "expire"}, 502, "model_lost"),
    ],
    ids=lambda value: f"{value['at']}-{value['do']}" if isinstance(value, dict) else "",
)
async def test_a_session_that_cannot_begin_says_why(
    impatient: Bridge, fake: FakeModel, fault: dict[str, Any], status: int, code: str
) -> None:
    await arm(fake, **fault)

    response = await impatient.http.post("/api/realtime/session", json={})
    error = response.json()["error"]

    assert (response.status_code, error["code"]) == (status, code)
    assert error["message"]
    await eventually(lambda: impatient.has(sessions=0))
    await reset(fake)
    assert await impatient.open()  # and the next one works


SMALL_TROUBLE: list[dict[str, Any]] = [
    {"at": "events.output", "do": "duplicate"},
    {"at": "events.output", "do": "unknown"},
    {"at": "events.output", "do": "malformed", "probability": 0.2},
    {"at": "media.output", "do": "loss", "rate": 0.05},
    {"at": "media.output", "do": "jitter", "ms": 40},
    {"at": "media.output", "do": "drift", "ppm": 500},
]


async def test_a_call_goes_on_through_small_trouble(
    patient: Bridge, fake: FakeModel
) -> None:
    """Six calls at once, each with one fault; every one hears its answer."""

    async def call_with(n: int, fault: dict[str, Any]) -> tuple[float, list[str]]:
        session_id = await patient.open(system_prompt=f"tag-trouble-{n}")
        async with browser(patient.http, session_id) as client:
            call = await fake.call(f"tag-trouble-{n}")
            async with httpx.AsyncClient(base_url=fake.url) as http:
                path = f"/fake/v1/calls/{call['call_id']}/fault"
                assert (await http.post(path, json=fault)).status_code == 200
            question = load("weather_oslo").pcm
            await client.speak(np.concatenate((question, silence(3.5))))
            heard = client.heard_pcm().astype(float)
            return float(np.sqrt((heard**2).mean())), [
                m["type"] for m in client.messages
            ]

    results = await asyncio.gather(
        *(call_with(n, fault) for n, fault in enumerate(SMALL_TROUBLE))
    )

    for fault, (rms, kinds) in zip(SMALL_TROUBLE, results, strict=True):
        assert rms > 300, fault
        assert "ended" not in kinds, fault


@pytest.mark.parametrize(
    "fault",
    [
        {"at": "channel", "do": "close"},
        {"at": "session", "do": "disconnect"},
        {"at": "session", "do": "expire"},
    ],
    ids=lambda fault: f"{fault['at']}-{fault['do']}",
)
async def test_a_call_that_is_broken_off_is_told_in_words(
    impatient: Bridge, fake: FakeModel, fault: dict[str, Any]
) -> None:
    session_id = await impatient.open()
    async with browser(impatient.http, session_id) as client:
        call = (await fake.get("/fake/v1/calls")).json()[-1]
        async with httpx.AsyncClient(base_url=fake.url) as http:
            path = f"/fake/v1/calls/{call['call_id']}/fault"
            assert (await http.post(path, json=fault)).status_code == 200
        error = await client.message("error")
        await client.message("ended")
        await asyncio.wait_for(client.closed.wait(), 30)

    assert error["fatal"] is True
    assert error["error"]["message"]

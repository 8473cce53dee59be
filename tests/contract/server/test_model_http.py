"""What the bridge says to the model service over HTTP, and what it makes of replies."""

import asyncio
import json
import logging
from typing import Any

import httpx
import pytest
import respx

from tests.contract.server.conftest import KEY, SECRET

MINTED = {"value": SECRET, "expires_at": 1_900_000_000, "session": {}}


def error_body(code: str | None, param: str | None = None) -> dict[str, Any]:
    message = f"Incorrect API key provided: {KEY}"
    return {"error": {"message": message, "type": "t", "code": code, "param": param}}


async def test_the_secret_is_minted_with_the_whole_session(
    client: httpx.AsyncClient, model: respx.MockRouter
) -> None:
    mint = model.post("/realtime/client_secrets").respond(503)

    await client.post(
        "/api/realtime/session",
        json={"voice": "cedar", "agent_name": "Ada", "system_prompt": "Be brief."},
    )

    request = mint.calls.last.request
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    body = json.loads(request.content)
    tools = body["session"].pop("tools")
    instructions = body["session"].pop("instructions")
    assert body == {
        "expires_after": {"anchor": "created_at", "seconds": 60},
        "session": {
            "type": "realtime",
            "model": "gpt-realtime-2.1",
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "transcription": {"model": "gpt-4o-mini-transcribe"},
                    "turn_detection": {
                        "type": "server_vad",
                        "create_response": True,
                        "interrupt_response": True,
                    },
                },
                "output": {"voice": "cedar"},
            },
            "tool_choice": "auto",
        },
    }
    assert instructions.startswith("Be brief.\n\nYou speak for the agent Ada.")
    assert "[RUN_FINISHED]" in instructions
    assert tools[0] == {
        "type": "function",
        "name": "send_to_nested",
        "description": "Give a task or a message to the agent team and get its answer.",
        "parameters": {
            "type": "object",
            "properties": {
                "text": {
                    "type": "string",
                    "description": "The message, in full sentences.",
                    "minLength": 1,
                    "maxLength": 32_000,
                }
            },
            "required": ["text"],
            "additionalProperties": False,
        },
    }


async def test_the_offer_is_posted_with_the_secret_and_has_audio_and_the_channel(
    client: httpx.AsyncClient, model: respx.MockRouter
) -> None:
    model.post("/realtime/client_secrets").respond(200, json=MINTED)
    calls = model.post("/realtime/calls").respond(503)

    await client.post("/api/realtime/session", json={})

    request = calls.calls.last.request
    offer = request.content.decode()
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["content-type"] == "application/sdp"
    assert offer.count("m=audio") == 1
    assert offer.count("m=application") == 1
    assert "opus/48000/2" in offer
    assert "PCMU" not in offer
    assert "a=candidate:" in offer


@pytest.mark.parametrize(
    ("reply", "status", "code", "retryable", "words"),
    [
        (httpx.ConnectError("refused"), 502, "model_unreachable", True, "reached"),
        (httpx.ReadTimeout("slow"), 504, "model_timeout", True, "in time"),
        (httpx.RemoteProtocolError("cut"), 502, "model_unreachable", True, "reached"),
        ((401, error_body("invalid_api_key")), 502, "model_rejected", False, "API key"),
        ((403, error_body(None)), 502, "model_rejected", False, "API key"),
        ((404, {}), 502, "model_unreachable", True, "no voice service"),
        (
            (404, error_body("model_not_found")),
            502,
            "model_rejected",
            False,
            "configured model",
        ),
        (
            (400, error_body("invalid_value", "session.audio.output.voice")),
            400,
            "invalid_request",
            False,
            "voice",
        ),
        (
            (400, error_body("unknown_parameter", "session.x")),
            502,
            "model_rejected",
            False,
            "refused",
        ),
        (
            (429, error_body("rate_limit_exceeded")),
            503,
            "model_unavailable",
            True,
            "overloaded",
        ),
        (
            (429, error_body("insufficient_quota")),
            502,
            "model_rejected",
            False,
            "quota",
        ),
        ((500, "oops"), 503, "model_unavailable", True, "overloaded"),
        ((503, {}), 503, "model_unavailable", True, "overloaded"),
        ((504, {}), 504, "model_timeout", True, "in time"),
        ((200, "no sense"), 502, "model_unreachable", True, "makes no sense"),
        ((200, {"no": "value"}), 502, "model_unreachable", True, "makes no sense"),
        ((200, "x" * (2 << 20)), 502, "model_unreachable", True, "makes no sense"),
        ((307, {}), 502, "model_rejected", False, "refused"),
    ],
)
@pytest.mark.parametrize("at", ["/realtime/client_secrets", "/realtime/calls"])
async def test_each_failure_of_the_service_has_its_status_and_words(
    client: httpx.AsyncClient,
    model: respx.MockRouter,
    caplog: pytest.LogCaptureFixture,
    at: str,
    reply: Any,
    status: int,
    code: str,
    retryable: bool,
    words: str,
) -> None:
    caplog.set_level(logging.DEBUG, "server")
    model.post("/realtime/client_secrets").respond(200, json=MINTED)
    if isinstance(reply, Exception):
        model.post(at).mock(side_effect=reply)
    else:
        content = reply[1] if isinstance(reply[1], str) else json.dumps(reply[1])
        model.post(at).respond(reply[0], content=content)

    response = await client.post("/api/realtime/session", json={})
    error = response.json()["error"]

    assert (response.status_code, error["code"]) == (status, code)
    assert error["retryable"] is retryable
    assert words in error["message"]
    assert (await client.get("/healthz")).json()["sessions"] == 0
    kept = (await client.get("/api/conversations")).json()
    assert kept["conversations"] == [], "one for every attempt"
    for secret in (KEY, SECRET, "ice-ufrag"):
        assert secret not in response.text
        assert secret not in caplog.text


async def test_an_answer_that_is_not_usable_is_said(
    client: httpx.AsyncClient, model: respx.MockRouter
) -> None:
    model.post("/realtime/client_secrets").respond(200, json=MINTED)
    model.post("/realtime/calls").respond(201, content="v=0\r\nm=nonsense\r\n")

    response = await client.post("/api/realtime/session", json={})

    assert response.status_code == 502
    assert response.json()["error"]["code"] == "model_unreachable"
    assert "makes no sense" in response.json()["error"]["message"]


async def test_a_call_that_never_connects_ends_in_time_and_is_hung_up(
    make_client: Any, model: respx.MockRouter
) -> None:
    """The service answers, but no packet ever arrives: as behind a firewall."""
    client = await make_client(model_connect_timeout_s=0.5, model_transport="webrtc")
    model.post("/realtime/client_secrets").respond(200, json=MINTED)
    hung_up = asyncio.Event()

    async def hang_up(request: httpx.Request) -> httpx.Response:
        hung_up.set()
        return httpx.Response(200)

    model.post("/realtime/calls/rtc_u0_x/hangup").mock(side_effect=hang_up)

    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            201,
            content=answer_to(request.content.decode()),
            headers={"location": "/v1/realtime/calls/rtc_u0_x"},
        )

    model.post("/realtime/calls").mock(side_effect=answer)

    response = await client.post("/api/realtime/session", json={})

    assert response.status_code == 504
    assert response.json()["error"]["code"] == "model_timeout"
    await asyncio.wait_for(hung_up.wait(), 30)


def answer_to(offer: str) -> str:
    """An answer in the service's shape (realtime-api notes 5.2) that leads nowhere."""
    payload_type = offer.split("m=audio ")[1].split()[2]
    common = [
        "c=IN IP4 0.0.0.0",
        "a=ice-ufrag:hcFtUn/u7/3oNQFw",
        "a=ice-pwd:abcdefghijklmnopqrstuvwxyz012345",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=setup:active",
    ]
    lines = [
        "v=0",
        "o=- 1 1700000000 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        "a=msid-semantic:WMS *",
        "a=ice-lite",
        "a=extmap-allow-mixed",
        f"m=audio 9 UDP/TLS/RTP/SAVPF {payload_type} 0 8",
        *common,
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=rtpmap:{payload_type} opus/48000/2",
        f"a=fmtp:{payload_type} minptime=10;useinbandfec=1",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=ssrc:1234 cname:realtimeapi",
        "a=msid:realtimeapi audio",
        "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host ufrag hcFtUn/u7/3oNQFw",
        "a=candidate:2 1 tcp 1671430143 127.0.0.1 443 typ host tcptype passive "
        "ufrag hcFtUn/u7/3oNQFw",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        *common,
        "a=mid:1",
        "a=sctp-port:5000",
        "a=max-message-size:1073741823",
    ]
    return "\r\n".join(lines) + "\r\n"

"""WebSockets that go wrong on purpose: at the upgrade, in mid-answer, by events."""

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest

from fake_openai.app import running_fake
from fake_openai.faults import Fault
from tests.support.realtime_caller import WAIT_S
from tests.support.realtime_socket import MODEL, connected, until


async def test_expiry_is_an_error_then_close_1001() -> None:
    fault = Fault(at="session", do="expire", after_s=0.25)
    async with (
        running_fake(faults=(fault,)) as fake,
        connected(fake, f"?model={MODEL}") as socket,
    ):
        events = await until(socket, "error")
        end = await socket.receive(timeout=WAIT_S)

    assert events[-1]["error"]["code"] == "session_expired"
    assert end.data == 1001
    assert end.extra == "Your session hit the maximum duration of 60 minutes."


async def test_a_disconnect_in_mid_response_has_no_close_frame() -> None:
    fault = Fault(at="response", do="disconnect")
    async with (
        running_fake(faults=(fault,)) as fake,
        connected(fake, f"?model={MODEL}") as socket,
    ):
        await socket.send_json({"type": "response.create"})
        while (message := await socket.receive(timeout=WAIT_S)).type in {
            aiohttp.WSMsgType.TEXT
        }:
            pass

        assert socket.close_code == 1006
    assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}


@pytest.mark.parametrize(
    ("do", "sees"),
    [
        ("malformed", "text that is not JSON"),
        ("duplicate", "the same event twice"),
        ("unknown", "a type it has never heard of"),
        ("oversized", "a message of megabytes"),
        ("drop", "no answer"),
    ],
)
async def test_events_go_wrong_on_the_wire(do: str, sees: str) -> None:
    fault = Fault.model_validate(
        {
            "at": "events.output",
            "do": do,
            "event": "input_audio_buffer.cleared",
            "n_bytes": 2_000_000,
        }
    )
    async with (
        running_fake(faults=(fault,)) as fake,
        connected(fake, f"?model={MODEL}") as socket,
    ):
        await until(socket, "session.created")
        await socket.send_json({"type": "input_audio_buffer.clear"})
        await socket.send_json({"type": "response.cancel"})
        texts = []
        while not texts or '"response_cancel_not_active"' not in texts[-1]:
            texts.append(await socket.receive_str(timeout=WAIT_S))

    assert _what(texts[:-1]) == sees


def _what(texts: list[str]) -> str:
    if not texts:
        return "no answer"
    if len(texts[0]) > 1_990_000:
        return "a message of megabytes"
    try:
        events = [json.loads(text) for text in texts]
    except ValueError:
        return "text that is not JSON"
    if len(events) == 2 and events[0] == events[1]:
        return "the same event twice"
    known = {event["type"] for event in events} == {"input_audio_buffer.cleared"}
    return "nothing wrong" if known else "a type it has never heard of"


async def test_a_refused_upgrade_is_an_http_status() -> None:
    fault = Fault(at="ws.connect", do="status", status=503)
    async with running_fake(faults=(fault,)) as fake:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with connected(fake, f"?model={MODEL}"):
                pass

    assert refused.value.status == 503


async def test_a_forced_in_band_error_closes_1011() -> None:
    fault = Fault(at="ws.connect", do="error", code="insufficient_quota")
    async with (
        running_fake(faults=(fault,)) as fake,
        connected(fake, f"?model={MODEL}") as socket,
    ):
        error = await socket.receive_json(timeout=WAIT_S)
        end = await socket.receive(timeout=WAIT_S)

    assert error["error"]["code"] == "insufficient_quota"
    assert end.data == 1011


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"do": "delay", "ms": 300}, "late"),
        ({"do": "hang"}, "nothing"),
        ({"do": "disconnect"}, "reset"),
    ],
)
async def test_an_upgrade_is_late_or_never_comes(
    fault: dict[str, Any], outcome: str
) -> None:
    armed = Fault.model_validate({"at": "ws.connect", **fault})
    async with running_fake(faults=(armed,)) as fake:
        started = time.monotonic()
        limit_s = 0.5 if outcome == "nothing" else WAIT_S
        try:
            async with (
                asyncio.timeout(limit_s),
                connected(fake, f"?model={MODEL}") as socket,
            ):
                await until(socket, "session.created")
            seen = "late" if time.monotonic() - started > 0.29 else "at once"
        except TimeoutError:
            seen = "nothing"
        except aiohttp.ClientError:
            seen = "reset"

    assert seen == outcome


async def test_two_events_swapped_on_the_wire() -> None:
    fault = Fault(at="events.output", do="reorder", event="session.updated", times=1)
    async with (
        running_fake(faults=(fault,)) as fake,
        connected(fake, f"?model={MODEL}") as socket,
    ):
        await until(socket, "session.created")
        update = {"type": "session.update", "session": {"type": "realtime"}}
        await socket.send_json(update)
        await socket.send_json({"type": "input_audio_buffer.clear"})
        types = [(await socket.receive_json(timeout=WAIT_S))["type"] for _ in range(2)]

    assert types == ["input_audio_buffer.cleared", "session.updated"]


async def test_an_event_that_is_late_on_the_wire() -> None:
    name = "input_audio_buffer.cleared"
    fault = Fault(at="events.output", do="delay", event=name, ms=300, times=1)
    async with (
        running_fake(faults=(fault,)) as fake,
        connected(fake, f"?model={MODEL}") as socket,
    ):
        await until(socket, "session.created")
        started = time.monotonic()
        await socket.send_json({"type": "input_audio_buffer.clear"})
        await until(socket, name)

    assert time.monotonic() - started > 0.29

"""A second connection to a WebRTC call: it sees and steers it."""

import aiohttp
import pytest

from fake_openai.app import RunningFake
from tests.support.realtime_caller import WAIT_S, calling
from tests.support.realtime_socket import connected, until
from tests.support.waiting import eventually


async def test_an_unknown_call_id_fails_the_upgrade_with_404(fake: RunningFake) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with connected(fake, "?call_id=rtc_nobody"):
            pass

    assert refused.value.status == 404


async def test_a_sideband_sees_and_steers_a_webrtc_call(fake: RunningFake) -> None:
    """The sideband updates the session and asks for a response; the caller hears it."""
    async with (
        calling(fake.base_url) as call,
        connected(fake, f"?call_id={call.call_id}") as sideband,
    ):
        greeting = await sideband.receive_json(timeout=WAIT_S)
        update = {"type": "realtime", "instructions": "Steered."}
        await sideband.send_json({"type": "session.update", "session": update})
        await sideband.send_json({"type": "response.create"})
        seen = await until(sideband, "output_audio_buffer.started")
        await call.until("output_audio_buffer.started")
        await call.until("session.updated")

        assert greeting["type"] == "session.created"
        assert greeting["session"]["id"] == call.events[0]["session"]["id"]
        assert fake.server.calls[call.call_id].config["instructions"] == "Steered."
    assert "response.output_audio.delta" not in [event["type"] for event in seen]


async def test_a_client_event_of_the_call_is_answered_on_the_sideband_too(
    fake: RunningFake,
) -> None:
    async with (
        calling(fake.base_url) as call,
        connected(fake, f"?call_id={call.call_id}") as sideband,
    ):
        await until(sideband, "session.created")
        call.send({"type": "input_audio_buffer.clear"})

        assert (await sideband.receive_json(timeout=WAIT_S))["type"] == (
            "input_audio_buffer.cleared"
        )


async def test_an_error_goes_only_to_the_connection_that_caused_it(
    fake: RunningFake,
) -> None:
    async with (
        calling(fake.base_url) as call,
        connected(fake, f"?call_id={call.call_id}") as sideband,
    ):
        await until(sideband, "session.created")
        await sideband.send_json({"type": "response.cancel", "event_id": "mine"})
        error = await sideband.receive_json(timeout=WAIT_S)
        call.send({"type": "input_audio_buffer.clear"})
        await call.until("input_audio_buffer.cleared")

        assert error["error"]["event_id"] == "mine"
        assert "error" not in call.types


async def test_hanging_up_closes_the_sideband(fake: RunningFake) -> None:
    async with (
        calling(fake.base_url) as call,
        connected(fake, f"?call_id={call.call_id}") as sideband,
    ):
        await until(sideband, "session.created")
        fake.server.calls[call.call_id].end("hangup")
        end = await sideband.receive(timeout=WAIT_S)

    assert end.type is aiohttp.WSMsgType.CLOSE


async def test_a_sideband_that_left_is_not_sent_anything_any_more(
    fake: RunningFake,
) -> None:
    async with calling(fake.base_url) as call:
        live = fake.server.calls[call.call_id]
        async with connected(fake, f"?call_id={call.call_id}") as sideband:
            await until(sideband, "session.created")
            assert live.session.sidebands == ("sideband-1",)
        await eventually(lambda: live.session.sidebands == ())


async def test_a_call_that_breaks_the_fake_is_over(
    fake: RunningFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever broke: nobody else would end it, and it counts against the limit."""

    def break_down(*args: object, **more: object) -> None:
        raise ZeroDivisionError("a defect of the fake")

    async with connected(fake, "?model=gpt-realtime") as socket:
        await until(socket, "session.created")
        (call,) = fake.server.live_calls
        monkeypatch.setattr(call, "receive", break_down)
        await socket.send_json({"type": "response.create"})
        await eventually(lambda: call.state == "ended")

"""Each fault at the WebRTC edge, named by what a client sees."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from fake_openai.app import RunningFake, running_fake
from fake_openai.faults import Fault
from fake_openai.ice import LOOPBACK, address_policy
from tests.support.realtime_caller import BRIEF, Caller, Microphone, calling, tone

QUIET = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}


def faulty(**fault: Any) -> AbstractAsyncContextManager[RunningFake]:
    return running_fake(faults=(Fault.model_validate(fault),), scenario=BRIEF)


async def answer_of(fake: RunningFake, pc: RTCPeerConnection) -> str:
    """The answer to an ordinary offer."""
    pc.addTrack(Microphone())
    pc.createDataChannel("oai-events")
    with address_policy(LOOPBACK):
        await pc.setLocalDescription(await pc.createOffer())
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{fake.base_url}/realtime/calls",
            data=pc.localDescription.sdp,
            headers={
                "Authorization": "Bearer sk-test",
                "Content-Type": "application/sdp",
            },
        ) as response,
    ):
        assert response.status == 201
        return await response.text()


def peer() -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


async def state_within(pc: RTCPeerConnection, seconds: float, wanted: str) -> str:
    reached = asyncio.Event()

    @pc.on("connectionstatechange")
    def on_change() -> None:
        if pc.connectionState == wanted:
            reached.set()

    try:
        async with asyncio.timeout(seconds):
            await reached.wait()
    except TimeoutError:
        pass
    return pc.connectionState


def count_packets(call: Caller) -> int:
    return len(call.heard) // 480


@pytest.mark.parametrize("do", ["malformed", "no_audio"])
async def test_a_spoiled_answer_is_refused_by_the_clients_own_parser(do: str) -> None:
    pc = peer()
    async with faulty(at="sdp.answer", do=do) as fake:
        answer = await answer_of(fake, pc)
        if do == "malformed":
            with pytest.raises((ValueError, AssertionError)):
                await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        else:
            assert "m=audio 0 " in answer
            assert "a=inactive" in answer
        await pc.close()


async def test_a_wrong_fingerprint_fails_the_clients_dtls() -> None:
    pc = peer()
    async with faulty(at="dtls", do="fail") as fake:
        answer = await answer_of(fake, pc)
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))

        assert await state_within(pc, 5, "failed") == "failed"
        await pc.close()


async def test_ice_that_never_completes_leaves_the_client_checking() -> None:
    pc = peer()
    async with faulty(at="ice", do="never_completes") as fake:
        answer = await answer_of(fake, pc)
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))

        assert await state_within(pc, 1.5, "connected") in {"connecting", "failed"}
        await pc.close()


@pytest.mark.parametrize("at", ["ice", "dtls"])
async def test_a_slow_transport_connects_later(at: str) -> None:
    async with faulty(at=at, do="delay", ms=600) as fake:
        started = time.monotonic()
        async with calling(fake.base_url, session=QUIET):
            assert time.monotonic() - started > 0.6


async def test_a_channel_that_never_opens_leaves_media_without_events() -> None:
    async with (
        faulty(at="channel", do="never_opens") as fake,
        calling(fake.base_url, session=QUIET, expect_channel=False) as call,
    ):
        await asyncio.sleep(1)

        assert call.channel.readyState == "connecting"
        assert call.raw == []
        assert count_packets(call) > 20


async def test_a_closed_channel_is_seen_while_the_call_is_up() -> None:
    async with (
        faulty(at="channel", do="close", after_s=0.5) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        await call.until(lambda: call.channel.readyState == "closed", timeout_s=5)


async def test_a_stalled_channel_delivers_its_events_late_and_in_order() -> None:
    async with (
        faulty(at="channel", do="stall", ms=700, times=1, after_s=0.3) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        await asyncio.sleep(0.4)
        sent = time.monotonic()
        for number in range(3):
            call.send({"type": "session.update", "session": _named(number)})
        await call.until("session.updated", count=3)

        assert time.monotonic() - sent > 0.3
        updates = [e for e in call.events if e["type"] == "session.updated"]
        assert [u["session"]["instructions"] for u in updates] == ["0", "1", "2"]


def _named(number: int) -> dict[str, Any]:
    return {"type": "realtime", "instructions": str(number)}


async def test_lost_packets_on_the_way_to_the_client_are_gaps_in_sequence() -> None:
    async with (
        faulty(at="media.output", do="loss", rate=0.5) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        await asyncio.sleep(2)
        report = await call.pc.getStats()

    inbound = next(s for s in report.values() if s.type == "inbound-rtp")
    assert inbound.packetsLost > 15


async def test_jitter_on_the_way_to_the_client_is_measured_by_it() -> None:
    async with (
        faulty(at="media.output", do="jitter", ms=60) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        await asyncio.sleep(1.5)
        report = await call.pc.getStats()

    inbound = next(s for s in report.values() if s.type == "inbound-rtp")
    assert inbound.jitter > 0.004 * 48_000


async def test_a_media_stall_is_a_pause_in_packets() -> None:
    async with (
        faulty(at="media.output", do="stall", after_s=0.7) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        await asyncio.sleep(1)
        before = count_packets(call)
        await asyncio.sleep(0.5)

        assert count_packets(call) - before < 5


async def test_silence_in_place_of_an_answer_has_its_length_and_no_sound() -> None:
    async with (
        faulty(at="media.output", do="silence") as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        call.send({"type": "response.create"})
        await call.until("output_audio_buffer.stopped", timeout_s=20)

        assert not call.heard.any()


async def test_a_fast_clock_sends_more_audio_than_time_has_passed() -> None:
    async with (
        faulty(at="media.output", do="drift", ppm=100_000) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        await asyncio.sleep(0.3)
        before, started = count_packets(call), time.monotonic()
        await asyncio.sleep(1.5)
        rate = (count_packets(call) - before) / (time.monotonic() - started)

    assert rate == pytest.approx(55, abs=2.5)


@pytest.mark.parametrize(("do", "heard"), [("silence", False), ("loss", True)])
async def test_a_faulty_uplink_changes_what_the_model_hears(
    do: str, heard: bool
) -> None:
    async with (
        faulty(at="media.input", do=do, rate=0.1) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        call.microphone.say(tone(440, 1))
        await call.until(lambda: call.microphone.quiet)
        await asyncio.sleep(0.3)
        recorded = fake.server.calls[call.call_id].recorder.input.pcm()
        counters = fake.server.media_of(call.call_id)

    assert bool(np.abs(recorded).max() > 2_000) is heard
    assert counters is not None
    assert (counters.peer.counters.lost > 0) is (do == "loss")


async def test_expiry_is_an_error_event_and_then_the_end_of_the_call() -> None:
    async with (
        faulty(at="session", do="expire", after_s=0.25) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        error = await call.until("error", timeout_s=5)
        await call.until(lambda: call.channel.readyState == "closed", timeout_s=5)

    assert error["error"]["code"] == "session_expired"


async def test_a_disconnect_in_mid_response_is_silence_without_a_goodbye() -> None:
    """Sockets vanish: no event, no close, only packets that stop coming."""
    async with (
        faulty(at="response", do="disconnect") as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        call.send({"type": "response.create"})
        server_call = fake.server.calls[call.call_id]
        await call.until(lambda: server_call.state == "ended", timeout_s=10)
        await asyncio.sleep(0.2)
        before = count_packets(call)
        await asyncio.sleep(0.5)

        assert count_packets(call) == before
        assert call.channel.readyState == "open"
        assert "response.done" not in call.types


async def test_an_answer_without_candidates_leaves_an_aiortc_client_connecting() -> (
    None
):
    """A browser may still connect, by the checks it receives from the fake (prflx)."""
    pc = peer()
    async with faulty(at="sdp.answer", do="no_candidates") as fake:
        answer = await answer_of(fake, pc)
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        state = await state_within(pc, 1.5, "connected")
        await pc.close()

    assert "a=candidate" not in answer
    assert state == "connecting"


async def test_a_stalled_uplink_stops_session_time() -> None:
    async with (
        faulty(at="media.input", do="stall", after_s=0.5) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        await asyncio.sleep(0.8)
        tape = fake.server.calls[call.call_id].recorder.input
        before = tape.end_index
        await asyncio.sleep(0.5)

        assert tape.end_index == before


async def test_a_jittery_uplink_is_put_back_in_order() -> None:
    async with (
        faulty(at="media.input", do="jitter", ms=30) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        call.microphone.say(tone(440, 1.5))
        await call.until(lambda: call.microphone.quiet)
        await asyncio.sleep(0.3)
        media = fake.server.media_of(call.call_id)
        heard = fake.server.calls[call.call_id].recorder.input.pcm()

    assert media is not None
    assert media.peer.counters.reordered > 0
    loud = np.flatnonzero(np.abs(heard) > 2_000)
    assert (loud[-1] - loud[0]) / 24_000 == pytest.approx(1.5, rel=0.03)


async def test_a_fast_microphone_clock_makes_session_time_run_ahead() -> None:
    async with (
        faulty(at="media.input", do="drift", ppm=100_000) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        tape = fake.server.calls[call.call_id].recorder.input
        await asyncio.sleep(0.3)
        before, started = tape.end_index, time.monotonic()
        await asyncio.sleep(1.5)
        rate = (tape.end_index - before) / (time.monotonic() - started)

    assert rate == pytest.approx(26_400, rel=0.03)


async def test_a_session_error_leaves_the_call_up() -> None:
    async with (
        faulty(at="session", do="error", code="server_error", after_s=0.25) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        error = await call.until("error", timeout_s=5)
        call.send({"type": "input_audio_buffer.clear"})
        await call.until("input_audio_buffer.cleared")

    assert error["error"]["code"] == "server_error"


async def test_a_dropped_session_is_gone_without_a_word() -> None:
    async with (
        faulty(at="session", do="disconnect", after_s=0.25) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        server_call = fake.server.calls[call.call_id]
        await call.until(lambda: server_call.state == "ended", timeout_s=5)

        assert call.types[0] == "session.created"
        assert "error" not in call.types


async def test_a_client_that_never_connects_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fake_openai.rtc.webrtc_call.CONNECT_TIMEOUT_S", 0.3)
    pc = peer()
    async with running_fake() as fake:
        await answer_of(fake, pc)
        (call,) = fake.server.live_calls
        await asyncio.sleep(0.6)
        await pc.close()

    assert call.end_reason == "never_connected"


async def test_everything_that_was_sent_arrives_before_the_call_ends() -> None:
    async with running_fake() as fake, calling(fake.base_url, session=QUIET) as call:
        server_call = fake.server.calls[call.call_id]
        for number in range(60):
            event = {"type": "filler", "number": number, "text": "x" * 5_000}
            server_call.inject(event)
        server_call.end("test")
        await call.until(lambda: call.channel.readyState == "closed", timeout_s=5)

    assert call.types.count("filler") == 60

"""Each fault at the WebRTC edge, named by what a client sees."""

import asyncio
import itertools
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
from fake_openai.rtc.webrtc_call import WebRtcCall
from tests.support.realtime_caller import (
    BRIEF,
    WAIT_S,
    Caller,
    Microphone,
    calling,
    tone,
)
from tests.support.waiting import eventually

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


def break_now(fake: RunningFake, call: Caller, **fault: Any) -> None:
    """Arm a fault of the call's line and have it strike at once."""
    fake.server.calls[call.call_id].add_fault(Fault.model_validate(fault))
    media_of(fake, call).on_beat(time.monotonic(), time.monotonic())


def media_of(fake: RunningFake, call: Caller) -> WebRtcCall:
    media = fake.server.media_of(call.call_id)
    assert media is not None
    return media


async def frames_pass(call: Caller, n_frames: int) -> None:
    """Wait until the microphone has sent so many more: a clock that may stand still."""
    until = call.microphone.n_frames + n_frames
    await call.until(lambda: call.microphone.n_frames >= until)


async def said(fake: RunningFake, call: Caller) -> None:
    """Wait until all the microphone had to say has left, and silence after it."""
    await call.until(lambda: call.microphone.quiet)
    counters = media_of(fake, call).peer.counters
    until = counters.received + 15
    await call.until(lambda: counters.received >= until)


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

        assert await state_within(pc, WAIT_S, "failed") == "failed"
        await pc.close()


async def test_ice_that_never_completes_leaves_the_client_checking() -> None:
    pc = peer()
    async with faulty(at="ice", do="never_completes") as fake:
        answer = await answer_of(fake, pc)
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))

        assert await state_within(pc, 0.8, "connected") in {"connecting", "failed"}
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
        await call.until(lambda: len(call.packets) > 20)

        assert call.channel.readyState == "connecting"
        assert call.raw == []


async def test_a_closed_channel_is_seen_while_the_call_is_up() -> None:
    async with (
        faulty(at="channel", do="close", after_s=0.5) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        await call.until(lambda: call.channel.readyState == "closed")


async def test_a_stalled_channel_delivers_its_events_late_and_in_order() -> None:
    async with running_fake() as fake, calling(fake.base_url, session=QUIET) as call:
        break_now(fake, call, at="channel", do="stall", ms=400, times=1)
        stalled_s = time.monotonic()
        for number in range(3):
            fake.server.calls[call.call_id].inject({"type": "filler", "n": number})
        await call.until("filler")
        waited_s = time.monotonic() - stalled_s
        await call.until("filler", count=3)

    assert waited_s > 0.35
    assert [e["n"] for e in call.events if e["type"] == "filler"] == [0, 1, 2]


async def test_lost_packets_on_the_way_to_the_client_are_gaps_in_sequence() -> None:
    async with (
        faulty(at="media.output", do="loss", rate=0.5) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        await call.until(lambda: bool(call.packets) and call.packets[-1].n >= 49)

    n_sent = call.packets[-1].n + 1
    assert 0.25 * n_sent < len(call.packets) < 0.75 * n_sent


async def test_jitter_on_the_way_to_the_client_lets_packets_overtake_others() -> None:
    async with (
        faulty(at="media.output", do="jitter", ms=60) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        await call.until(lambda: len(call.packets) >= 50)

    order = [packet.n for packet in call.packets]
    assert sum(later < n for n, later in itertools.pairwise(order)) > 5


async def test_a_media_stall_is_a_pause_in_packets() -> None:
    async with running_fake() as fake, calling(fake.base_url, session=QUIET) as call:
        await call.until(lambda: len(call.packets) > 5)
        break_now(fake, call, at="media.output", do="stall")
        await frames_pass(call, 5)  # what had left already has arrived
        before = len(call.packets)
        await frames_pass(call, 20)

        assert len(call.packets) == before


async def test_silence_in_place_of_an_answer_has_its_length_and_no_sound() -> None:
    async with (
        faulty(at="media.output", do="silence") as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        call.send({"type": "response.create"})
        await call.until("output_audio_buffer.stopped")

        assert len(call.heard) > 9_600
        assert not call.heard.any()


async def test_a_fast_clock_sends_more_audio_than_time_has_passed() -> None:
    async with (
        faulty(at="media.output", do="drift", ppm=100_000) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        output = fake.server.calls[call.call_id].recorder.output
        await call.until(lambda: output.end_index >= 66 * 480)
        # Frames of one beat have one time.
        beats_s = [anchor.t_s for anchor in output.anchors()]

    assert len(beats_s) / len(set(beats_s)) == pytest.approx(1.1, abs=0.02)


@pytest.mark.parametrize(("do", "heard"), [("silence", False), ("loss", True)])
async def test_a_faulty_uplink_changes_what_the_model_hears(
    do: str, heard: bool
) -> None:
    async with (
        faulty(at="media.input", do=do, rate=0.1) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        call.microphone.say(tone(440, 1))
        await said(fake, call)
        recorded = fake.server.calls[call.call_id].recorder.input.pcm()
        counters = media_of(fake, call).peer.counters

    assert bool(np.abs(recorded).max() > 2_000) is heard
    assert (counters.lost > 0) is (do == "loss")


async def test_expiry_is_an_error_event_and_then_the_end_of_the_call() -> None:
    async with (
        faulty(at="session", do="expire", after_s=0.25) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        error = await call.until("error")
        await call.until(lambda: call.channel.readyState == "closed")

    assert error["error"]["code"] == "session_expired"


async def test_a_disconnect_in_mid_response_is_silence_without_a_goodbye() -> None:
    """Sockets vanish: no event, no close, only packets that stop coming."""
    async with (
        faulty(at="response", do="disconnect") as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        call.send({"type": "response.create"})
        server_call = fake.server.calls[call.call_id]
        await call.until(lambda: server_call.state == "ended")
        await frames_pass(call, 5)
        before = len(call.packets)
        await frames_pass(call, 20)

        assert len(call.packets) == before
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
        state = await state_within(pc, 0.8, "connected")
        await pc.close()

    assert "a=candidate" not in answer
    assert state == "connecting"


async def test_a_stalled_uplink_stops_session_time() -> None:
    async with running_fake() as fake, calling(fake.base_url, session=QUIET) as call:
        tape = fake.server.calls[call.call_id].recorder.input
        await call.until(lambda: tape.end_index > 0)
        break_now(fake, call, at="media.input", do="stall")
        before = tape.end_index
        await frames_pass(call, 20)

        assert tape.end_index == before


async def test_a_jittery_uplink_is_put_back_in_order() -> None:
    async with (
        faulty(at="media.input", do="jitter", ms=45) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        call.microphone.say(tone(440, 1))
        await said(fake, call)
        counters = media_of(fake, call).peer.counters
        heard = fake.server.calls[call.call_id].recorder.input.pcm()

    assert counters.reordered > 0
    loud = np.flatnonzero(np.abs(heard) > 2_000)
    filled = counters.silence_samples  # while this machine's microphone stood still
    missing = counters.lost + counters.late  # a busy machine brings some too late
    assert missing < 5
    assert 23_280 - 480 * missing < loud[-1] - loud[0] < 24_720 + filled


async def test_a_fast_microphone_clock_makes_session_time_run_ahead() -> None:
    async with (
        faulty(at="media.input", do="drift", ppm=100_000) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        tape = fake.server.calls[call.call_id].recorder.input
        await call.until(lambda: tape.end_index > 0)
        counters = media_of(fake, call).peer.counters
        received, before = counters.received, tape.end_index - counters.silence_samples
        await call.until(lambda: counters.received >= received + 60)
        n_packets = counters.received - received
        n_samples = tape.end_index - counters.silence_samples - before

    assert n_samples / 480 == pytest.approx(1.1 * n_packets, abs=2)


async def test_a_session_error_leaves_the_call_up() -> None:
    async with (
        faulty(at="session", do="error", code="server_error", after_s=0.25) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        error = await call.until("error")
        call.send({"type": "input_audio_buffer.clear"})
        await call.until("input_audio_buffer.cleared")

    assert error["error"]["code"] == "server_error"


async def test_a_dropped_session_is_gone_without_a_word() -> None:
    async with (
        faulty(at="session", do="disconnect", after_s=0.25) as fake,
        calling(fake.base_url, session=QUIET) as call,
    ):
        server_call = fake.server.calls[call.call_id]
        await call.until(lambda: server_call.state == "ended")

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
        await eventually(lambda: call.state == "ended", timeout_s=WAIT_S)
        await pc.close()

    assert call.end_reason == "never_connected"


async def test_everything_that_was_sent_arrives_before_the_call_ends() -> None:
    async with running_fake() as fake, calling(fake.base_url, session=QUIET) as call:
        server_call = fake.server.calls[call.call_id]
        for number in range(60):
            event = {"type": "filler", "number": number, "text": "x" * 5_000}
            server_call.inject(event)
        server_call.end("test")
        await call.until(lambda: call.channel.readyState == "closed")

    assert call.types.count("filler") == 60

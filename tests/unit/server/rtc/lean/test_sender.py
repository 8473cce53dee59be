"""The outgoing stream: what is sent for speech, for silence, and when asked again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from aiortc.rtcrtpparameters import (
    RTCRtcpParameters,
    RTCRtpCodecParameters,
    RTCRtpSendParameters,
)
from aiortc.rtp import (
    RTCP_RTPFB_NACK,
    RtcpByePacket,
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSrPacket,
)

from server.audio.format import FRAME_SAMPLES, SILENCE
from server.rtc.lean import rtp
from server.rtc.lean.receiver import LeanReceiver
from server.rtc.lean.sender import LeanSender

SPEECH = np.random.default_rng(1).normal(0, 3000, FRAME_SAMPLES).astype(np.int16)


class Dtls:
    """What a sender and a receiver ask of their transport."""

    state = "connected"

    def __init__(self) -> None:
        self.registered: list[Any] = []

    def _register_rtp_sender(self, sender: Any, parameters: Any) -> None:
        self.registered.append(sender)

    def _unregister_rtp_sender(self, sender: Any) -> None:
        self.registered.remove(sender)


class Wire:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []

    def send_rtp(self, packet: bytes) -> None:
        self.rtp.append(packet)

    def send_rtcp(self, packet: bytes) -> None:
        self.rtcp.append(packet)


class Line:
    """A connected sender, and what came out of it."""

    def __init__(self, *, dtx: bool) -> None:
        self.dtls: Any = Dtls()
        self.wire: Any = Wire()
        self.receiver = LeanReceiver(self.dtls, lambda pcm: None)
        self.sender = LeanSender(self.dtls, self.receiver, dtx=dtx)

    async def start(self) -> None:
        self.sender.connect(self.wire)
        codec = RTCRtpCodecParameters(
            mimeType="audio/opus", clockRate=48_000, channels=2, payloadType=96
        )
        await self.sender.send(
            RTCRtpSendParameters(codecs=[codec], rtcp=RTCRtcpParameters(cname="us"))
        )


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    made = Line(dtx=True)
    await made.start()
    yield made
    await made.sender.stop()


async def test_one_packet_per_frame_in_steps_of_960(line: Line) -> None:
    for _ in range(5):
        line.sender.push(SPEECH)

    headers = [rtp.read_header(packet) for packet in line.wire.rtp]
    assert {h[0] for h in headers} == {96}
    assert np.all(np.diff([h[1] for h in headers]) == 1)
    assert np.all(np.diff([h[2] for h in headers]) % 2**32 == 960)
    assert [packet[1] >> 7 for packet in line.wire.rtp] == [1, 0, 0, 0, 0]


async def test_silence_is_hardly_sent_and_speech_after_it_keeps_the_time(
    line: Line,
) -> None:
    line.sender.push(SPEECH)
    for _ in range(500):
        line.sender.push(SILENCE)
    n_silent = len(line.wire.rtp) - 1
    line.sender.push(SPEECH)

    first, last = line.wire.rtp[0], line.wire.rtp[-1]
    assert 10 <= n_silent <= 40
    assert len(rtp.payload_of(line.wire.rtp[-2])) == 1
    assert last[1] & 0x80, "the first packet after a pause is marked"
    elapsed = rtp.read_header(last)[2] - rtp.read_header(first)[2]
    assert elapsed % 2**32 == 501 * 960


async def test_silence_to_the_model_is_sent_without_being_encoded() -> None:
    line = Line(dtx=False)
    await line.start()
    for _ in range(100):
        line.sender.push(SILENCE)

    payloads = [rtp.payload_of(packet) for packet in line.wire.rtp]
    assert len(payloads) == 100
    assert len(set(payloads[3:])) == 1
    assert len(payloads[-1]) <= 8
    await line.sender.stop()


async def test_a_packet_asked_for_is_sent_again(line: Line) -> None:
    for _ in range(5):
        line.sender.push(SPEECH)
    wanted = line.wire.rtp[2]
    nack = RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=line.sender._ssrc)
    nack.lost = [rtp.read_header(wanted)[1], 40_000]

    await line.sender._handle_rtcp_packet(nack)

    assert line.wire.rtp[5:] == [wanted]


async def test_reports_say_what_was_sent_and_received(line: Line) -> None:
    for n in range(10):
        line.sender.push(SPEECH)
        if n != 5:
            line.receiver._ssrc = 77
            line.receiver._reception.add(n, n * 960, n * 0.02)

    line.sender._report()

    report, source = RtcpPacket.parse(line.wire.rtcp[0])
    assert isinstance(report, RtcpSrPacket)
    assert report.sender_info.packet_count == 10
    assert [b.ssrc for b in report.reports] == [77]
    assert report.reports[0].packets_lost == 1
    assert isinstance(source, RtcpSdesPacket)
    assert source.chunks[0].items == [(1, b"us")]


async def test_a_report_about_us_tells_the_round_trip(line: Line) -> None:
    line.sender.push(SPEECH)
    line.sender._report()
    block = RtcpReceiverInfo(
        ssrc=line.sender._ssrc,
        fraction_lost=64,
        packets_lost=1,
        highest_sequence=1,
        jitter=0,
        lsr=line.sender._sr_middle,
        dlsr=0,
    )

    await line.sender._handle_rtcp_packet(RtcpRrPacket(ssrc=5, reports=[block]))

    assert line.sender.remote_fraction_lost == 0.25
    assert line.sender.round_trip_s is not None
    assert 0 <= line.sender.round_trip_s < 1


async def test_stopping_says_goodbye_once_and_sends_no_more(line: Line) -> None:
    await line.sender.stop()
    line.sender.push(SPEECH)
    await line.sender.stop()

    (goodbye,) = line.wire.rtcp
    assert isinstance(RtcpPacket.parse(goodbye)[0], RtcpByePacket)
    assert line.wire.rtp == []
    assert line.dtls.registered == []

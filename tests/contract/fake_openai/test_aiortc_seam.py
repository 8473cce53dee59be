"""aiortc's internals are as `fake_openai.rtc.aiortc_seam` takes them to be.

When this fails after an upgrade, read the seam before anything else.
"""

import inspect
from collections.abc import AsyncIterator
from importlib.metadata import version

import pytest
from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCSctpTransport,
)
from aiortc import rtcrtpsender as sender_module
from aiortc.codecs.opus import OpusEncoder
from aiortc.rtcdtlstransport import RTCDtlsTransport, RtpRouter
from aiortc.rtcrtpreceiver import RemoteStreamTrack, StreamStatistics

from fake_openai.rtc import aiortc_seam as seam
from fake_openai.rtc.track import PacketTrack


@pytest.fixture
async def pc() -> AsyncIterator[RTCPeerConnection]:
    made = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    yield made
    await made.close()


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("aiortc").startswith("1.16.")


def test_the_transport_registers_receivers_and_sends_rtp_as_the_seam_calls_it() -> None:
    for name, parameters in {
        "_register_rtp_receiver": ["self", "receiver", "parameters"],
        "_unregister_rtp_receiver": ["self", "receiver"],
        "_send_rtp": ["self", "data"],
        "start": ["self", "remoteParameters"],
    }.items():
        method = getattr(RTCDtlsTransport, name)
        assert list(inspect.signature(method).parameters) == parameters, name
    assert list(inspect.signature(RTCSctpTransport.start).parameters) == [
        "self",
        "remoteCaps",
        "remotePort",
    ]


def test_the_router_asks_a_receiver_for_these_three_methods_only() -> None:
    source = inspect.getsource(RTCDtlsTransport) + inspect.getsource(RtpRouter)

    used = {"_handle_rtp_packet", "_handle_rtcp_packet", "_handle_disconnect"}
    assert {name for name in used if f".{name}(" in source} == used
    for name in used:
        ours = inspect.signature(getattr(seam.PacketSink, name)).parameters
        theirs = inspect.signature(getattr(RTCRtpReceiver, name)).parameters
        assert list(ours) == list(theirs)


def test_a_receiver_that_never_received_stops_at_once() -> None:
    """`receive` replaced on the instance leaves nothing for `stop` to wait for."""
    source = inspect.getsource(RTCRtpReceiver.stop)

    assert "if self.__started:" in source.split('"""')[-1].strip().splitlines()[0]


def test_the_sender_passes_packets_through_without_an_executor() -> None:
    source = inspect.getsource(RTCRtpSender._next_encoded_frame)

    assert "isinstance(data, Frame)" in source
    assert "self.__encoder.pack(data)" in source
    assert "convert_timebase(packet.pts" in inspect.getsource(OpusEncoder.pack)
    assert "packet.marker = (i == len(enc_frame.payloads) - 1)" in inspect.getsource(
        sender_module.RTCRtpSender._run_rtp
    )


async def test_names_and_extensions_reach_the_answer(pc: RTCPeerConnection) -> None:
    transceiver = pc.addTransceiver(PacketTrack(), direction="sendrecv")
    seam.name_stream(transceiver, stream="stream", track="track")
    offer = await pc.createOffer()

    assert "a=msid:stream track" in offer.sdp
    assert isinstance(transceiver._headerExtensions, list)
    assert seam.sender_ssrc(transceiver) > 0


def test_statistics_have_what_a_receiver_report_needs() -> None:
    stream = StreamStatistics(48_000)

    assert (stream.jitter, stream.max_seq) == (0, None)
    assert isinstance(inspect.getattr_static(stream, "fraction_lost"), property)
    assert isinstance(inspect.getattr_static(stream, "packets_lost"), property)


def test_a_remote_track_is_what_marks_a_microphone() -> None:
    assert RemoteStreamTrack(kind="audio").kind == "audio"

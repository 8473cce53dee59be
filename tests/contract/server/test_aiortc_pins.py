"""Private parts of aiortc and aioice that `server/rtc` relies on.

When one of these fails after an upgrade, read the module named in the test before
touching the pin in pyproject.toml.
"""

import inspect
from importlib.metadata import version

import aioice.ice
import pytest
from aioice import stun
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtcrtpsender import RTCRtpSender

from server.rtc import ice
from server.rtc.ice import LOOPBACK, IcePolicy
from server.rtc.liveness import PathWatch, ice_connections
from server.rtc.opus import OpusDecoder, OpusEncoder
from server.rtc.receiver import OpusReceiver, opus_only
from server.rtc.remains import take_apart


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("aiortc").startswith("1.16.")
    assert version("aioice").startswith("0.13.")


def test_the_receivers_base_class_has_the_parts_we_replace() -> None:
    """server/rtc/receiver.py"""
    source = inspect.getsource(RTCRtpReceiver)
    for part in (
        "self.__rtcp_task",
        "self.__started",
        "self.__remote_streams",
        "async def _run_rtcp",
        "def _set_rtcp_ssrc",
        "async def _handle_rtp_packet",
        "def _handle_disconnect",
    ):
        assert part in source
    assert inspect.signature(RTCRtpReceiver._handle_rtp_packet).parameters.keys() == {
        "self",
        "packet",
        "arrival_time_ms",
    }
    assert "receiver._handle_rtp_packet(packet" in inspect.getsource(RTCDtlsTransport)
    assert {"add", "fraction_lost", "packets_lost", "max_seq", "jitter"} <= set(
        dir(StreamStatistics(48_000))
    )


def test_the_sender_passes_packets_through_without_its_encoder() -> None:
    """server/rtc/track.py"""
    source = inspect.getsource(RTCRtpSender._next_encoded_frame)

    assert "self.__encoder.pack(data)" in source


async def test_a_transceiver_uses_the_receiver_we_attach() -> None:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = pc.addTransceiver("audio")
    try:
        receiver = OpusReceiver.attach(transceiver, lambda pcm: None)

        assert transceiver.receiver is receiver
        assert [c.mimeType for c in opus_only()] == ["audio/opus"]
    finally:
        await pc.close()


async def test_the_watch_finds_what_it_wraps() -> None:
    """server/rtc/liveness.py"""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.createDataChannel("x")
    try:
        (connection,) = ice_connections(pc)
        for name in ("data_received", "check_incoming", "build_request", "_nominated"):
            assert hasattr(connection, name)
        source = inspect.getsource(aioice.ice.StunProtocol.datagram_received)
        assert "self.receiver.data_received(" in source
        assert "transaction.response_received(message, addr)" in source
        incoming = inspect.getsource(aioice.ice.Connection.request_received)
        assert "check_message_integrity" in incoming
        assert "self.check_incoming(" in incoming
        assert "add_message_integrity" in dir(stun.Message)

        watch = PathWatch(lambda: 5.0)
        watch.watch(pc)
        assert connection.data_received is not None
        assert watch.silent_s() == 0.0
    finally:
        await pc.close()


def test_addresses_come_from_the_function_we_wrap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """server/rtc/ice.py"""

    def the_others(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return ["192.0.2.7"]

    monkeypatch.setattr(aioice.ice, "get_host_addresses", the_others)
    with IcePolicy(LOOPBACK).applied():
        assert aioice.ice.get_host_addresses(True, True) == ["127.0.0.1"]
        with IcePolicy(("10.0.0.1", "::1")).applied():
            assert aioice.ice.get_host_addresses(True, False) == ["10.0.0.1"]
        assert aioice.ice.get_host_addresses(True, True) == ["127.0.0.1"]
    assert aioice.ice.get_host_addresses(True, True) == ["192.0.2.7"]
    ice._install()  # a second time changes nothing
    assert "get_host_addresses(" in inspect.getsource(
        aioice.ice.Connection.gather_candidates
    )


def test_libopus_takes_24_khz_and_every_frame_makes_one_packet() -> None:
    """server/rtc/opus.py"""
    import numpy as np

    encoder, decoder = OpusEncoder(), OpusDecoder()
    t = np.arange(480 * 50) / 24_000
    pcm = np.rint(8000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
    out = []
    for n in range(0, pcm.size, 480):
        (packet,) = encoder.encode(pcm[n : n + 480])
        decoded = decoder.decode(bytes(packet))
        assert decoded is not None
        out.append(decoded)
    heard = np.concatenate(out)

    assert heard.size == pcm.size
    steady = heard[4800:].astype(float)
    assert np.sqrt((steady**2).mean()) == pytest.approx(8000 / 2**0.5, rel=0.02)
    assert decoder.decode(b"\xff\x00damaged") is None
    assert decoder.failed_packets == 1
    with pytest.raises(ValueError, match="480"):
        encoder.encode(pcm[:481])


async def test_a_closed_connection_can_be_taken_apart() -> None:
    """server/rtc/remains.py: twice, and aiortc's own close still returns."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.createDataChannel("audio")
    with IcePolicy(LOOPBACK).applied():
        await pc.setLocalDescription(await pc.createOffer())
    assert pc.sctp is not None
    dtls = pc.sctp.transport
    assert {"_ssl", "_rx_srtp", "_tx_srtp"} <= set(vars(dtls))
    connection = dtls.transport._connection
    assert {"_check_list", "_early_checks"} <= set(vars(connection))
    await pc.close()

    for _ in range(2):
        take_apart(pc)
        await pc.close()
    source = inspect.getsource(RTCDtlsTransport.stop)
    assert "if self._ssl and self._state in" in source

"""Private parts that `server/rtc/lean` relies on.

When one of these fails after an upgrade, read the module named in the test, then the
new source, before touching `pins.VERSIONS`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator

import pylibsrtp
import pytest
from aioice.ice import Connection, StunProtocol
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSctpTransport
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcpeerconnection import RTCPeerConnection as Implementation
from OpenSSL import SSL

from server.rtc.lean import pins, rtp
from server.rtc.lean.path import LeanPath
from server.rtc.lean.srtp import TRAILER_BYTES, Cipher
from server.rtc.path import media_path
from server.rtc.plain import PlainPath

BOOKS = (
    "_advanced_peer_ack_tsn",
    "_advertised_rwnd",
    "_association_state",
    "_cwnd",
    "_data_channel_queue",
    "_data_channels",
    "_fast_recovery_exit",
    "_flight_size",
    "_forward_tsn_chunk",
    "_forward_tsn_streams",
    "_inbound_streams",
    "_inbound_streams_count",
    "_last_received_tsn",
    "_last_sacked_tsn",
    "_local_port",
    "_local_tsn",
    "_local_verification_tag",
    "_outbound_queue",
    "_outbound_stream_seq",
    "_outbound_streams_count",
    "_reconfig_deferred",
    "_reconfig_response_seq",
    "_remote_port",
    "_remote_verification_tag",
    "_rto",
    "_sack_duplicates",
    "_sack_misordered",
    "_sent_queue",
    "_srtt",
    "_t3_handle",
)


@pytest.fixture
def unchecked() -> Iterator[None]:
    pins.fit.cache_clear()
    yield
    pins.fit.cache_clear()


@pytest.fixture
async def pc() -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


def test_everything_is_as_it_was_when_this_was_written() -> None:
    assert pins.problem() is None


async def test_lean_is_what_a_connection_gets(pc: RTCPeerConnection) -> None:
    assert isinstance(media_path("lean", pc), LeanPath)
    assert isinstance(media_path("aiortc", pc), PlainPath)


@pytest.mark.usefixtures("unchecked")
async def test_another_version_falls_back_with_one_warning(
    pc: RTCPeerConnection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(pins.VERSIONS, "aiortc", "1.17.")

    with caplog.at_level(logging.WARNING):
        paths = [media_path("lean", pc) for _ in range(3)]

    assert all(isinstance(path, PlainPath) for path in paths)
    assert [r.levelname for r in caplog.records] == ["WARNING"]


@pytest.mark.usefixtures("unchecked")
def test_a_method_that_is_gone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(RTCSctpTransport, "_t3_expired")

    assert pins.problem() == "RTCSctpTransport has no _t3_expired"


async def test_the_books_of_an_association_have_every_entry(
    pc: RTCPeerConnection,
) -> None:
    """server/rtc/lean/association.py"""
    pc.createDataChannel("x")
    assert pc.sctp is not None
    # _ssthresh comes with the first INIT.
    assert not [name for name in BOOKS if not hasattr(pc.sctp, name)]
    assert "self._ssthresh = chunk.advertised_rwnd" in inspect.getsource(
        RTCSctpTransport._receive_chunk
    )
    await pc.close()


def test_a_window_is_open_below_cwnd_and_timers_go_through_three_methods() -> None:
    """server/rtc/lean/association.py: send, LazyTimer"""
    transmit = inspect.getsource(RTCSctpTransport._transmit)
    assert "min(self._flight_size + burst_size, self._cwnd)" in transmit
    assert "while self._outbound_queue and self._flight_size < cwnd" in transmit
    source = inspect.getsource(RTCSctpTransport)
    assert source.count("call_later(self._rto, self._t3_expired)") == 2


def test_handlers_of_packets_wait_for_nothing_but_sending() -> None:
    """server/rtc/lean/wire.py: run_now"""
    for handler in (Connection.send, Connection.sendto, StunProtocol.send_data):
        source = inspect.getsource(handler)
        assert "sleep" not in source
        assert "wait" not in source.replace("await", "")
    assert "await self._transport._send" not in inspect.getsource(RTCSctpTransport)


def test_the_state_is_connected_before_anything_reads_and_before_sctp_starts() -> None:
    """server/rtc/lean/wire.py: take_over; server/rtc/lean/path.py: start"""
    start = inspect.getsource(RTCDtlsTransport.start)
    assert start.index("_set_state(State.CONNECTED)") < start.index("self.__run()")
    assert start.index("self._setup_srtp()") < start.index("State.CONNECTED)")
    connect = inspect.getsource(Implementation._RTCPeerConnection__connect)
    assert connect.index("await dtlsTransport.start(") < connect.index(
        "await self.__sctp.start("
    )


def test_datagrams_come_by_attribute_and_a_none_ends_the_receiving_task() -> None:
    """server/rtc/lean/wire.py"""
    assert "self.receiver.data_received(data" in inspect.getsource(
        StunProtocol.datagram_received
    )
    assert "if result is None" in inspect.getsource(Connection.recvfrom)
    tls = SSL.Connection(SSL.Context(SSL.DTLS_METHOD))
    assert tls._ssl is not None
    assert tls._into_ssl is not None
    assert tls._from_ssl is not None


def test_srtp_sessions_show_their_keys_and_libsrtp_its_functions() -> None:
    """server/rtc/lean/srtp.py"""
    policy = pylibsrtp.Policy(
        key=bytes(range(30)), ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND
    )
    other = pylibsrtp.Policy(
        key=bytes(range(30)), ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND
    )
    ours, theirs = Cipher(pylibsrtp.Session(policy)), pylibsrtp.Session(other)
    packet = rtp.pack(96, 7, 960, 0x11223344, b"payload")

    datagram = ours.protect(packet)

    assert datagram is not None
    assert theirs.unprotect(datagram) == packet
    receiver = Cipher(pylibsrtp.Session(other))
    assert receiver.unprotect(datagram) == packet
    assert receiver.unprotect(datagram) is None, "a repeated packet is refused"
    assert receiver.unprotect(b"\x80" + bytes(40)) is None, "and a forged one"
    assert receiver.unprotect(bytes(5000)) is None
    assert ours.protect(bytes(2000)) is None
    assert pylibsrtp.SRTP_MAX_TRAILER_LEN <= TRAILER_BYTES
    assert hasattr(pylibsrtp.Session(policy), "_srtp")


@pytest.mark.usefixtures("unchecked")
def test_a_libsrtp_without_its_functions_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pins, "SRTP", ("srtp_gone",))

    assert pins.problem() == "pylibsrtp does not show srtp_gone"

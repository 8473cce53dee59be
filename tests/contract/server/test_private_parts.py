"""Every private part of another's library that `server/rtc` touches is there.

The list is complete by itself: what the source touches is read from the source. A name
that is new there fails here until it is entered, and one that is gone until it is
struck out. What the parts do is held by `test_lean_pins.py`, `test_aiortc_pins.py` and
`test_ice_pins.py`.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pylibsrtp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcsctptransport import RTCSctpTransport
from OpenSSL import SSL

import server.rtc
from server.rtc.lean.association import _CHANGED_BY_INIT, SentChunk


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


TOUCHED: dict[str, frozenset[str]] = {
    "RTCSctpTransport": _names(
        """
        _advanced_peer_ack_tsn _advertised_rwnd _association_state _cwnd
        _data_channel_queue _fast_recovery_exit _flight_size _flight_size_decrease
        _forward_tsn_chunk _forward_tsn_streams _get_inbound_stream _handle_data
        _last_received_tsn _last_sacked_tsn _local_port _local_tsn
        _local_verification_tag _outbound_queue _outbound_stream_seq
        _receive_sack_chunk _reconfig_deferred _remote_port _remote_verification_tag
        _rto _sack_duplicates _sack_misordered _sent_queue _t3_cancel _t3_expired
        _t3_handle _t3_restart _t3_start _update_rto
        """
    ),
    "RTCDtlsTransport": _names(
        """
        _data_receiver _register_rtp_receiver _register_rtp_sender _rtp_router
        _rx_srtp _ssl _state _tx_srtp _unregister_rtp_receiver
        _unregister_rtp_sender
        """
    ),
    "RTCIceTransport": _names("_connection"),
    "Connection": _names("_check_list _early_checks _nominated _protocols _queue"),
    "RTCRtpTransceiver": _names(
        "_RTCRtpTransceiver__receiver _RTCRtpTransceiver__sender"
    ),
    "RTCRtpReceiver": _names(
        """
        _RTCRtpReceiver__remote_streams _RTCRtpReceiver__rtcp_task
        _RTCRtpReceiver__started _enabled _run_rtcp _set_rtcp_ssrc
        """
    ),
    "RTCRtpSender": _names("_enabled _ssrc"),
    "pyOpenSSL": _names("_ffi _from_ssl _into_ssl _lib _ssl"),
    "pylibsrtp": _names("_srtp"),
}
BY_NAME_ONLY = frozenset(
    {
        "_last_received_tsn",
        "_reconfig_response_seq",
        "_remote_verification_tag",
        "_ssthresh",
        "_inbound_streams_count",
        "_outbound_streams_count",
    }
)
"""Read and written with getattr and setattr: `association._CHANGED_BY_INIT`."""
BOOKED = (
    *("flags", "tsn", "stream_id", "stream_seq", "protocol", "user_data"),
    *("_book_size", "_sent_time", "_expiry", "_max_retransmits"),
    *("_abandoned", "_acked", "_in_flight", "_misses", "_retransmit", "_sent_count"),
)
"""What aiortc's retransmission reads of a chunk we have sent (`SentChunk`)."""
PUBLIC_UNDOCUMENTED = {
    "StunProtocol": (
        *("connection_lost", "datagram_received", "local_candidate", "send_stun"),
        *("transactions", "transport"),
    ),
    "Connection": (
        *("build_request", "check_incoming", "data_received", "remote_password"),
    ),
    "InboundStream": ("reassembly", "sequence_number"),
    "RtpRouter": ("ssrc_table",),
}
"""Names without an underscore that no documentation promises."""


@pytest.fixture
async def parts() -> AsyncIterator[dict[str, Any]]:
    """One of each, as it is in a peer connection that was just made."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.createDataChannel("x")
    transceiver: Any = pc.addTransceiver("audio")
    sctp: Any = pc.sctp
    ice: Any = sctp.transport.transport
    await pc.setLocalDescription(await pc.createOffer())
    policy = pylibsrtp.Policy(key=bytes(30), ssrc_type=1)
    tls = SSL.Connection(SSL.Context(SSL.DTLS_METHOD))
    sctp._inbound_streams_count = 1
    yield {
        "RTCSctpTransport": sctp,
        "RTCDtlsTransport": sctp.transport,
        "RTCIceTransport": ice,
        "Connection": ice._connection,
        "StunProtocol": ice._connection._protocols[0],
        "RTCRtpTransceiver": transceiver,
        "RTCRtpReceiver": transceiver.receiver,
        "RTCRtpSender": transceiver.sender,
        "InboundStream": sctp._get_inbound_stream(0),
        "RtpRouter": sctp.transport._rtp_router,
        "pylibsrtp": pylibsrtp.Session(policy),
        "pyOpenSSL": _Both(tls, SSL),
    }
    await pc.close()


class _Both:
    def __init__(self, *objects: object) -> None:
        self._objects = objects

    def __getattr__(self, name: str) -> Any:
        for one in self._objects:
            if hasattr(one, name):
                return getattr(one, name)
        raise AttributeError(name)


@pytest.mark.parametrize("owner", sorted(TOUCHED))
async def test_a_private_part_is_there(owner: str, parts: dict[str, Any]) -> None:
    names = sorted(TOUCHED[owner])

    assert not [name for name in names if not hasattr(parts[owner], name)]


@pytest.mark.parametrize("owner", sorted(PUBLIC_UNDOCUMENTED))
async def test_an_undocumented_part_is_there(owner: str, parts: dict[str, Any]) -> None:
    names = PUBLIC_UNDOCUMENTED[owner]

    assert not [name for name in names if not hasattr(parts[owner], name)]


def test_a_sent_chunk_has_everything_retransmission_reads() -> None:
    """Ours, and what the installed version makes of its own."""
    ours = SentChunk(3, 1, 0, 0, 53, b"x", 0.0, None, None)

    assert not [name for name in BOOKED if not hasattr(ours, name)]
    source = inspect.getsource(RTCSctpTransport)
    used = {
        name
        for name in _attributes_of({"chunk", "schunk", "prev_chunk"}, source)
        if _is_private(name)
    }
    assert used == {name for name in BOOKED if _is_private(name)}


def test_nothing_private_is_touched_that_is_not_listed() -> None:
    listed = frozenset().union(*TOUCHED.values())
    touched = _touched_by_us()

    assert touched - listed - set(BOOKED) == set(), "enter it in the table"
    assert listed - touched == set(), "strike it out"


def test_what_an_init_changes_is_listed() -> None:
    assert frozenset(_CHANGED_BY_INIT) == BY_NAME_ONLY


def _attributes_of(variables: set[str], source: str) -> set[str]:
    return {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in variables
    }


def _touched_by_us() -> frozenset[str]:
    """Private names of objects that are not ours, in all of `server/rtc`."""
    names: set[str] = set()
    for path in sorted(Path(server.rtc.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text())
        own = _own_names(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and _is_private(node.attr):
                is_self = isinstance(node.value, ast.Name) and node.value.id == "self"
                if not (is_self and node.attr in own):
                    names.add(node.attr)
    return frozenset(names)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _own_names(tree: ast.AST) -> set[str]:
    """What a module defines or sets on `self`, names of bases apart."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        ):
            names.add(node.attr)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {t.id for t in targets if isinstance(t, ast.Name)}
    return {name for name in names if not name.startswith("_RTC")}

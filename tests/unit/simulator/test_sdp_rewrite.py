"""What a relay changes in an offer and in an answer, and what it leaves."""

from __future__ import annotations

import pytest

from simulator.sdp_rewrite import (
    MAX_SDP_BYTES,
    Candidate,
    SdpError,
    point_answer,
    server_addresses,
    strip_offer,
)


def sdp(*lines: str) -> str:
    return "".join(f"{line}\r\n" for line in lines)


HEAD = ("v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0 1")
HOST = "a=candidate:aa 1 udp 2130706431 127.0.0.1 5000 typ host"
LAN = "a=candidate:bb 1 udp 2130706431 192.168.1.9 5001 typ host"
TCP = "a=candidate:cc 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active"
MDNS = "a=candidate:dd 1 udp 2113937151 4d3e.local 5002 typ host"
SRFLX = (
    "a=candidate:ee 1 UDP 1694498815 127.0.0.2 5003 typ srflx raddr 10.0.0.1 rport 4"
)
RTCP = "a=candidate:ff 2 udp 2130706430 127.0.0.1 5004 typ host"
SIX = "a=candidate:gg 1 udp 2130706431 ::1 5005 typ host"


def test_an_offer_loses_every_address_of_the_client_and_nothing_else() -> None:
    offer = sdp(
        *HEAD,
        "m=audio 5001 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 192.168.1.9",
        "a=rtcp:5001 IN IP4 192.168.1.9",
        *(HOST, LAN, MDNS, SRFLX, TCP),
        "a=end-of-candidates",
        "a=ice-ufrag:abcd",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP6 fe80::1",
        "a=ice-options:trickle",
    )

    assert strip_offer(offer) == sdp(
        *HEAD,
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 0.0.0.0",
        "a=ice-ufrag:abcd",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=ice-options:trickle",
    )


def test_line_ends_of_either_kind_are_read() -> None:
    assert strip_offer(f"v=0\ns=-\n{HOST}\n") == sdp("v=0", "s=-")


ANSWER = sdp(
    *HEAD,
    "m=audio 5001 UDP/TLS/RTP/SAVPF 111",
    "c=IN IP4 192.168.1.9",
    "a=rtcp:9 IN IP4 0.0.0.0",
    *(LAN, TCP, RTCP, HOST, SIX),
    "a=end-of-candidates",
    "a=fingerprint:sha-256 00:11",
    "m=application 5001 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 192.168.1.9",
    LAN,
    HOST,
)


def test_the_servers_loopback_ipv4_udp_candidate_is_chosen() -> None:
    server = ("127.0.0.1", 5000)

    assert server_addresses(ANSWER) == {0: server, 1: server}


def test_the_answer_keeps_one_candidate_which_is_the_relay() -> None:
    front = ("127.0.0.1", 7000)
    relayed = "a=candidate:1 1 udp 2130706431 127.0.0.1 7000 typ host"

    assert point_answer(ANSWER, {0: front, 1: front}) == sdp(
        *HEAD,
        "m=audio 7000 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 127.0.0.1",
        relayed,
        "a=end-of-candidates",
        "a=fingerprint:sha-256 00:11",
        "m=application 7000 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 127.0.0.1",
        relayed,
    )


def test_a_section_without_a_relay_loses_its_candidates() -> None:
    pointed = point_answer(ANSWER, {0: ("::1", 7000)})

    assert pointed.count("a=candidate") == 1
    assert "c=IN IP6 ::1\r\n" in pointed


def test_a_rejected_section_stays_rejected() -> None:
    answer = sdp(*HEAD, "m=audio 0 UDP/TLS/RTP/SAVPF 111", HOST)

    assert "m=audio 0 UDP" in point_answer(answer, {0: ("127.0.0.1", 7000)})
    assert "m=audio 0 UDP" in strip_offer(answer)


def test_addresses_beyond_loopback_need_leave() -> None:
    answer = sdp(*HEAD, "m=audio 9 X 1", LAN)

    with pytest.raises(SdpError, match="no loopback UDP candidate"):
        server_addresses(answer)
    assert server_addresses(answer, allow_remote=True) == {0: ("192.168.1.9", 5001)}


@pytest.mark.parametrize("line", [MDNS, TCP, RTCP])
def test_names_tcp_and_the_second_component_are_no_way_to_a_server(line: str) -> None:
    with pytest.raises(SdpError, match="no UDP candidate"):
        server_addresses(sdp(*HEAD, "m=audio 9 X 1", line), allow_remote=True)


def test_a_candidate_line_is_read() -> None:
    assert Candidate.parse(SRFLX) == Candidate(
        "ee", 1, "udp", 1694498815, "127.0.0.2", 5003, "srflx"
    )


@pytest.mark.parametrize("rest", ["", "a 1 udp", "a one udp 1 h 2 typ host"])
def test_a_malformed_candidate_is_said_to_be_so_without_its_content(rest: str) -> None:
    with pytest.raises(SdpError, match=r"^malformed a=candidate line$"):
        server_addresses(sdp("m=audio 9 X 1", f"a=candidate:{rest}"))


def test_the_size_of_a_description_is_bounded() -> None:
    with pytest.raises(SdpError, match="more than"):
        strip_offer("a=x\r\n" * MAX_SDP_BYTES)
    with pytest.raises(SdpError, match="more than"):
        server_addresses(sdp("m=audio 9 X 1", HOST) * 20)
    with pytest.raises(SdpError, match="malformed m="):
        strip_offer("m=audio\r\n")

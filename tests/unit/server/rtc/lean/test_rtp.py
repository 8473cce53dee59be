"""RTP packets by hand, as aiortc reads them; statistics as RFC 3550 counts."""

from __future__ import annotations

import pytest
from aiortc.rtcrtpparameters import (
    RTCRtpHeaderExtensionParameters,
    RTCRtpParameters,
)
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from server.rtc.lean import rtp

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"


@pytest.mark.parametrize("mid", ["0", "audio", "a-long-media-id"])
def test_a_packet_with_its_section_named_is_read_by_aiortc(mid: str) -> None:
    extensions = HeaderExtensionsMap()
    extensions.configure(
        RTCRtpParameters(
            headerExtensions=[RTCRtpHeaderExtensionParameters(id=3, uri=MID)]
        )
    )
    data = rtp.pack(
        111, 65_535, 7, 9, b"opus", marker=True, extension=rtp.mid_extension(3, mid)
    )

    packet = RtpPacket.parse(data, extensions)

    assert (packet.payload_type, packet.sequence_number) == (111, 65_535)
    assert (packet.timestamp, packet.ssrc, packet.marker) == (7, 9, 1)
    assert packet.payload == b"opus"
    assert packet.extensions.mid == mid
    assert rtp.payload_of(data) == b"opus"
    assert rtp.read_header(data) == (111, 65_535, 7, 9)


def test_padding_sources_and_extensions_are_not_payload() -> None:
    plain = rtp.pack(111, 1, 2, 3, b"opus")
    padded = bytes([0xA0]) + plain[1:] + b"\0\0\x03"
    with_source = bytes([0x81]) + plain[1:12] + b"\0\0\0\x05" + b"opus"

    assert rtp.payload_of(plain) == b"opus"
    assert rtp.payload_of(padded) == b"opus"
    assert rtp.payload_of(with_source) == b"opus"
    assert rtp.payload_of(bytes([0x9F]) + plain[1:]) == b""


def test_loss_is_counted_across_the_wrap_of_the_sequence_number() -> None:
    reception = rtp.Reception(48_000)

    for n in range(65_530, 65_550):
        if n != 65_536:
            reception.add(n & 0xFFFF, n * 960, n * 0.02)

    assert reception.expected == 20
    assert reception.lost == 1
    assert reception.highest == 65_549
    assert reception.fraction_lost() == 256 // 20
    assert reception.fraction_lost() == 0


def test_a_steady_stream_has_no_jitter_and_a_shaken_one_has() -> None:
    steady, shaken = rtp.Reception(48_000), rtp.Reception(48_000)

    for n in range(200):
        steady.add(n, n * 960, n * 0.02)
        shaken.add(n, n * 960, n * 0.02 + (n % 2) * 0.01)

    assert steady.jitter_ticks < 1
    assert shaken.jitter_ticks == pytest.approx(480, rel=0.05)

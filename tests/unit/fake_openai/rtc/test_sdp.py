"""Offers are checked, answers look like the service's."""

import pytest

from fake_openai.rtc.answer_faults import with_wrong_fingerprint
from fake_openai.rtc.sdp import (
    InvalidOfferError,
    dress_answer,
    read_offer,
)

OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=candidate:1 1 udp 2113937151 0a1b.local 50000 typ host",
        "a=candidate:2 1 udp 2113937151 192.0.2.7 50001 typ host",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "",
    ]
)


def test_mdns_candidates_are_taken_out_of_an_offer() -> None:
    offer = read_offer(OFFER)

    assert ".local" not in offer.text
    assert "192.0.2.7" in offer.text
    assert offer.has_channel


@pytest.mark.parametrize(
    "text",
    ["", "hello", '{"sdp":"v=0"}', OFFER.replace("m=audio", "m=video")],
    ids=["empty", "prose", "json", "no audio"],
)
def test_what_is_not_an_offer_with_audio_is_refused(text: str) -> None:
    with pytest.raises(InvalidOfferError):
        read_offer(text)


def test_a_channel_can_be_required() -> None:
    without = OFFER.split("m=application")[0]

    assert not read_offer(without).has_channel
    with pytest.raises(InvalidOfferError):
        read_offer(without, channel_required=True)


def test_an_answer_is_dressed_as_the_service_words_it() -> None:
    plain = "\r\n".join(
        [
            "v=0",
            "m=audio 1 UDP/TLS/RTP/SAVPF 111",
            "a=ssrc:5 cname:abc-def",
            "a=rtpmap:111 opus/48000/2",
            "a=fingerprint:sha-256 AA:BB",
            "a=fingerprint:sha-512 CC:DD",
            "m=application 1 UDP/DTLS/SCTP webrtc-datachannel",
            "a=max-message-size:65536",
        ]
    )

    lines = dress_answer(plain).split("\r\n")

    assert "a=fmtp:111 minptime=10;useinbandfec=1" in lines
    assert "a=ssrc:5 cname:realtimeapi" in lines
    assert "a=max-message-size:1073741823" in lines
    assert not any("sha-512" in line for line in lines)
    assert lines[-1] == ""


def test_a_wrong_fingerprint_differs_in_every_byte() -> None:
    assert with_wrong_fingerprint("a=fingerprint:sha-256 00:FF:12") == (
        "a=fingerprint:sha-256 FF:00:ED"
    )

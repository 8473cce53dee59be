"""Offers: which are answered, which are refused with which code."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import RequestError
from server.rtc.offer import parse_offer


@pytest.fixture
async def offer() -> AsyncIterator[str]:
    """A good offer with audio and a channel."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("audio")
    pc.createDataChannel("audio")
    await pc.setLocalDescription()
    yield pc.localDescription.sdp
    await pc.close()


def without(offer: str, start: str) -> str:
    lines = [line for line in offer.splitlines() if not line.startswith(start)]
    return "\r\n".join(lines) + "\r\n"


BAD_OFFERS: dict[str, tuple[Callable[[str], str], str]] = {
    "empty": (lambda o: " ", "invalid_sdp"),
    "not sdp": (lambda o: "hello", "invalid_sdp"),
    "binary": (lambda o: "v=0\0\1\2", "invalid_sdp"),
    "no sections": (lambda o: o.split("m=audio")[0], "no_audio_in_offer"),
    "video only": (
        lambda o: o.split("m=application")[0].replace("m=audio", "m=video"),
        "no_audio_in_offer",
    ),
    "video too": (
        lambda o: o + "m=video" + o.split("m=audio")[1].split("m=app")[0],
        "invalid_sdp",
    ),
    "two microphones": (
        lambda o: o + "m=audio" + o.split("m=audio")[1].split("m=app")[0],
        "invalid_sdp",
    ),
    "no credentials": (lambda o: without(o, "a=ice-ufrag"), "invalid_sdp"),
    "no fingerprint": (lambda o: without(o, "a=fingerprint"), "invalid_sdp"),
    "no opus": (lambda o: o.replace("opus/48000/2", "speex/16000"), "invalid_sdp"),
    "no sctp port": (lambda o: without(o, "a=sctp-port"), "invalid_sdp"),
    "sections rejected": (
        lambda o: re.sub(r"m=(audio|application) \d+", r"m=\1 0", o),
        "no_audio_in_offer",
    ),
    "a hundred candidates": (
        lambda o: o + "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n" * 100,
        "invalid_sdp",
    ),
}


@pytest.mark.parametrize("name", BAD_OFFERS)
async def test_an_offer_we_cannot_answer_is_refused_in_words(
    offer: str, name: str
) -> None:
    spoil, code = BAD_OFFERS[name]

    with pytest.raises(RequestError) as refused:
        parse_offer(spoil(offer))

    assert refused.value.code == code
    assert refused.value.http_status == 400
    assert refused.value.user_message


async def test_what_an_offer_contains_is_seen(offer: str) -> None:
    both = parse_offer(offer)
    channel_only = parse_offer(
        offer[: offer.index("m=audio")] + offer[offer.index("m=application") :]
    )

    assert (both.has_audio, both.has_channel) == (True, True)
    assert (channel_only.has_audio, channel_only.has_channel) == (False, True)


async def test_candidates_that_only_multicast_can_resolve_are_removed(
    offer: str,
) -> None:
    mdns = "a=candidate:1 1 udp 2113937151 3b2f-11.local 5000 typ host\r\n"

    cleaned = parse_offer(offer + mdns).sdp

    assert ".local" not in cleaned
    assert cleaned.count("a=candidate:") == offer.count("a=candidate:")


async def test_bare_line_feeds_are_accepted(offer: str) -> None:
    assert parse_offer(offer.replace("\r\n", "\n")).sdp == offer


OFFER_LINES = [
    "v=0",
    "o=- 1 1 IN IP4 0.0.0.0",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0",
    "m=audio 9 UDP/TLS/RTP/SAVPF 96",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    "a=mid:0",
    "a=sendrecv",
    "a=rtpmap:96 opus/48000/2",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:abcdefghijklmnopqrstuv",
    "a=fingerprint:sha-256 AB:CD",
    "a=setup:actpass",
    "a=sctp-port:5000",
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(OFFER_LINES) | st.text(max_size=30), max_size=24))
def test_whatever_comes_is_an_offer_or_a_refusal(lines: list[str]) -> None:
    """A traceback here would be a 500 for whoever sends nonsense."""
    with suppress(RequestError):
        parse_offer("\r\n".join(["v=0", *lines]))

"""Offers checked and answers dressed as the service's (realtime-api.md 5.1, 5.2). PURE.

aiortc writes a correct answer; what a client can see of OpenAI's beyond that (stream
name, Opus parameters, channel message size) is edited into its text.
"""

import re
from dataclasses import dataclass
from typing import Final

STREAM_NAME: Final = "realtimeapi"
TRACK_NAME: Final = "audio"
MAX_MESSAGE_BYTES: Final = 1_073_741_823
MAX_OFFER_BYTES: Final = 200_000


class InvalidOfferError(ValueError):
    """The text is not an offer the service would answer."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A checked offer, without what our ICE must not act on."""

    text: str
    has_audio: bool
    has_channel: bool


def read_offer(text: str, *, channel_required: bool = False) -> Offer:
    """Check an offer's outline; the details are left to aiortc.

    Drops mDNS candidates: resolving `<uuid>.local` costs a second, and the browser's
    own checks reach us anyway (testing-recipes.md 1).

    Raises:
        InvalidOfferError: not SDP, no audio section, or (when required) no channel.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    if not lines or lines[0].strip() != "v=0" or len(text) > MAX_OFFER_BYTES:
        raise InvalidOfferError("not a session description")
    kinds = {line[2:].split(" ", 1)[0] for line in lines if line.startswith("m=")}
    if "audio" not in kinds:
        raise InvalidOfferError("no audio section")
    if channel_required and "application" not in kinds:
        raise InvalidOfferError("no data channel section")
    kept = [line for line in lines if not _is_mdns_candidate(line)]
    return Offer("\r\n".join(kept), True, "application" in kinds)


def dress_answer(text: str) -> str:
    """The answer as the service words it; CRLF line ends, with a final one."""
    out: list[str] = []
    for line in text.replace("\r\n", "\n").strip("\n").split("\n"):
        if line.startswith(("a=fingerprint:sha-384", "a=fingerprint:sha-512")):
            continue
        if line.startswith("a=max-message-size:"):
            line = f"a=max-message-size:{MAX_MESSAGE_BYTES}"
        elif line.startswith("a=ssrc:"):
            line = re.sub(r" cname:.*", f" cname:{STREAM_NAME}", line)
        out.append(line)
        opus = re.match(r"a=rtpmap:(\d+) opus/48000/2", line)
        if opus:
            out.append(f"a=fmtp:{opus[1]} minptime=10;useinbandfec=1")
    return "\r\n".join(out) + "\r\n"


def _is_mdns_candidate(line: str) -> bool:
    parts = line.split()
    return (
        line.startswith("a=candidate:")
        and len(parts) > 4
        and parts[4].endswith(".local")
    )

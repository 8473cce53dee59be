"""Reads a browser's offer before anything is built from it."""

from dataclasses import dataclass

from aiortc.sdp import MediaDescription, SessionDescription

from server.errors import InvalidSdpError, NoAudioInOfferError

MAX_SECTIONS = 4
MAX_CANDIDATES = 64


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer we can answer: `sdp` is cleaned of what would only cost time."""

    sdp: str
    has_audio: bool
    has_channel: bool


def parse_offer(text: str) -> Offer:
    """Check an offer and clean it.

    Candidates named `….local` are removed: resolving them by multicast takes up to a
    second, and the browser's own connectivity checks reach us without them.

    Raises:
        InvalidSdpError: not SDP, or nothing we could answer.
        NoAudioInOfferError: neither an audio section nor a data channel.
    """
    lines = [line for line in text.splitlines() if not _is_mdns_candidate(line)]
    sdp = "\r\n".join(lines) + "\r\n"
    if not sdp.startswith("v=0"):
        raise InvalidSdpError("does not start with v=0")
    try:
        description = SessionDescription.parse(sdp)
    except Exception as exc:
        raise InvalidSdpError(f"{type(exc).__name__} while parsing") from exc
    return _check(sdp, description)


def _is_mdns_candidate(line: str) -> bool:
    fields = line.split()
    return (
        line.startswith("a=candidate:")
        and len(fields) > 4
        and fields[4].lower().endswith(".local")
    )


def _check(sdp: str, description: SessionDescription) -> Offer:
    sections: list[MediaDescription] = description.media
    kinds = [section.kind for section in sections]
    if len(sections) > MAX_SECTIONS or kinds.count("audio") > 1:
        raise InvalidSdpError("more media sections than a call needs")
    if not {"audio", "application"} & set(kinds):
        raise NoAudioInOfferError
    if set(kinds) - {"audio", "application"}:
        raise InvalidSdpError(
            f"sections {kinds}", user_message="Only audio and a data channel work here."
        )
    if kinds.count("application") > 1:
        raise InvalidSdpError("two data channel sections")
    for section in sections:
        _check_section(section)
    has_audio = any(s.kind == "audio" and s.port != 0 for s in sections)
    has_channel = any(s.kind == "application" and s.port != 0 for s in sections)
    if not has_audio and not has_channel:
        raise NoAudioInOfferError
    return Offer(sdp, has_audio, has_channel)


def _check_section(section: MediaDescription) -> None:
    if len(section.ice_candidates) > MAX_CANDIDATES:
        raise InvalidSdpError("too many candidates")
    ice = section.ice
    if ice is None or not ice.usernameFragment or not ice.password:
        raise InvalidSdpError("no ICE credentials")
    if section.dtls is None or not section.dtls.fingerprints:
        raise InvalidSdpError("no DTLS fingerprint")
    if section.kind == "audio" and not any(
        codec.mimeType.lower() == "audio/opus" for codec in section.rtp.codecs
    ):
        raise InvalidSdpError(
            "no Opus in the audio section",
            user_message="The audio section of the offer does not include Opus.",
        )
    if section.kind == "application" and not (
        section.sctp_port or section.profile == "DTLS/SCTP"
    ):
        raise InvalidSdpError("no SCTP port")

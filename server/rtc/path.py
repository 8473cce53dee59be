"""How media gets from a peer connection to us and back: the seam between two ways.

`plain` is aiortc's own code and the reference; `lean` does the same work in a fraction
of the time. The same integration tests run on both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from aiortc import RTCDataChannel, RTCPeerConnection

from server.audio.format import Pcm
from server.audio.intake import Intake

PathKind: TypeAlias = Literal["lean", "aiortc"]
OnMessage = Callable[[str | bytes], None]


@dataclass(frozen=True, slots=True)
class LineFigures:
    """How the network treats one line."""

    jitter_ms: float = 0.0
    """Of arrivals here."""
    remote_fraction_lost: float = 0.0
    """Of what we sent, as the peer reports it."""


class AudioLine(Protocol):
    """Audio both ways: over a transceiver, or over a data channel."""

    intake: Intake
    """What comes from the peer."""
    takes_packets: bool
    """Whether Opus packets can be passed through, both ways."""

    def push(self, pcm: Pcm) -> None:
        """Send one frame; call every 20 ms, with SILENCE when there is nothing."""

    def push_packet(self, payload: bytes) -> None:
        """Send one Opus packet as it is. Only when `takes_packets`."""

    def rest(self) -> None:
        """20 ms of which nothing came from further away. Only when `takes_packets`."""

    def prime(self, frames: list[Pcm]) -> None:
        """Before the first `push` after packets: what the last of them held."""

    def figures(self) -> LineFigures:
        """How the network treats it now."""

    def stop(self) -> None:
        """Send nothing any more. The peer connection closes the rest."""


class SignsOfLife(Protocol):
    """Who watches whether the peer is there."""

    heard_at_s: float | None
    """When something came last, seconds of the loop."""


class MediaPath(Protocol):
    """The media of one peer connection."""

    def add_audio(self, *, dtx: bool) -> AudioLine:
        """Add an audio section, Opus only; call before negotiation.

        Args:
            dtx: silence may be sent as next to nothing.
        """

    def start(self, signs: SignsOfLife) -> None:
        """Both descriptions are set. Signs of life are noted there, maybe."""

    def listen(self, channel: RTCDataChannel, on_message: OnMessage) -> None:
        """Deliver every message of a channel that has an id."""

    def send(self, channel: RTCDataChannel | None, data: bytes | str) -> bool:
        """Send one message if the channel is open and can take it."""

    def send_audio(self, channel: RTCDataChannel, limit: int, data: bytes) -> bool:
        """Send one message, unless more than `limit` bytes wait to be sent."""

    def stop(self) -> None:
        """Before the peer connection is closed."""

    def free(self) -> None:
        """After it was closed: keep nothing of it."""


def media_path(kind: PathKind, pc: RTCPeerConnection) -> MediaPath:
    """The path of a new peer connection: lean if asked for and possible here."""
    from server.rtc.lean import pins
    from server.rtc.lean.path import LeanPath
    from server.rtc.plain import PlainPath

    if kind == "lean" and pins.fit():
        return LeanPath(pc)
    return PlainPath(pc)

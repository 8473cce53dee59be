"""How media gets from a peer connection to us and back: the seam between two ways.

`plain` is aiortc's own code and the reference; `lean` does the same work in a fraction
of the time. The same integration tests run on both.
"""

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from aiortc import RTCDataChannel, RTCPeerConnection

from server.audio.format import Pcm

PathKind: TypeAlias = Literal["lean", "aiortc"]
OnPcm = Callable[[Pcm], None]
OnMessage = Callable[[str | bytes], None]


class AudioLine(Protocol):
    """Opus both ways over one transceiver."""

    @property
    def lost_packets(self) -> int:
        """Packets of the peer that never came."""

    def push(self, pcm: Pcm) -> None:
        """Send one frame; call every 20 ms, with SILENCE when there is nothing."""

    def stop(self) -> None:
        """Send nothing any more. The peer connection closes the rest."""


class MediaPath(Protocol):
    """The media of one peer connection."""

    def add_audio(self, on_pcm: OnPcm, *, dtx: bool) -> AudioLine:
        """Add an audio section, Opus only; call before negotiation.

        Args:
            on_pcm: gets the peer's samples as they come, losses filled in.
            dtx: silence may be sent as next to nothing.
        """

    def start(self, heard: Callable[[], None]) -> None:
        """Both descriptions are set. `heard` is called for signs of life, maybe."""

    def listen(self, channel: RTCDataChannel, on_message: OnMessage) -> None:
        """Deliver every message of a channel that has an id."""

    def send(self, channel: RTCDataChannel | None, data: bytes | str) -> bool:
        """Send one message if the channel is open and can take it."""

    def stop(self) -> None:
        """Before the peer connection is closed."""


def media_path(kind: PathKind, pc: RTCPeerConnection) -> MediaPath:
    """The path of a new peer connection: lean if asked for and possible here."""
    from server.rtc.lean import pins
    from server.rtc.lean.path import LeanPath
    from server.rtc.plain import PlainPath

    if kind == "lean" and pins.fit():
        return LeanPath(pc)
    return PlainPath(pc)

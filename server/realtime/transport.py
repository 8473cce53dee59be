"""What the rest of the bridge knows about a model leg, whatever carries it."""

from typing import Protocol

from server.audio.format import Pcm
from server.realtime.config import Json, SessionConfig
from server.realtime.wire import ServerEvent


class TransportEvents(Protocol):
    """What a leg tells its owner. Plain calls on the event loop."""

    def on_model_event(self, event: ServerEvent) -> None:
        """One event of the service."""

    def on_model_audio(self, pcm: Pcm) -> None:
        """Samples of the assistant's voice, as they come."""

    def on_model_packet(self, payload: bytes | None) -> None:
        """Its Opus packets instead, while they pass; None was lost."""

    def on_model_lost(self, reason: str) -> None:
        """The leg is over. May come more than once."""


class ModelTransport(Protocol):
    """A model leg; whoever made it closes it, opened or not."""

    async def open(self, config: SessionConfig) -> None:
        """Reach the service; raises a BridgeError. Then events begin to flow."""

    def send_event(self, event: Json) -> bool:
        """Send one client event; False when the leg cannot."""

    def send_audio(self, pcm: Pcm) -> None:
        """Send one 20 ms frame; call at every tick, with silence if need be."""

    @property
    def takes_packets(self) -> bool:
        """Whether Opus packets can pass undecoded, both ways."""

    @property
    def passes_packets(self) -> bool:
        """Whether the voice comes as packets now."""

    def pass_packets(self, on: bool) -> list[Pcm]:
        """Have the voice come as packets, or decoded again; then what they held last.

        Only when `takes_packets`.
        """

    def send_packet(self, payload: bytes) -> None:
        """Send one Opus packet in place of a frame; an empty one is 20 ms of nothing.

        Only when `takes_packets`.
        """

    def prime(self, frames: list[Pcm]) -> None:
        """Before the first `send_audio` after packets: what the last of them held."""

    @property
    def takes_bursts(self) -> bool:
        """Whether it takes audio faster than real time."""

    def tick(self) -> None:
        """Every 20 ms: what has to be done in real time."""

    def probe(self) -> None:
        """Ask the service for a sign of life."""

    @property
    def lost_packets(self) -> int:
        """Audio packets of the model that never came."""

    def silent_s(self) -> float:
        """Seconds since anything at all was heard from the service."""

    async def close(self) -> None:
        """End the call and free everything. Safe to call twice."""

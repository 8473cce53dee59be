"""The model leg over WebRTC: signalling plus a peer."""

from server.audio.format import Pcm
from server.realtime import wire
from server.realtime.config import Json, SessionConfig
from server.realtime.messages import encode
from server.realtime.signalling import Signalling
from server.realtime.transport import TransportEvents
from server.rtc.ice import IcePolicy
from server.rtc.model import ModelPeer


class WebRtcTransport:
    """A ModelTransport. `open` it; the events then flow to the owner."""

    def __init__(
        self, events: TransportEvents, signalling: Signalling, policy: IcePolicy
    ) -> None:
        self._events = events
        self._signalling = signalling
        self._call_id: str | None = None
        self._has_ended = False
        self._peer = ModelPeer(self, policy)
        # Audio goes there without a stop.
        self.send_audio = self._peer.send_audio
        self.send_packet = self._peer.send_packet

    async def open(self, config: SessionConfig) -> None:
        """Mint a secret, call the service, take its answer.

        The session itself is there once `session.created` arrives.

        Raises:
            BridgeError: what stood in the way. The caller still closes.
        """
        secret = await self._signalling.mint_secret(config)
        accepted = await self._signalling.exchange(await self._peer.offer(), secret)
        self._call_id = accepted.call_id
        await self._peer.accept(accepted.sdp)

    def send_event(self, event: Json) -> bool:
        """Send one client event; False when the channel is not open."""
        return self._peer.send_event(encode(event))

    @property
    def takes_packets(self) -> bool:
        """RTP carries what WebRTC browsers send."""
        return True

    @property
    def passes_packets(self) -> bool:
        """Whether the voice comes as packets now."""
        return self._peer.passes_packets

    def pass_packets(self, on: bool) -> list[Pcm]:
        """Have the voice come as packets, or decoded again."""
        return self._peer.pass_packets(on)

    def prime(self, frames: list[Pcm]) -> None:
        """Before the first `send_audio` after packets."""
        self._peer.prime(frames)

    @property
    def takes_bursts(self) -> bool:
        """RTP is played as it comes: a burst would overrun the jitter buffer."""
        return False

    def tick(self) -> None:
        """Nothing: RTP keeps its own time."""

    def probe(self) -> None:
        """Ask the service for a sign of life."""
        self._peer.probe()

    @property
    def lost_packets(self) -> int:
        """Audio packets of the model that never came."""
        return self._peer.lost_packets

    def silent_s(self) -> float:
        """Seconds since anything at all was heard from the service."""
        return self._peer.silent_s()

    async def close(self) -> None:
        """End the call and free everything. Safe to call twice."""
        service_knows = self._has_ended
        await self._peer.close()
        call_id, self._call_id = self._call_id, None
        if call_id is not None and not service_knows:
            # It might notice, and stop billing, only when ICE gives up.
            await self._signalling.hang_up(call_id)

    def on_event(self, text: str) -> None:
        """From the peer: one message of the channel."""
        self._events.on_model_event(wire.decode(text))

    def on_audio(self, pcm: Pcm) -> None:
        """From the peer: decoded samples."""
        self._events.on_model_audio(pcm)

    def on_packet(self, payload: bytes | None) -> None:
        """From the peer: one packet, undecoded; None was lost."""
        self._events.on_model_packet(payload)

    def on_lost(self, reason: str) -> None:
        """From the peer: it is over."""
        self._has_ended = True
        self._events.on_model_lost(reason)

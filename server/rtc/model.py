"""The model leg over WebRTC: one audio track each way and the channel `oai-events`."""

import asyncio
from typing import Protocol

from aiortc import RTCSessionDescription

from server.audio.format import Pcm
from server.errors import MediaError, ModelUnreachableError
from server.rtc.connection import close_connection, new_connection
from server.rtc.ice import IcePolicy
from server.rtc.liveness import PathWatch
from server.rtc.path import media_path

CHANNEL_LABEL = "oai-events"
GATHER_TIMEOUT_S = 10.0
RECENT_S = 0.4
"""While audio comes there is no need to ask for signs of life."""


class ModelPeerEvents(Protocol):
    """What the leg tells its owner. Plain calls on the event loop."""

    def on_event(self, text: str) -> None:
        """One message of the channel, unparsed."""

    def on_audio(self, pcm: Pcm) -> None:
        """Decoded samples of the model's voice, as they come."""

    def on_packet(self, payload: bytes | None) -> None:
        """Its Opus packets instead, while they pass; None was lost."""

    def on_lost(self, reason: str) -> None:
        """The leg is over. May come more than once."""


class ModelPeer:
    """One call to the model. Order: offer, accept, (events), close by the owner."""

    def __init__(self, events: ModelPeerEvents, policy: IcePolicy) -> None:
        self._events = events
        self._policy = policy
        self._watch = PathWatch(asyncio.get_running_loop().time)
        self._pc = new_connection(policy, events.on_lost)
        self._path = media_path(policy.media_path, self._pc)
        # No DTX: the service's turn detection must hear the silence.
        self._line = self._path.add_audio(dtx=False)
        self._line.intake.pass_frames(events.on_audio)
        self.send_audio = self._line.push
        """Send one frame; call every 20 ms, with silence when nobody speaks."""
        # The service wants the channel in the offer, made by the client.
        self._channel = self._pc.createDataChannel(CHANNEL_LABEL)
        self._path.listen(self._channel, self._on_message)
        self._channel.on("close", lambda: events.on_lost("event channel closed"))

    async def offer(self) -> str:
        """The offer, with all candidates.

        Raises:
            MediaError: gathering candidates took too long.
        """
        try:
            async with asyncio.timeout(GATHER_TIMEOUT_S):
                with self._policy.applied():
                    await self._pc.setLocalDescription()
        except TimeoutError as exc:
            raise MediaError("no candidates gathered in time") from exc
        return self._pc.localDescription.sdp

    async def accept(self, answer_sdp: str) -> None:
        """Take the service's answer; the connection then comes up by itself.

        Raises:
            ModelUnreachableError: the answer is not usable.
        """
        try:
            await self._pc.setRemoteDescription(
                RTCSessionDescription(sdp=answer_sdp, type="answer")
            )
        except Exception as exc:
            # aiortc has no common base for what a strange answer makes it raise.
            raise ModelUnreachableError(
                f"{type(exc).__name__} while reading the answer",
                user_message="The voice service sent an answer that makes no sense.",
            ) from exc
        self._watch.watch(self._pc)
        self._path.start(self._watch)

    def send_event(self, text: str) -> bool:
        """Send one event; False when the channel is not open."""
        return self._path.send(self._channel, text)

    @property
    def passes_packets(self) -> bool:
        """Whether the voice comes as packets now."""
        return self._line.intake.passes_packets

    def pass_packets(self, on: bool) -> list[Pcm]:
        """Have the voice come as packets, or decoded again.

        Returns:
            What the last packets held, when they are decoded again.
        """
        intake = self._line.intake
        if on:
            intake.pass_packets(self._events.on_packet)
            return []
        intake.pass_frames(self._events.on_audio)
        return intake.woken

    def send_packet(self, payload: bytes) -> None:
        """Send one Opus packet as it is; an empty one is 20 ms of nothing."""
        if payload:
            self._line.push_packet(payload)
        else:
            self._line.rest()

    def prime(self, frames: list[Pcm]) -> None:
        """Before the first `send_audio` after packets: what the last of them held."""
        self._line.prime(frames)

    def probe(self) -> None:
        """Ask the service for a sign of life."""
        self._watch.probe(unless_heard_s=RECENT_S)

    def silent_s(self) -> float:
        """Seconds since anything at all was heard from the service."""
        return self._watch.silent_s()

    @property
    def lost_packets(self) -> int:
        """Audio packets that never came."""
        return self._line.intake.lost_packets

    async def close(self) -> None:
        """Free everything. Safe to call twice."""
        self._watch.stop()
        self._line.stop()
        await close_connection(self._pc, self._path)

    def _on_message(self, data: str | bytes) -> None:
        if isinstance(data, str):
            self._events.on_event(data)

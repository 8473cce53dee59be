"""Audio over a data channel, in one of three framings (docs/framing.md)."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from server.audio import framing as fr
from server.audio.conceal import PcmDecoder
from server.audio.format import FRAME_SAMPLES, RATE_HZ, Pcm
from server.audio.intake import Intake
from server.audio.pcm import bytes_to_pcm, is_all_zero, pcm_to_bytes
from server.rtc import libopus, opus_packet
from server.rtc.lean.rtp import Reception
from server.rtc.path import LineFigures

MAX_OPUS_BYTES = fr.HEADER_BYTES + libopus.MAX_PACKET_BYTES

SendMessage = Callable[[bytes], bool]
"""Sends one message; False: the network is too slow for it now."""


class ChannelLine(ABC):
    """An AudioLine of one data channel. `receive` it every message that comes."""

    framing: fr.Framing
    takes_packets = False

    def __init__(self, send: SendMessage, intake: Intake) -> None:
        self.intake = intake
        self._send = send
        self._reception = Reception(RATE_HZ)
        self.sent_frames = 0
        self.dropped_frames = 0

    @abstractmethod
    def receive(self, message: bytes) -> None:
        """One message of the peer.

        Raises:
            FramingError: it is not what the framing says.
        """

    @abstractmethod
    def push(self, pcm: Pcm) -> None:
        """Send one frame."""

    def push_packet(self, payload: bytes) -> None:
        """Only when `takes_packets`."""
        raise TypeError(f"{self.framing} carries samples, not packets")

    def rest(self) -> None:  # noqa: B027 (a default, not a duty)
        """Nothing came: the peer's own buffer runs dry."""

    def prime(self, frames: list[Pcm]) -> None:  # noqa: B027 (the same)
        """Samples need no preparation."""

    def figures(self) -> LineFigures:
        """How the network treats it now."""
        return LineFigures(jitter_ms=self._reception.jitter_ticks * 1000 / RATE_HZ)

    def stop(self) -> None:
        """Send nothing any more; the peer connection closes the channel."""
        self._send = _nowhere
        self.intake.close()

    def _transmit(self, message: bytes | None) -> None:
        if message is None:
            return
        if self._send(message):
            self.sent_frames += 1
        else:
            self.dropped_frames += 1

    def _take(self, message: bytes, payload: bytes) -> None:
        """One message that is as it should be."""
        _, flags, sequence, timestamp = fr.HEADER.unpack_from(message)
        self._reception.add(sequence, timestamp, time.monotonic())
        self.intake.packet(sequence, payload, is_pause=bool(flags & fr.PAUSE))


class RawLine(ChannelLine):
    """Headerless PCM16: loss and order cannot be seen."""

    framing = "raw"

    def __init__(self, send: SendMessage) -> None:
        super().__init__(send, Intake(PcmDecoder))

    def receive(self, message: bytes) -> None:
        """Samples."""
        if len(message) % 2:
            raise fr.FramingError("audio must be whole 16-bit samples")
        self.intake.samples(bytes_to_pcm(message))

    def push(self, pcm: Pcm) -> None:
        """Send one frame, silence too: the peer may know no pauses."""
        self._transmit(pcm_to_bytes(pcm))


class PcmLine(ChannelLine):
    """PCM16 with a header; silence is not sent."""

    framing = "pcm16.v1"

    def __init__(self, send: SendMessage) -> None:
        super().__init__(send, Intake(PcmDecoder))
        self._counter = fr.FrameCounter(FRAME_SAMPLES)

    def receive(self, message: bytes) -> None:
        """One frame."""
        payload = fr.payload_of(message)
        if not payload or len(payload) % 2:
            raise fr.FramingError("audio must be whole 16-bit samples")
        self._take(message, payload)

    def push(self, pcm: Pcm) -> None:
        """Send one frame."""
        if is_all_zero(pcm):
            self._transmit(self._counter.silence(bytes(pcm.nbytes)))
        else:
            self._transmit(self._counter.frame(pcm_to_bytes(pcm)))


class OpusLine(ChannelLine):
    """Opus packets of 20 ms with a header; silence is not sent."""

    framing = "opus.v1"
    takes_packets = True

    def __init__(self, send: SendMessage) -> None:
        """
        Raises:
            OpusError: there is no libopus here.
        """
        super().__init__(send, Intake(libopus.Decoder))
        self._counter = fr.FrameCounter(FRAME_SAMPLES)
        self._encoder = libopus.Encoder()
        self._passed = b""

    def receive(self, message: bytes) -> None:
        """One packet."""
        payload = fr.payload_of(message)
        if (
            not payload
            or len(message) > MAX_OPUS_BYTES
            or (
                payload[0] not in opus_packet.OF_20_MS
                and opus_packet.duration_ms(payload) != 20
            )
        ):
            raise fr.FramingError("audio must be Opus packets of 20 ms")
        self._take(message, payload)

    def push(self, pcm: Pcm) -> None:
        """Encode and send one frame."""
        is_silent = is_all_zero(pcm)
        if is_silent and self._counter.is_pausing:
            self._transmit(self._counter.silence(opus_packet.NOTHING))
            return
        payload, counter = self._encoder.encode(pcm), self._counter
        self._transmit(
            counter.silence(payload) if is_silent else counter.frame(payload)
        )

    def push_packet(self, payload: bytes) -> None:
        """Send one packet of the model's encoder."""
        self._passed, counter = payload, self._counter
        if len(payload) <= opus_packet.SILENT_BYTES:
            self._transmit(counter.silence(payload))
        else:
            self._transmit(counter.frame(payload))

    def rest(self) -> None:
        """A packet was lost further away: the peer's decoder goes on by itself."""
        self._transmit(self._counter.silence(opus_packet.NOTHING))

    def prime(self, frames: list[Pcm]) -> None:
        """Before the first `push` after packets: what the last of them held."""
        self._encoder.join(frames, after=self._passed)

    def stop(self) -> None:
        """Send nothing any more, and free the encoder."""
        super().stop()
        self._encoder.free()


def new_line(framing: fr.Framing, send: SendMessage) -> ChannelLine:
    """The line of a channel.

    Raises:
        FramingError: not possible here.
    """
    if framing == "raw":
        return RawLine(send)
    if framing == "pcm16.v1":
        return PcmLine(send)
    try:
        return OpusLine(send)
    except libopus.OpusError as exc:
        raise fr.FramingError("no Opus on this server") from exc


def _nowhere(message: bytes) -> bool:
    """The channel of a line that was stopped."""
    return False

"""Receives Opus RTP: packet in, samples or the packet itself out, in one call.

Negotiation stays aiortc's: this is an RTCRtpReceiver whose `receive` starts neither a
decoder thread nor a task. What becomes of a packet is its Intake's business.
"""

import time

from aiortc import RTCRtpReceiver
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters
from aiortc.rtp import AnyRtcpPacket, RtcpReceiverInfo, RtcpSrPacket

from server.audio.intake import Intake
from server.rtc.lean import rtp

CLOCK_HZ = 48_000


class LeanReceiver(RTCRtpReceiver):
    """Gives the packets of one remote audio stream to an Intake."""

    def __init__(self, transport: RTCDtlsTransport, intake: Intake) -> None:
        super().__init__("audio", transport)
        self.intake = intake
        self._payload_types: frozenset[int] = frozenset()
        self._sr_middle = 0
        self._sr_s = 0.0
        self._ssrc: int | None = None
        self._reception = rtp.Reception(CLOCK_HZ)

    @property
    def jitter_ms(self) -> float:
        """Of arrivals, as RFC 3550 section 6.4.1 has it."""
        return self._reception.jitter_ticks * 1000 / CLOCK_HZ

    async def receive(self, parameters: RTCRtpReceiveParameters) -> None:
        """Called by the peer connection when receiving was negotiated."""
        if self._payload_types:
            return
        self._payload_types = frozenset(
            codec.payloadType
            for codec in parameters.codecs
            if codec.mimeType.lower() == "audio/opus" and codec.payloadType is not None
        )
        # For RTCP only; RTP does not pass aiortc's router any more.
        self.transport._register_rtp_receiver(self, parameters)

    async def stop(self) -> None:
        """Stop for good."""
        if self._payload_types:
            self._payload_types = frozenset()
            self.transport._unregister_rtp_receiver(self)

    def on_packet(self, packet: bytes) -> None:
        """One decrypted RTP packet."""
        payload_type, sequence, timestamp, ssrc = rtp.read_header(packet)
        if not self._enabled or payload_type not in self._payload_types:
            return
        if ssrc != self._ssrc:
            self._start_stream(ssrc)
            self.transport._rtp_router.ssrc_table[ssrc] = self
        self._reception.add(sequence, timestamp, time.monotonic())
        payload = rtp.payload_of(packet)
        if payload:
            self.intake.packet(sequence, payload)

    def report_blocks(self, now_s: float) -> list[RtcpReceiverInfo]:
        """What a report says about the current stream; begins the next interval."""
        reception = self._reception
        if self._ssrc is None or not reception.received:
            return []
        delay_s = now_s - self._sr_s
        return [
            RtcpReceiverInfo(
                ssrc=self._ssrc,
                fraction_lost=reception.fraction_lost(),
                packets_lost=reception.lost,
                highest_sequence=reception.highest & 0xFFFFFFFF,
                jitter=int(reception.jitter_ticks),
                lsr=self._sr_middle,
                dlsr=int(delay_s * 65_536) & 0xFFFFFFFF if self._sr_middle else 0,
            )
        ]

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpSrPacket):
            self._sr_middle = packet.sender_info.ntp_timestamp >> 16 & 0xFFFFFFFF
            self._sr_s = time.monotonic()

    async def _handle_rtp_packet(self, packet: object, arrival_time_ms: int) -> None:
        """Packets that came before the wire was taken over are not missed."""

    def _handle_disconnect(self) -> None:
        """No decoder thread to stop: the peer connection tells who must know."""

    def _start_stream(self, ssrc: int | None) -> None:
        if self._ssrc is not None:
            self.intake.begin()
        self._ssrc = ssrc
        self._reception = rtp.Reception(CLOCK_HZ)
        self._sr_middle = 0

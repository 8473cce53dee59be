"""Receives Opus RTP on the event loop, in place of aiortc's receiver.

aiortc's own receiver waits for four packets before it gives the first, keeps every
delay it ever gained after a loss, and runs a thread per stream. This one hands a packet
to an Intake the moment it comes. RTCP stays aiortc's.

It relies on private parts of aiortc 1.16; `tests/contract/server/test_aiortc_pins.py`
names each of them.
"""

import asyncio

from aiortc import RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpCodecCapability, RTCRtpReceiveParameters
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtpPacket

from server.audio.intake import Intake

OPUS_CLOCK_HZ = 48_000


def opus_only() -> list[RTCRtpCodecCapability]:
    """The codec preference of every audio section of ours."""
    codecs = RTCRtpSender.getCapabilities("audio").codecs
    return [c for c in codecs if c.mimeType.lower() == "audio/opus"]


class OpusReceiver(RTCRtpReceiver):
    """Gives the packets of one remote audio stream to an Intake."""

    def __init__(self, transport: RTCDtlsTransport, intake: Intake) -> None:
        super().__init__("audio", transport)
        self.intake = intake
        self._payload_types: frozenset[int] = frozenset()
        self._is_receiving = False
        self._ssrc: int | None = None
        self._statistics = StreamStatistics(OPUS_CLOCK_HZ)

    @classmethod
    def attach(cls, transceiver: RTCRtpTransceiver, intake: Intake) -> "OpusReceiver":
        """Make a fresh transceiver use an OpusReceiver. Call before negotiation."""
        receiver = cls(transceiver.receiver.transport, intake)
        receiver._set_rtcp_ssrc(transceiver.sender._ssrc)
        transceiver._RTCRtpTransceiver__receiver = receiver  # type: ignore[attr-defined]
        return receiver

    @property
    def jitter_ms(self) -> float:
        """Of arrivals, as RFC 3550 section 6.4.1 has it."""
        return self._statistics.jitter * 1000 / OPUS_CLOCK_HZ

    async def receive(self, parameters: RTCRtpReceiveParameters) -> None:
        """Start receiving; called by the peer connection once DTLS is up."""
        if self._is_receiving:
            return
        self._is_receiving = True
        self._payload_types = frozenset(
            codec.payloadType
            for codec in parameters.codecs
            if codec.mimeType.lower() == "audio/opus" and codec.payloadType is not None
        )
        self.transport._register_rtp_receiver(self, parameters)
        # These two make the base class's stop() end the RTCP task.
        self._RTCRtpReceiver__rtcp_task = asyncio.ensure_future(self._run_rtcp())
        self._RTCRtpReceiver__started = True

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        if not self._enabled or packet.payload_type not in self._payload_types:
            return
        if packet.ssrc != self._ssrc:
            self._start_stream(packet.ssrc)
        self._statistics.add(packet)
        if packet.payload:
            self.intake.packet(packet.sequence_number, packet.payload)

    def _handle_disconnect(self) -> None:
        """No decoder thread to stop: the peer connection tells who must know."""

    def _start_stream(self, ssrc: int | None) -> None:
        if self._ssrc is not None:
            self.intake.begin()
        self._ssrc = ssrc
        self._statistics = StreamStatistics(OPUS_CLOCK_HZ)
        if ssrc is not None:
            # What the base class's RTCP task reports on: the current stream only.
            streams = self._RTCRtpReceiver__remote_streams  # type: ignore[attr-defined]
            streams.clear()
            streams[ssrc] = self._statistics

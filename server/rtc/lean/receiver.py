"""Receives Opus RTP: packet in, samples out, in one call.

Negotiation stays aiortc's: this is an RTCRtpReceiver whose `receive` starts neither a
decoder thread nor a task. Losses are filled in by the decoder itself, from the next
packet when that carries the lost frame once more.
"""

import time
from collections.abc import Callable

from aiortc import RTCRtpReceiver
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters
from aiortc.rtp import AnyRtcpPacket, RtcpReceiverInfo, RtcpSrPacket

from server.audio.format import Pcm
from server.audio.reorder import ReorderWindow
from server.rtc import libopus
from server.rtc.lean import rtp

CLOCK_HZ = 48_000
OnPcm = Callable[[Pcm], None]


class LeanReceiver(RTCRtpReceiver):
    """Decodes one remote audio stream and gives its samples to `on_pcm`."""

    def __init__(self, transport: RTCDtlsTransport, on_pcm: OnPcm) -> None:
        super().__init__("audio", transport)
        self._on_pcm = on_pcm
        self._payload_types: frozenset[int] = frozenset()
        self._sr_middle = 0
        self._sr_s = 0.0
        self.concealed_frames = 0
        self._start_stream(None)

    @property
    def lost_packets(self) -> int:
        """Packets of the current stream that never came."""
        return self._window.counters.lost

    @property
    def late_packets(self) -> int:
        """Packets that came after they had been given up."""
        return self._window.counters.late

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
        released = self._window.push(sequence, rtp.payload_of(packet))
        for n, payload in enumerate(released):
            if payload is None:
                self.concealed_frames += 1
                following = released[n + 1] if n + 1 < len(released) else None
                self._on_pcm(self._decoder.conceal(following))
                continue
            pcm = self._decoder.decode(payload)
            if pcm is not None and pcm.size:
                self._on_pcm(pcm)

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
        self._ssrc = ssrc
        self._window = ReorderWindow()
        self._decoder = libopus.Decoder()
        self._reception = rtp.Reception(CLOCK_HZ)
        self._sr_middle = 0

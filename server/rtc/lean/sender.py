"""Sends Opus RTP the moment it is encoded, in place of aiortc's sender task.

Negotiation stays aiortc's: this is an RTCRtpSender whose `send` starts no task. Reports
about what we send and receive go out together (RFC 3550 section 6.1).
"""

import asyncio
import random
import time
from collections import deque
from typing import Any

from aiortc import RTCRtpSender
from aiortc.clock import current_ntp_time
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpSendParameters
from aiortc.rtp import (
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
)

from server.audio.format import FRAME_SAMPLES, SILENCE, Pcm
from server.audio.pcm import is_all_zero
from server.rtc import libopus, opus_packet
from server.rtc.lean import rtp
from server.rtc.lean.receiver import LeanReceiver
from server.rtc.lean.wire import Wire

REPORT_INTERVAL_S = 2.5
"""Mean; each one is 0.5 to 1.5 times as long (RFC 3550 section 6.2)."""
HISTORY = 64
"""Packets kept for retransmission: 1.3 s, more than any playout delay."""
TICKS_PER_FRAME = 960
CLOCK_HZ = 48_000
SETTLING_FRAMES = 3
"""Frames of silence really encoded; after them the encoder repeats itself."""
CONTINUOUS_SILENCE_FRAMES = 10
DTX_INTERVAL_FRAMES = 20
"""Then one packet per 400 ms, as libopus's own DTX does."""
_CNAME = 1
_MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"


class LeanSender(RTCRtpSender):
    """One outgoing Opus stream. `push` it one frame every 20 ms."""

    def __init__(
        self, transport: RTCDtlsTransport, receiver: LeanReceiver, *, dtx: bool
    ) -> None:
        """
        Args:
            receiver: of the same transceiver; its reports go out with ours.
            dtx: send next to nothing while there is only silence.
        """
        super().__init__("audio", transport)
        self._receiver = receiver
        self._dtx = dtx
        self._encoder = libopus.Encoder()
        self._wire: Wire | None = None
        self._payload_type: int | None = None
        self._cname = b""
        self._extension = b""
        self._sequence = random.randrange(1 << 15)
        self._timestamp = random.randrange(1 << 32)
        """Of the next packet."""
        self._sent_timestamp = self._timestamp
        self._silent_frames = 0
        self._silence_packet = b""
        self._passed = b""
        self._marker = True
        self._history: deque[tuple[int, bytes]] = deque(maxlen=HISTORY)
        self._packets = self._octets = 0
        self._sent_s = 0.0
        self._report_handle: asyncio.TimerHandle | None = None
        self._sr_middle = 0
        self._sr_s = 0.0
        self.round_trip_s: float | None = None
        self.remote_fraction_lost = 0.0

    def connect(self, wire: Wire) -> None:
        """The handshake is done; packets may flow once `send` was called too."""
        self._wire = wire

    async def send(self, parameters: RTCRtpSendParameters) -> None:
        """Called by the peer connection when sending was negotiated."""
        if self._payload_type is not None:
            return
        self.transport._register_rtp_sender(self, parameters)
        self._payload_type = parameters.codecs[0].payloadType
        self._cname = (parameters.rtcp.cname or "").encode()
        for extension in parameters.headerExtensions:
            if extension.uri == _MID_URI and parameters.muxId:
                self._extension = rtp.mid_extension(extension.id, parameters.muxId)
        self._report_later()

    async def stop(self) -> None:
        """Say goodbye and stop for good."""
        if self._report_handle is not None:
            self._report_handle.cancel()
            self._report_handle = None
        if self._payload_type is not None:
            self.transport._unregister_rtp_sender(self)
            self._payload_type = None
            if self._wire is not None:
                self._wire.send_rtcp(bytes(RtcpByePacket(sources=[self._ssrc])))
        self._wire = None
        self._encoder.free()
        self._history.clear()

    @property
    def _can_send(self) -> bool:
        return (
            self._wire is not None and self._payload_type is not None and self._enabled
        )

    def push(self, pcm: Pcm) -> None:
        """Encode and send one frame of FRAME_SAMPLES samples."""
        payload = self._encode(pcm) if self._can_send else b""
        if payload:
            self._send(payload, TICKS_PER_FRAME)
        else:
            self._skip(TICKS_PER_FRAME)

    def push_packet(self, payload: bytes) -> None:
        """Send an Opus packet of somebody else's encoder, as it is."""
        self._passed = payload
        ticks = TICKS_PER_FRAME
        if payload[0] not in opus_packet.OF_20_MS:
            ticks = int(opus_packet.duration_ms(payload) * CLOCK_HZ // 1000)
        if self._dtx and len(payload) <= opus_packet.SILENT_BYTES:
            self._silent_frames += 1
            n = self._silent_frames
            if n > CONTINUOUS_SILENCE_FRAMES and n % DTX_INTERVAL_FRAMES:
                self._skip(ticks)
                return
        else:
            self._marker |= self._silent_frames > CONTINUOUS_SILENCE_FRAMES
            self._silent_frames = 0
        if self._can_send:
            self._send(payload, ticks)
        else:
            self._skip(ticks)

    def rest(self) -> None:
        """20 ms of which nothing came."""
        if self._dtx or not self._can_send:
            self._skip(TICKS_PER_FRAME)
        else:
            self._send(opus_packet.NOTHING, TICKS_PER_FRAME)

    def prime(self, frames: list[Pcm]) -> None:
        """Before the first `push` after packets: what the last of them held."""
        self._encoder.join(frames, after=self._passed)
        self._silent_frames = 0

    def _skip(self, ticks: int) -> None:
        self._timestamp = (self._timestamp + ticks) & 0xFFFFFFFF

    def _send(self, payload: bytes, ticks: int) -> None:
        """Send one encoded packet; the next begins where it ends."""
        wire = self._wire
        assert wire is not None
        assert self._payload_type is not None
        sequence, timestamp = self._sequence, self._timestamp
        self._sequence = (sequence + 1) & 0xFFFF
        self._timestamp = (timestamp + ticks) & 0xFFFFFFFF
        packet = rtp.pack(
            self._payload_type,
            sequence,
            timestamp,
            self._ssrc,
            payload,
            marker=self._marker,
            extension=self._extension,
        )
        self._marker = False
        self._history.append((sequence, packet))
        self._packets += 1
        self._octets += len(payload)
        self._sent_s = time.monotonic()
        self._sent_timestamp = timestamp
        wire.send_rtp(packet)

    def _encode(self, pcm: Pcm) -> bytes:
        """A packet, or nothing where silence needs none."""
        if not is_all_zero(pcm):
            self._marker |= self._silent_frames > CONTINUOUS_SILENCE_FRAMES
            self._silent_frames = 0
            return self._encoder.encode(pcm)
        self._silent_frames += 1
        n = self._silent_frames
        if n <= SETTLING_FRAMES:
            self._silence_packet = self._encoder.encode(SILENCE)
        elif self._dtx and n > CONTINUOUS_SILENCE_FRAMES:
            # A table of contents without a frame: "nothing was sent" (RFC 6716 3.2.1).
            return b"" if n % DTX_INTERVAL_FRAMES else self._silence_packet[:1]
        return self._silence_packet

    # --- reports

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == self._ssrc:
                    self._note_report(report)
        elif isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK:
            wanted = set(packet.lost)
            for sequence, sent in self._history:
                if sequence in wanted and self._wire is not None:
                    self._wire.send_rtp(sent)

    def _note_report(self, report: RtcpReceiverInfo) -> None:
        # The peer has found our stream: it needs its section named no more.
        self._extension = b""
        self.remote_fraction_lost = report.fraction_lost / 256
        if report.lsr and report.lsr == self._sr_middle:
            elapsed_s = time.monotonic() - self._sr_s
            self.round_trip_s = max(0.0, elapsed_s - report.dlsr / 65_536)

    def _report_later(self) -> None:
        delay_s = REPORT_INTERVAL_S * (0.5 + random.random())
        loop = asyncio.get_running_loop()
        self._report_handle = loop.call_later(delay_s, self._report)

    def _report(self) -> None:
        self._report_later()
        if self._wire is None:
            return
        now_s = time.monotonic()
        blocks = self._receiver.report_blocks(now_s)
        packets: list[Any] = []
        if now_s - self._sent_s < 2 * REPORT_INTERVAL_S:
            packets.append(self._sender_report(now_s, blocks))
        else:
            packets.append(RtcpRrPacket(ssrc=self._ssrc, reports=blocks))
        source = RtcpSourceInfo(ssrc=self._ssrc, items=[(_CNAME, self._cname)])
        packets.append(RtcpSdesPacket(chunks=[source]))
        self._wire.send_rtcp(b"".join(map(bytes, packets)))

    def _sender_report(
        self, now_s: float, blocks: list[RtcpReceiverInfo]
    ) -> RtcpSrPacket:
        ntp = current_ntp_time()
        self._sr_middle = ntp >> 16 & 0xFFFFFFFF
        self._sr_s = now_s
        ticks = int((now_s - self._sent_s) * CLOCK_HZ)
        return RtcpSrPacket(
            ssrc=self._ssrc,
            sender_info=RtcpSenderInfo(
                ntp_timestamp=ntp,
                rtp_timestamp=(self._sent_timestamp + ticks) & 0xFFFFFFFF,
                packet_count=self._packets & 0xFFFFFFFF,
                octet_count=self._octets & 0xFFFFFFFF,
            ),
            reports=blocks,
        )


assert TICKS_PER_FRAME == 2 * FRAME_SAMPLES

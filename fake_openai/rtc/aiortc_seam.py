"""The one door into aiortc's internals (aiortc 1.16, pyproject pins the minor).

aiortc starts a decoder thread per receiver behind a jitter buffer of 80 ms, and has no
public way to have the packets instead. `receive_packets` replaces `receive()` of one
receiver *instance*: our `PacketSink` is registered with the DTLS transport in place of
the receiver, so no thread, no queue and no jitter buffer come to life, and aiortc's own
`stop()` finds nothing started. The rest of what is touched is naming: msid, and the
header extensions OpenAI's answer does not have.

tests/contract/fake_openai/test_aiortc_seam.py fails when aiortc changes any of it.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from aiortc import (
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCRtpTransceiver,
)
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import (
    AnyRtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSrPacket,
    RtpPacket,
    is_rtcp,
)

Gate = Callable[[], float | None]
"""Seconds until a packet is sent; 0 = now, None = never."""
Run = Callable[[Coroutine[Any, Any, None]], None]
"""Owns a coroutine that ends later."""

REPORT_INTERVAL_S: Final = 2.5
"""Mean time between RTCP receiver reports (RFC 3550 section 6.2 allows up to 5 s)."""


class PacketListener(Protocol):
    """Who wants the packets of one microphone."""

    def on_packet(self, packet: RtpPacket, codec: str, now_s: float) -> None:
        """One packet in arrival order; codec is "opus", "pcmu" or "pcma"."""


class PacketSink:
    """Stands where aiortc's router expects a receiver (its `RtpReceiver` protocol)."""

    def __init__(self, listener: PacketListener, rtcp_ssrc: int) -> None:
        self._listener = listener
        self._rtcp_ssrc = rtcp_ssrc
        self._codecs: dict[int, tuple[str, int]] = {}
        self._streams: dict[int, StreamStatistics] = {}
        self._sender_reports: dict[int, tuple[int, float]] = {}
        self._transport: RTCDtlsTransport | None = None
        self._next_report_s = 0.0

    def register(
        self, transport: RTCDtlsTransport, parameters: RTCRtpReceiveParameters
    ) -> None:
        """Start getting packets from `transport`."""
        if self._transport is not None:
            return
        self._transport = transport
        for codec in parameters.codecs:
            payload_type: int = codec.payloadType or 0
            self._codecs[payload_type] = (codec.name.lower(), codec.clockRate)
        sink: Any = self
        transport._register_rtp_receiver(sink, parameters)

    def unregister(self) -> None:
        """Stop getting packets."""
        if self._transport is not None:
            sink: Any = self
            self._transport._unregister_rtp_receiver(sink)

    async def report(self, now_s: float) -> None:
        """Send an RTCP receiver report when one is due. Call it now and then."""
        if self._transport is None or now_s < self._next_report_s or not self._streams:
            return
        self._next_report_s = now_s + REPORT_INTERVAL_S * (0.5 + random.random())
        reports = [self._block(ssrc) for ssrc in self._streams]
        packet = RtcpRrPacket(ssrc=self._rtcp_ssrc, reports=reports)
        try:
            await self._transport._send_rtp(bytes(packet))
        except ConnectionError:
            return

    def _block(self, ssrc: int) -> RtcpReceiverInfo:
        stream = self._streams[ssrc]
        lsr, arrived_s = self._sender_reports.get(ssrc, (0, 0.0))
        delay_s = time.monotonic() - arrived_s
        return RtcpReceiverInfo(
            ssrc=ssrc,
            fraction_lost=stream.fraction_lost,
            packets_lost=stream.packets_lost,
            highest_sequence=stream.max_seq or 0,
            jitter=stream.jitter,
            lsr=lsr,
            dlsr=int(delay_s * 65536) if lsr and delay_s < 65536 else 0,
        )

    # The three methods aiortc's router calls.

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        codec = self._codecs.get(packet.payload_type)
        if codec is None:
            return
        name, clock_hz = codec
        stream = self._streams.get(packet.ssrc)
        if stream is None:
            stream = self._streams[packet.ssrc] = StreamStatistics(clock_hz)
        stream.add(packet)
        self._listener.on_packet(packet, name, time.monotonic())

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpSrPacket):
            middle = (packet.sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF
            self._sender_reports[packet.ssrc] = (middle, time.monotonic())

    def _handle_disconnect(self) -> None:
        """The DTLS transport is gone; the peer connection's state says so too."""


def receive_packets(receiver: RTCRtpReceiver, sink: PacketSink) -> None:
    """Have `receiver` deliver its packets to `sink` once the transport is up."""

    async def receive(parameters: RTCRtpReceiveParameters) -> None:
        sink.register(receiver.transport, parameters)

    _replace_receive(receiver, receive)


def discard_packets(receiver: RTCRtpReceiver) -> None:
    """Accept a section (video, a second microphone) without spending anything on it."""

    async def receive(parameters: RTCRtpReceiveParameters) -> None:
        del parameters

    _replace_receive(receiver, receive)


def _replace_receive(receiver: RTCRtpReceiver, receive: Any) -> None:
    receiver.receive = receive  # type: ignore[method-assign]


def gate_rtp(sender: RTCRtpSender, gate: Gate, run: Run) -> None:
    """Let `gate` decide about every RTP packet `sender` sends from now on (faults).

    RTCP passes. `run` gets the coroutine of a packet that is sent later.
    """
    transport: Any = sender.transport
    send = transport._send_rtp

    async def gated(data: bytes) -> None:
        delay_s = 0.0 if is_rtcp(data) else gate()
        if delay_s == 0.0:
            await send(data)
        elif delay_s is not None:
            run(_send_later(send, data, delay_s))

    transport._send_rtp = gated


async def _send_later(send: Any, data: bytes, delay_s: float) -> None:
    await asyncio.sleep(delay_s)
    with contextlib.suppress(ConnectionError):
        await send(data)


def delay_transport(
    pc: RTCPeerConnection, *, ice_s: float = 0.0, dtls_s: float = 0.0
) -> None:
    """Begin ICE or DTLS later than asked (faults); call before setLocalDescription."""
    for transceiver in pc.getTransceivers():
        dtls: Any = transceiver.receiver.transport
        dtls.start = _later(dtls.start, dtls_s)
        dtls.transport.start = _later(dtls.transport.start, ice_s)


def _later(start: Any, delay_s: float) -> Any:
    async def delayed(parameters: Any) -> None:
        await asyncio.sleep(delay_s)
        await start(parameters)

    return delayed


def free_ciphers(pc: RTCPeerConnection) -> None:
    """Free the memory of OpenSSL and libsrtp; `pc` is closed."""
    for transceiver in pc.getTransceivers():
        dtls: Any = transceiver.receiver.transport
        if dtls.state in {"closed", "failed"}:
            dtls._ssl = dtls._rx_srtp = dtls._tx_srtp = None


def never_open_channels(pc: RTCPeerConnection) -> None:
    """Leave SCTP unstarted (faults): media flows, no channel ever opens."""

    async def start(caps: Any, port: int) -> None:
        del caps, port

    sctp: Any = pc.sctp
    if sctp is not None:
        sctp.start = start


def name_stream(transceiver: RTCRtpTransceiver, *, stream: str, track: str) -> None:
    """Say `a=msid:<stream> <track>` in the answer; call before createAnswer."""
    transceiver.sender._stream_id = stream
    transceiver.sender._track_id = track


def drop_header_extensions(transceiver: RTCRtpTransceiver) -> None:
    """Answer without RTP header extensions; call after setRemoteDescription."""
    transceiver._headerExtensions = []


def sender_ssrc(transceiver: RTCRtpTransceiver) -> int:
    """The SSRC of what we send; also the sender of our RTCP reports."""
    ssrc: int = transceiver.sender._ssrc
    return ssrc

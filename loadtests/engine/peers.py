"""Peer connections whose audio bypasses aiortc once it has shaken hands. EDGE.

aiortc does ICE, DTLS, SCTP set-up and every message that is not audio; audio frames are
packed and unpacked here, synchronously, without tasks. Nothing is retransmitted: the
generator runs on loopback and a lost frame is a finding, not something to repair.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection
from OpenSSL import SSL

from loadtests.engine import sctp
from loadtests.engine.figures import Direction
from loadtests.engine.signal import (
    FRAME_S,
    MARKER_FRAMES,
    RATE_HZ,
    RTP_TICKS,
    OpusEar,
    Signal,
    onset,
)

MAX_BACKLOG_S = 0.1
GIVE_UP_FRAMES = 25
_RTP = struct.Struct("!BBHLL")
_FRAME = struct.Struct("!BBHL")
"""Header of pcm16.v1 and opus.v1: version, flags, sequence, timestamp."""
FRAME_HEADER_BYTES = _FRAME.size


def frame_header(n: int) -> bytes:
    """The header of frame n of a stream without pauses (docs/framing.md)."""
    return _FRAME.pack(1, 0 if n else 1, n & 0xFFFF, 480 * n & 0xFFFFFFFF)


class Pace:
    """Calls `send` every 20 ms; a late call never moves the schedule."""

    def __init__(self, send: Callable[[float], None], phase_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._send = send
        self._due_s = self._loop.time() + phase_s
        self._handle = self._loop.call_at(self._due_s, self._run)
        self.lateness_s: list[float] = []

    def stop(self) -> None:
        """No more calls."""
        self._handle.cancel()

    def _run(self) -> None:
        now_s = self._loop.time()
        self.lateness_s.append(now_s - self._due_s)
        self._due_s += FRAME_S
        if now_s - self._due_s > MAX_BACKLOG_S:
            # No microphone sends a second's worth at once: what was not sent is lost.
            self._due_s = now_s
        self._handle = self._loop.call_at(self._due_s, self._run)
        self._send(now_s)


class Voice:
    """Where a stream is in the signal; tells `direction` of every marker."""

    def __init__(self, signal: Signal, direction: Direction) -> None:
        self._signal = signal
        self._direction = direction
        self._n = 0

    def next(self, now_s: float) -> tuple[int, bytes]:
        """(frame number, the frame to send now)."""
        n, self._n = self._n, self._n + 1
        if n % MARKER_FRAMES == self._signal.marker_frame:
            self._direction.marker_sent_s = now_s + self._signal.onset_s
        return n, self._signal.frames[n % len(self._signal.frames)]


def new_peer() -> RTCPeerConnection:
    """A peer connection that asks no server for its address."""
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


class Wire:
    """The socket and keys under one connected peer connection."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        transceivers: Any = pc.getTransceivers()
        self.dtls: Any = (
            pc.sctp.transport if pc.sctp else transceivers[0].receiver.transport
        )
        connection = self.dtls.transport._connection
        (pair,) = connection._nominated.values()
        self._protocol: Any = pair.protocol
        self._sendto = pair.protocol.transport.sendto
        self._address = pair.remote_addr
        self._ssl: Any = self.dtls._ssl

    def listen(
        self,
        *,
        dtls: Callable[[bytes], None] | None = None,
        rtp: Callable[[bytes], None] | None = None,
    ) -> None:
        """Give datagrams of these kinds to us, all others to aiortc (RFC 7983)."""
        others = self._protocol.datagram_received

        def on_datagram(data: bytes, address: Any) -> None:
            first = data[0]
            if 20 <= first < 64 and dtls is not None:
                dtls(data)
            elif 128 <= first < 192 and rtp is not None:
                rtp(data)
            else:
                others(data, address)

        self._protocol.datagram_received = on_datagram

    def send(self, datagram: bytes) -> None:
        """Send one datagram as it is."""
        self._sendto(datagram, self._address)

    def send_encrypted(self, data: bytes) -> None:
        """Send one DTLS record."""
        self._ssl.send(data)
        self._sendto(self._ssl.bio_read(2048), self._address)

    def decrypt(self, datagram: bytes) -> bytes:
        """The content of one DTLS record, empty when there is none for us."""
        self._ssl.bio_write(datagram)
        try:
            return bytes(self._ssl.recv(2048))
        except SSL.Error:
            return b""


class ChannelAudio:
    """PCM or Opus over the data channel `audio`, both ways."""

    def __init__(
        self,
        wire: Wire,
        channel: Any,
        up: Direction,
        down: Direction,
        signal: Signal,
        *,
        framing: str = "",
    ) -> None:
        self._has_header = bool(framing)
        self._ear = OpusEar() if framing == "opus.v1" else None
        self._wire = wire
        self._sctp: Any = channel.transport
        self._stream = channel.id
        self._voice = Voice(signal, up)
        self._down = down
        self._header = sctp.header(
            self._sctp._local_port,
            self._sctp._remote_port,
            self._sctp._remote_verification_tag,
        )
        self._unacknowledged = 0
        channel.on("message", self._hear_late)
        self._tasks: set[asyncio.Task[None]] = set()
        wire.listen(dtls=self._on_record)

    def send(self, now_s: float) -> None:
        """Send the next frame."""
        n, frame = self._voice.next(now_s)
        if self._has_header:
            frame = frame_header(n) + frame
        tsn = self._sctp._local_tsn
        self._sctp._local_tsn = (tsn + 1) & 0xFFFFFFFF
        chunk = sctp.data(tsn, self._stream, frame)
        self._wire.send_encrypted(sctp.packet(self._header, chunk))
        if (tsn - self._sctp._last_sacked_tsn) & 0xFFFFFFFF > GIVE_UP_FRAMES:
            # As a browser does with messages that are older than their lifetime.
            self._sctp._last_sacked_tsn = tsn
            chunk = sctp.forward_tsn(tsn)
            self._wire.send_encrypted(sctp.packet(self._header, chunk))

    def _on_record(self, datagram: bytes) -> None:
        packet = self._wire.decrypt(datagram)
        if not packet:
            return
        now_s = time.monotonic()
        tsn = (self._sctp._last_received_tsn + 1) & 0xFFFFFFFF
        message = sctp.binary_message(packet, tsn)
        if message is None or message[0] != self._stream:
            task = asyncio.ensure_future(self._sctp._handle_data(packet))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        self._sctp._last_received_tsn = tsn
        if message[2] is not None:
            self._sctp._last_sacked_tsn = message[2]
        self._unacknowledged += 1
        if self._unacknowledged >= 2:
            self._unacknowledged = 0
            ack = sctp.packet(self._header, sctp.sack(tsn))
            self._wire.send_encrypted(ack)
        self._hear(message[1], now_s)

    def _hear_late(self, data: bytes) -> None:
        """A message that had to wait for aiortc's code."""
        self._hear(data, time.monotonic())

    def _hear(self, data: bytes, now_s: float) -> None:
        down = self._down
        down.last_frame += 1
        down.arrivals.append((down.last_frame, now_s))
        if self._has_header:
            data = data[FRAME_HEADER_BYTES:]
        if self._ear is not None:
            at_s = onset(self._ear.decode(bytes(data)), self._ear.rate_hz)
        else:
            at_s = onset(np.frombuffer(data, "<i2"), RATE_HZ)
        if at_s is not None:
            down.heard(now_s + at_s)


class TrackAudio:
    """Opus over RTP, both ways."""

    def __init__(
        self,
        wire: Wire,
        transceiver: Any,
        outgoing: Direction,
        incoming: Direction,
        signal: Signal,
    ) -> None:
        self._wire = wire
        self._ssrc = transceiver.sender._ssrc
        codecs = transceiver._codecs
        self._payload_type = next(
            c.payloadType for c in codecs if c.mimeType.lower() == "audio/opus"
        )
        self._voice = Voice(signal, outgoing)
        self._incoming = incoming
        self._ear = OpusEar()
        self._first_timestamp: int | None = None
        wire.listen(rtp=self._on_packet)

    def send(self, now_s: float) -> None:
        """Send the next packet."""
        n, payload = self._voice.next(now_s)
        timestamp = n * RTP_TICKS & 0xFFFFFFFF
        packet = (
            _RTP.pack(0x80, self._payload_type, n & 0xFFFF, timestamp, self._ssrc)
            + payload
        )
        self._wire.send(self._wire.dtls._tx_srtp.protect(packet))

    def _on_packet(self, data: bytes) -> None:
        if 192 <= data[1] < 224:
            return  # RTCP: nobody here wants reports
        now_s = time.monotonic()
        packet = self._wire.dtls._rx_srtp.unprotect(data)
        _, _, _, timestamp, _ = _RTP.unpack_from(packet)
        if self._first_timestamp is None:
            self._first_timestamp = timestamp
        ticks = (timestamp - self._first_timestamp) & 0xFFFFFFFF
        incoming = self._incoming
        incoming.arrivals.append((ticks // RTP_TICKS, now_s))
        at_s = onset(self._ear.decode(_payload(packet)), self._ear.rate_hz)
        if at_s is not None:
            incoming.heard(now_s + at_s)


def _payload(packet: bytes) -> bytes:
    start = 12 + 4 * (packet[0] & 15)
    if packet[0] & 0x10:
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4])
    return packet[start:]


def quiet_transceiver(transceiver: Any) -> None:
    """Negotiate audio both ways, but let nothing of aiortc's send or receive it."""

    async def nothing(parameters: Any) -> None:
        del parameters

    transceiver.sender.send = nothing
    transceiver.receiver.receive = nothing

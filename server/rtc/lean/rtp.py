"""RTP packets and reception statistics. PURE.

RFC 3550 section 5.1 (header), section 6.4 and appendix A (reports); RFC 8285 (header
extensions of one byte).
"""

from dataclasses import dataclass, field
from struct import Struct

HEADER_BYTES = 12
_PLAIN = 0x80
"""First byte of a packet that has the header only, and no padding."""
_HEADER = Struct("!BBHLL")
_EXTENSION = Struct("!HH")
_SEQUENCES = 1 << 16


def mid_extension(extension_id: int, mid: str) -> bytes:
    """A header extension that names the media section (RFC 8843 section 15)."""
    value = mid.encode()
    element = bytes([extension_id << 4 | len(value) - 1]) + value
    element += bytes(-len(element) % 4)
    return _EXTENSION.pack(0xBEDE, len(element) // 4) + element


def pack(
    payload_type: int,
    sequence: int,
    timestamp: int,
    ssrc: int,
    payload: bytes,
    *,
    marker: bool = False,
    extension: bytes = b"",
) -> bytes:
    """One packet, unencrypted."""
    first = _PLAIN | 0x10 if extension else _PLAIN
    second = payload_type | 0x80 if marker else payload_type
    return _HEADER.pack(first, second, sequence, timestamp, ssrc) + extension + payload


def payload_of(packet: bytes) -> bytes:
    """What a packet carries; empty when its lengths make no sense."""
    first = packet[0]
    if first == _PLAIN:
        return packet[HEADER_BYTES:]
    start = HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4])
    end = len(packet)
    if first & 0x20:
        end -= packet[-1]
    return packet[start:end]


def read_header(packet: bytes) -> tuple[int, int, int, int]:
    """(payload type, sequence number, timestamp, SSRC)."""
    _, second, sequence, timestamp, ssrc = _HEADER.unpack_from(packet)
    return second & 0x7F, sequence, timestamp, ssrc


@dataclass(slots=True)
class Reception:
    """What receiver reports say about one stream (RFC 3550 appendix A.1, A.3, A.8)."""

    clock_hz: int
    first: int | None = None
    highest: int = 0
    """Extended by the number of times the sequence number began anew."""
    received: int = 0
    jitter_ticks: float = 0.0
    _transit: float | None = field(default=None, repr=False)
    _reported_expected: int = field(default=0, repr=False)
    _reported_received: int = field(default=0, repr=False)

    def add(self, sequence: int, timestamp: int, arrival_s: float) -> None:
        """One packet has come."""
        self.received += 1
        if self.first is None:
            self.first = self.highest = sequence
        ahead = (sequence - self.highest) % _SEQUENCES
        if ahead < _SEQUENCES // 2:
            self.highest += ahead
        transit = arrival_s * self.clock_hz - timestamp
        if self._transit is not None:
            difference = transit - self._transit
            if difference < 0:
                difference = -difference
            if difference < self.clock_hz:  # else the timestamp began anew
                self.jitter_ticks += (difference - self.jitter_ticks) / 16
        self._transit = transit

    @property
    def expected(self) -> int:
        """Packets that should have come."""
        return 0 if self.first is None else self.highest - self.first + 1

    @property
    def lost(self) -> int:
        """Packets that never came, as a report may say it (24 bits, signed)."""
        return max(-(1 << 23), min((1 << 23) - 1, self.expected - self.received))

    def fraction_lost(self) -> int:
        """Loss since the last call, in 1/256; begins the next interval."""
        expected = self.expected - self._reported_expected
        received = self.received - self._reported_received
        self._reported_expected, self._reported_received = self.expected, self.received
        lost = expected - received
        return 0 if expected <= 0 or lost <= 0 else min(255, (lost << 8) // expected)

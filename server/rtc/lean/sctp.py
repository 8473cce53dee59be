"""SCTP packets of the normal case: DATA of one chunk, SACK without gaps. PURE.

RFC 9260 sections 3.1 (common header), 3.3.1 (DATA), 3.3.4 (SACK), appendix A (CRC32c).
"""

from struct import Struct

from google_crc32c import extend as crc32c_extend
from google_crc32c import value as crc32c

HEADER_BYTES = 12
DATA_HEADER_BYTES = 16
SACK_BYTES = 16
MAX_PAYLOAD_BYTES = 1160
"""What aiortc puts into one chunk; longer messages are its to fragment."""
STRING = 51
BINARY = 53
"""Payload protocol identifiers (RFC 8831 section 8)."""
UNORDERED = 0x04
WHOLE = 0x03
"""First and last fragment in one."""
TSN_MODULO = 1 << 32
_HALF = 1 << 31

_DATA = Struct("!BBHLHHL")
_SACK = Struct("!BBHLLHH")
_CHECKSUM = Struct("<L")
_ADDRESSING = Struct("!HHL")
_NO_CHECKSUM = b"\0\0\0\0"
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


class Seal:
    """Makes chunks to packets of one association."""

    def __init__(self, source_port: int, destination_port: int, tag: int) -> None:
        self._addressing = _ADDRESSING.pack(source_port, destination_port, tag)
        self._checksum_begun = crc32c(self._addressing + _NO_CHECKSUM)

    def packet(self, chunks: bytes) -> bytes:
        """A packet with its checksum."""
        checksum = crc32c_extend(self._checksum_begun, chunks)
        return self._addressing + _CHECKSUM.pack(checksum) + chunks


def data_chunk(
    flags: int, tsn: int, stream_id: int, sequence: int, protocol: int, payload: bytes
) -> bytes:
    """One DATA chunk with a whole message, padded."""
    length = DATA_HEADER_BYTES + len(payload)
    return (
        _DATA.pack(0, flags, length, tsn, stream_id, sequence, protocol)
        + payload
        + _PADDING[length & 3]
    )


def sack_chunk(cumulative_tsn: int, window_bytes: int) -> bytes:
    """Everything up to a TSN has come, nothing beyond it."""
    return _SACK.pack(3, 0, SACK_BYTES, cumulative_tsn, window_bytes, 0, 0)


def is_at_or_before(tsn: int, other: int) -> bool:
    """Serial number comparison (RFC 1982)."""
    return (other - tsn) % TSN_MODULO < _HALF


class Reader:
    """Reads the packets of one association. Its fields are those of the last one.

    An object per packet would cost more than reading it.
    """

    __slots__ = (
        "_addressing",
        "_checksum_begun",
        "acknowledged",
        "flags",
        "payload",
        "protocol",
        "sequence",
        "stream_id",
        "tsn",
    )

    acknowledged: int | None
    """Everything up to here has come, when the packet says so."""
    tsn: int | None
    """Of the message, when there is one; then the other fields are its too."""
    flags: int
    stream_id: int
    sequence: int
    protocol: int
    payload: bytes

    def __init__(self, source_port: int, destination_port: int, tag: int) -> None:
        """
        Args:
            source_port: the peer's.
            destination_port: ours.
            tag: what the peer must say (RFC 9260 section 8.5).
        """
        self._addressing = _ADDRESSING.pack(source_port, destination_port, tag)
        self._checksum_begun = crc32c(self._addressing + _NO_CHECKSUM)

    def read(self, packet: bytes) -> bool:
        """Read a packet of the normal case; False: another one, damaged or foreign.

        The normal case is SACK (without gaps and duplicates), DATA (one whole message),
        or a SACK followed by a DATA.
        """
        size = len(packet)
        at = HEADER_BYTES
        if size < HEADER_BYTES + SACK_BYTES or packet[:8] != self._addressing:
            return False
        self.acknowledged = self.tsn = None
        if packet[at] == 3:
            _, _, length, cumulative, _, gaps, duplicates = _SACK.unpack_from(
                packet, at
            )
            if length != SACK_BYTES or gaps or duplicates:
                return False
            self.acknowledged = cumulative
            at += SACK_BYTES
        if at < size:
            if packet[at] != 0 or size <= at + DATA_HEADER_BYTES:
                return False
            (
                _,
                self.flags,
                length,
                self.tsn,
                self.stream_id,
                self.sequence,
                self.protocol,
            ) = _DATA.unpack_from(packet, at)
            end = at + length
            if (
                self.flags & WHOLE != WHOLE
                or length <= DATA_HEADER_BYTES
                or end + (-length & 3) != size
            ):
                return False
            self.payload = packet[at + DATA_HEADER_BYTES : end]
        (checksum,) = _CHECKSUM.unpack_from(packet, 8)
        found = crc32c_extend(self._checksum_begun, packet[HEADER_BYTES:])
        return bool(found == checksum)

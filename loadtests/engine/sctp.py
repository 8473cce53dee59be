"""The two SCTP packets audio needs: DATA and SACK, one chunk each. PURE.

RFC 9260 sections 3.3.1 and 3.3.4; checksum as in appendix A.
"""

from __future__ import annotations

import struct

from google_crc32c import value as crc32c

BINARY = 53
"""Payload protocol identifier of binary messages (RFC 8831 section 8)."""
_HEADER = struct.Struct("!HHL")
_DATA = struct.Struct("!BBHLHHL")
_SACK = struct.Struct("!BBHLLHH")
_CHECKSUM = struct.Struct("<L")
_COMPLETE_UNORDERED = 0x07
_COMPLETE = 0x03
_RWND = 1 << 20


def packet(ports_and_tag: bytes, chunk: bytes) -> bytes:
    """A packet of one chunk whose length is a multiple of four."""
    checksum = crc32c(ports_and_tag + b"\0\0\0\0" + chunk)
    return ports_and_tag + _CHECKSUM.pack(checksum) + chunk


def header(source_port: int, destination_port: int, tag: int) -> bytes:
    """The first eight bytes of every packet of an association."""
    return _HEADER.pack(source_port, destination_port, tag)


def data(tsn: int, stream_id: int, message: bytes) -> bytes:
    """One whole unordered binary message, padded."""
    length = 16 + len(message)
    head = _DATA.pack(0, _COMPLETE_UNORDERED, length, tsn, stream_id, 0, BINARY)
    return head + message + bytes(-length % 4)


def sack(cumulative_tsn: int) -> bytes:
    """Everything up to this TSN has arrived."""
    return _SACK.pack(3, 0, 16, cumulative_tsn, _RWND, 0, 0)


def forward_tsn(new_cumulative_tsn: int) -> bytes:
    """Nothing up to this TSN will be sent again (RFC 3758 section 3.2)."""
    return struct.pack("!BBHL", 192, 0, 8, new_cumulative_tsn)


def binary_message(
    packet: bytes, expected_tsn: int
) -> tuple[int, bytes, int | None] | None:
    """(stream, message, piggybacked cumulative TSN) when there is nothing else inside.

    None means: not the expected whole binary message, let the full parser have it.
    """
    at, acknowledged = 12, None
    if len(packet) > 28 and packet[12] == 3 and packet[26:28] == b"\0\0":
        (acknowledged,) = struct.unpack_from("!L", packet, 16)
        at = 12 + 16
        if packet[24:26] != b"\0\0":
            return None
    if len(packet) < at + 17 or packet[at] != 0 or packet[at + 1] & 3 != _COMPLETE:
        return None
    _, _, length, tsn, stream, _, protocol = _DATA.unpack_from(packet, at)
    whole = at + length + (-length & 3) == len(packet)
    if tsn != expected_tsn or protocol != BINARY or not whole:
        return None
    return stream, packet[at + 16 : at + length], acknowledged

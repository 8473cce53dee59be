"""Opus packets in an Ogg file (RFC 3533, RFC 7845): bytes in, bytes out. PURE."""

import struct
import zlib

OPUS_HZ = 48_000
"""Ogg counts Opus in samples of 48 kHz, whatever went in."""
PACKET_TICKS = OPUS_HZ * 20 // 1000
PRE_SKIP_TICKS = 312
"""What libopus looks ahead except in its low-delay mode: 6.5 ms. Players throw that
much away at the beginning, so that the first sample heard is the first that went in."""
MAX_PACKETS = 50
"""Per page: one second, and what a crash may take with it."""
_MAX_SEGMENTS = 255

_CONTINUES, _BEGINS, _ENDS = 0x01, 0x02, 0x04
_REVERSED = bytes(int(f"{n:08b}"[::-1], 2) for n in range(256))


class OggOpusWriter:
    """One mono stream. Whatever a method returns belongs into the file, in order."""

    def __init__(self, serial: int, *, input_rate_hz: int, vendor: str) -> None:
        """
        Args:
            serial: tells this stream from others, 32 bits.
            input_rate_hz: of what was encoded; only a remark for the player.
            vendor: who wrote it.
        """
        self._serial = serial & 0xFFFFFFFF
        self._input_rate_hz = input_rate_hz
        self._vendor = vendor.encode()
        self._number = 0
        self._packets: list[bytes] = []
        self._n_segments = 0
        self._ticks = 0

    def head(self) -> bytes:
        """The beginning of the file."""
        identity = struct.pack(
            "<8sBBHIhB", b"OpusHead", 1, 1, PRE_SKIP_TICKS, self._input_rate_hz, 0, 0
        )
        comment = (
            b"OpusTags"
            + struct.pack("<I", len(self._vendor))
            + self._vendor
            + struct.pack("<I", 0)
        )
        return self._page([identity], 0, _BEGINS) + self._page([comment], 0, 0)

    def add(self, packet: bytes) -> bytes:
        """One more packet of 20 ms; a whole page, or nothing yet."""
        page = b""
        n_segments = len(packet) // 255 + 1
        if self._n_segments + n_segments > _MAX_SEGMENTS:
            page = self._flush(0)
        self._packets.append(packet)
        self._n_segments += n_segments
        self._ticks += PACKET_TICKS
        if len(self._packets) >= MAX_PACKETS:
            page += self._flush(0)
        return page

    def finish(self, n_ticks: int) -> bytes:
        """The last page.

        Args:
            n_ticks: length of what went in, in samples of 48 kHz. The packets hold a
                little more: what the encoder looked ahead.
        """
        self._ticks = min(self._ticks, n_ticks + PRE_SKIP_TICKS)
        return self._flush(_ENDS)

    def _flush(self, flags: int) -> bytes:
        page = self._page(self._packets, self._ticks, flags)
        self._packets = []
        self._n_segments = 0
        return page

    def _page(self, packets: list[bytes], granule: int, flags: int) -> bytes:
        lacing = b"".join(
            b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255])
            for packet in packets
        )
        header = struct.pack(
            "<4sBBqIII",
            b"OggS",
            0,
            flags,
            granule,
            self._serial,
            self._number,
            0,
        )
        page = header + bytes([len(lacing)]) + lacing + b"".join(packets)
        self._number += 1
        return page[:22] + struct.pack("<I", checksum(page)) + page[26:]


def checksum(page: bytes) -> int:
    """Ogg's CRC: that of zip with its bits the other way round, beginning at 0."""
    mirrored = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)

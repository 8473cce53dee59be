"""Opus packets of answers that were encoded before. PURE.

Fifty calls that hear the same story need it encoded once. An Opus packet depends on
all frames since the last silence, so packets are filed under a digest of that whole
history: equal history, equal packet.
"""

import hashlib
from collections import OrderedDict
from typing import Final

MAX_PACKETS: Final = 30_000
"""Ten minutes of speech, about 6 MB; the least recently used go first."""
START: Final = b""
"""The history right after silence."""


def extended(history: bytes, frame: bytes) -> bytes:
    """The history when this frame (its PCM bytes) has been said as well."""
    return hashlib.blake2b(history + frame, digest_size=16).digest()


class PacketCache:
    """Packets by history; shared by all encoders of a process."""

    def __init__(self, max_packets: int = MAX_PACKETS) -> None:
        self._max_packets = max_packets
        self._packets: OrderedDict[bytes, bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._packets)

    def get(self, history: bytes) -> bytes | None:
        """The packet that ends this history, if it was encoded before."""
        packet = self._packets.get(history)
        if packet is not None:
            self._packets.move_to_end(history)
        return packet

    def put(self, history: bytes, packet: bytes) -> None:
        """Remember a packet."""
        self._packets[history] = packet
        if len(self._packets) > self._max_packets:
            self._packets.popitem(last=False)

"""What an Opus packet says about itself without being decoded. PURE.

RFC 6716 section 3.1 (table of contents) and 3.2.1 (a frame without data).
"""

SILENT_BYTES = 3
"""What an encoder makes of silence is no longer than this; sound always is."""
NOTHING = b"\xd8"
"""CELT, 24 kHz, mono, 20 ms, no data: the decoder goes on by itself, ever quieter."""
SILENCE = b"\xd8\xff\xfe"
"""20 ms of digital silence, as every decoder understands it and wherever it comes."""

_SILK_MS = (10.0, 20.0, 40.0, 60.0)
_HYBRID_MS = (10.0, 20.0)
_CELT_MS = (2.5, 5.0, 10.0, 20.0)


def _frame_ms(toc: int) -> float:
    config = toc >> 3
    if config < 12:
        return _SILK_MS[config & 3]
    if config < 16:
        return _HYBRID_MS[config & 1]
    return _CELT_MS[config & 3]


_FRAME_MS = tuple(_frame_ms(toc) for toc in range(256))
OF_20_MS = frozenset(n for n in range(256) if not n & 3 and _FRAME_MS[n] == 20.0)
"""First bytes of packets that are one frame of 20 ms, as nearly all are."""
_N_FRAMES = (1, 2, 2)
"""By the two lowest bits; with 3 the second byte says it."""


def duration_ms(packet: bytes) -> float:
    """How much sound a packet holds, in milliseconds; 0 when it is none."""
    if not packet:
        return 0.0
    toc = packet[0]
    code = toc & 3
    if code < 3:
        return _FRAME_MS[toc] * _N_FRAMES[code]
    total_ms = _FRAME_MS[toc] * (packet[1] & 0x3F) if len(packet) > 1 else 0.0
    return total_ms if total_ms <= 120 else 0.0


def nothing_like(packet: bytes) -> bytes:
    """As long as a packet, of its kind, without data: a lost one, told honestly."""
    return packet[:1] if packet and packet[0] & 3 == 0 else NOTHING


def is_celt(packet: bytes) -> bool:
    """Whether a packet is CELT alone, without the speech codec."""
    return packet[0] >= 0x80


def is_silent(packet: bytes) -> bool:
    """Whether a packet holds silence, as far as one can see."""
    return len(packet) <= SILENT_BYTES

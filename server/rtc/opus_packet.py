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


def duration_ms(packet: bytes) -> float:
    """How much sound a packet holds, in milliseconds; 0 when it is none."""
    if not packet:
        return 0.0
    toc = packet[0]
    config = toc >> 3
    if config < 12:
        frame_ms = _SILK_MS[config & 3]
    elif config < 16:
        frame_ms = _HYBRID_MS[config & 1]
    else:
        frame_ms = _CELT_MS[config & 3]
    code = toc & 3
    if code == 0:
        return frame_ms
    if code < 3:
        return 2 * frame_ms
    total_ms = frame_ms * (packet[1] & 0x3F) if len(packet) > 1 else 0.0
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

"""What a packet says of itself, against what libopus makes of it."""

from __future__ import annotations

import ctypes

import pytest

from server.rtc import libopus, opus_packet


@pytest.mark.parametrize("code", [0, 1, 2])
def test_every_kind_of_packet_is_as_long_as_libopus_says(code: int) -> None:
    """RFC 6716 section 3.1: 32 configurations, mono and stereo, one frame or two."""
    library = libopus.load()
    for toc in range(code, 256, 4):
        samples = library.opus_packet_get_samples_per_frame(bytes([toc]), 48_000)
        frames = library.opus_packet_get_nb_frames(bytes([toc, 0]), ctypes.c_int(2))

        packet = bytes([toc, 0, 0])
        assert opus_packet.duration_ms(packet) == samples * frames / 48, hex(toc)


@pytest.mark.parametrize(
    ("packet", "ms"),
    [
        (b"", 0),
        (b"\xdb", 0),
        (b"\xdb\x03", 60),
        (b"\xdb\x06", 120),
        (b"\xdb\x07", 0),
        (opus_packet.NOTHING, 20),
        (opus_packet.SILENCE, 20),
    ],
)
def test_a_packet_of_many_frames_says_how_many(packet: bytes, ms: float) -> None:
    """At most 120 ms; more than that is no packet."""
    assert opus_packet.duration_ms(packet) == ms

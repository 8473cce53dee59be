"""Packets of the normal case, against aiortc's reading and writing of them."""

from __future__ import annotations

from typing import Any

import pytest
from aiortc.rtcsctptransport import DataChunk, SackChunk, parse_packet, serialize_packet
from hypothesis import given
from hypothesis import strategies as st

from server.rtc.lean import sctp

ADDRESSING = (5000, 5001, 0x01020304)
SEAL = sctp.Seal(*ADDRESSING)


def reader() -> sctp.Reader:
    return sctp.Reader(*ADDRESSING)


@given(st.binary(min_size=1, max_size=sctp.MAX_PAYLOAD_BYTES))
def test_aiortc_reads_what_we_write(payload: bytes) -> None:
    """An acknowledgement and a message of any length in one packet."""
    sack = sctp.sack_chunk(7, 131_072)
    data = sctp.data_chunk(sctp.WHOLE | sctp.UNORDERED, 9, 1, 0, sctp.BINARY, payload)

    *addressing, chunks = parse_packet(SEAL.packet(sack + data))

    assert addressing == [*ADDRESSING]
    read: Any = chunks
    acknowledged, message = read
    assert (acknowledged.cumulative_tsn, acknowledged.gaps) == (7, [])
    assert (message.tsn, message.stream_id, message.user_data) == (9, 1, payload)


@given(st.binary(min_size=1, max_size=sctp.MAX_PAYLOAD_BYTES))
def test_we_read_what_aiortc_writes(payload: bytes) -> None:
    chunk = DataChunk(flags=sctp.WHOLE)
    chunk.tsn, chunk.stream_id, chunk.stream_seq = 11, 2, 3
    chunk.protocol, chunk.user_data = sctp.BINARY, payload
    found = reader()

    assert found.read(serialize_packet(*ADDRESSING, chunk))

    assert (found.tsn, found.stream_id, found.sequence) == (11, 2, 3)
    assert (found.protocol, found.payload) == (sctp.BINARY, payload)
    assert found.acknowledged is None


@pytest.mark.parametrize("at", [0, 3, 9, 13, 30, 60])
def test_a_packet_with_one_bit_wrong_is_not_read(at: int) -> None:
    data = sctp.data_chunk(sctp.WHOLE, 1, 0, 0, sctp.BINARY, bytes(60))
    packet = bytearray(SEAL.packet(data))
    assert reader().read(bytes(packet))
    packet[at] ^= 0x10

    assert not reader().read(bytes(packet))


@pytest.mark.parametrize("foreign", [(5001, 5001, 0x01020304), (5000, 5001, 1)])
def test_a_packet_of_another_association_is_not_read(
    foreign: tuple[int, int, int],
) -> None:
    data = sctp.data_chunk(sctp.WHOLE, 1, 0, 0, sctp.BINARY, bytes(60))

    assert not reader().read(sctp.Seal(*foreign).packet(data))


def test_an_acknowledgement_with_a_gap_is_not_the_normal_case() -> None:
    chunk = SackChunk()
    chunk.cumulative_tsn, chunk.gaps = 5, [(2, 3)]

    assert not reader().read(serialize_packet(*ADDRESSING, chunk))

from __future__ import annotations

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket

from simulator.eager_receiver import ATTRIBUTE, ArrivalOrder, receive_eagerly


def packet(number: int) -> RtpPacket:
    made = RtpPacket(
        payload_type=96, sequence_number=number & 0xFFFF, timestamp=960 * number
    )
    made._data = bytes([number & 0xFF])  # type: ignore[attr-defined]
    return made


def given_out(*numbers: int) -> list[int]:
    buffer = ArrivalOrder()
    frames = [buffer.add(packet(number))[1] for number in numbers]
    return [frame.data[0] for frame in frames if frame is not None]


def test_every_packet_comes_out_at_once() -> None:
    assert given_out(7, 8, 9) == [7, 8, 9]


def test_a_loss_holds_nothing_up() -> None:
    assert given_out(7, 10, 11) == [7, 10, 11]


def test_late_and_repeated_packets_are_dropped() -> None:
    assert given_out(7, 9, 8, 9, 10) == [7, 9, 10]


def test_sequence_numbers_wrap_round() -> None:
    assert given_out(0xFFFE, 0xFFFF, 0x10000, 0x10001) == [0xFE, 0xFF, 0, 1]


async def test_aiortc_keeps_its_jitter_buffer_where_we_replace_it() -> None:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver = pc.addTransceiver("audio").receiver
    assert isinstance(getattr(receiver, ATTRIBUTE), JitterBuffer)
    ours, theirs = ArrivalOrder(), JitterBuffer(capacity=16, prefetch=4)

    assert type(ours.add(packet(1))) is type(theirs.add(packet(1)))
    receive_eagerly(receiver)

    assert isinstance(getattr(receiver, ATTRIBUTE), ArrivalOrder)
    await pc.close()


def test_another_aiortc_is_noticed() -> None:
    with pytest.raises(AttributeError, match="jitter_buffer"):
        receive_eagerly(object.__new__(RTCRtpReceiver))

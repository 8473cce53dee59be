"""Our fast path and aiortc's association, on the same books."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiortc.rtcsctptransport import (
    DataChunk,
    InitChunk,
    SackChunk,
    parse_packet,
    serialize_packet,
)

from server.rtc.lean import sctp
from tests.support.sctp_link import End, Link

FRAME = bytes(range(256)) * 3 + bytes(192)


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    made = Link()
    yield made
    await made.close()


def chunks_sent_by(link: Link, end: End, kind: type) -> list[Any]:
    return [
        chunk
        for sender, packet in link.log
        if sender is end
        for chunk in parse_packet(packet)[3]
        if isinstance(chunk, kind)
    ]


async def test_messages_of_ours_are_read_and_acknowledged_by_aiortc(link: Link) -> None:
    channel = await link.open(ordered=False, maxPacketLifeTime=100)
    fast = link.ours.fast
    assert fast is not None

    for _ in range(50):
        assert fast.send(channel, FRAME, sctp.BINARY)
        await link.settle()

    assert link.theirs.heard == [FRAME] * 50
    assert fast.fast_sent == 50
    assert not link.ours.sctp._sent_queue
    assert link.ours.sctp._flight_size == 0
    assert link.ours.sctp._srtt is not None
    assert link.ours.sctp._t3_handle is None


@pytest.mark.parametrize("ordered", [True, False])
async def test_messages_of_aiortc_take_the_fast_way_in_order(
    link: Link, ordered: bool
) -> None:
    await link.open(ordered=ordered)
    fast = link.ours.fast
    assert fast is not None
    handed_over = fast.handed_over

    for n in range(20):
        link.theirs.channels[0].send(bytes([n]) * 960)
        await link.settle()
    link.theirs.channels[0].send("grüße")
    await link.settle()

    assert link.ours.heard == [*(bytes([n]) * 960 for n in range(20)), "grüße"]
    assert fast.fast_received == 21
    assert fast.handed_over == handed_over


async def test_every_second_packet_is_acknowledged_at_once(link: Link) -> None:
    await link.open(ordered=False)
    link.log.clear()

    for _ in range(10):
        link.theirs.channels[0].send(FRAME)
        await link.settle()

    assert len(chunks_sent_by(link, link.ours, SackChunk)) == 5
    assert not link.theirs.sctp._outbound_queue
    assert len(link.theirs.sctp._sent_queue) == 0


async def test_an_acknowledgement_rides_on_the_next_message(link: Link) -> None:
    channel = await link.open(ordered=False)
    fast = link.ours.fast
    assert fast is not None
    link.theirs.channels[0].send(FRAME)
    await link.settle()
    link.log.clear()

    fast.send(channel, FRAME, sctp.BINARY)
    await link.settle()

    (packet,) = [p for end, p in link.log if end is link.ours]
    kinds = [type(chunk) for chunk in parse_packet(packet)[3]]
    assert kinds == [SackChunk, DataChunk]
    assert not link.theirs.sctp._sent_queue


async def test_a_lone_message_is_acknowledged_after_200_ms(link: Link) -> None:
    await link.open(ordered=False)
    fast = link.ours.fast
    assert fast is not None
    link.theirs.channels[0].send(FRAME)
    await link.settle()
    assert len(link.theirs.sctp._sent_queue) == 1

    assert fast._sack_handle is not None
    assert 0.1 < fast._sack_handle.when() - fast._loop.time() <= 0.2
    fast._sack_now()
    await link.settle()

    assert not link.theirs.sctp._sent_queue


async def test_a_lost_message_of_ours_is_sent_again_by_aiortc(link: Link) -> None:
    channel = await link.open(ordered=True)
    fast = link.ours.fast
    assert fast is not None
    lost: list[bytes] = []

    def lose_one(end: End, packet: bytes) -> bool:
        if end is link.ours and b"second" in packet and not lost:
            lost.append(packet)
            return True
        return False

    link.lose = lose_one
    for text in ("first", "second", "third", "fourth", "fifth", "sixth"):
        link.ours.fast.send(channel, text.encode(), sctp.STRING)  # type: ignore[union-attr]
        await link.settle()

    assert lost
    assert link.theirs.heard == ["first", "second", "third", "fourth", "fifth", "sixth"]
    assert link.ours.sctp._flight_size == 0
    assert not link.ours.sctp._sent_queue


async def test_the_last_message_lost_is_sent_again_when_t3_expires(link: Link) -> None:
    channel = await link.open(ordered=True)
    fast = link.ours.fast
    assert fast is not None
    link.lose = lambda end, packet: end is link.ours
    fast.send(channel, b"lost", sctp.BINARY)
    await link.settle()
    link.lose = lambda end, packet: False
    assert link.ours.sctp._t3_handle is fast._timer

    fast._timer._run()  # too early: nothing happens but a new alarm
    await link.settle()
    assert link.theirs.heard == []
    fast._timer._due_s = 0.0
    fast._timer._run()
    await link.settle()

    assert link.theirs.heard == [b"lost"]
    assert link.ours.sctp._t3_handle is None


async def test_audio_that_is_too_old_is_given_up_not_repeated(link: Link) -> None:
    channel = await link.open(ordered=False, maxPacketLifeTime=100)
    fast = link.ours.fast
    assert fast is not None
    link.lose = lambda end, packet: end is link.ours
    fast.send(channel, b"old", sctp.BINARY)
    await link.settle()
    link.lose = lambda end, packet: False

    link.ours.sctp._sent_queue[0]._expiry = 0.0
    fast._timer._due_s = 0.0
    fast._timer._run()
    await link.settle()
    fast.send(channel, b"new", sctp.BINARY)
    await link.settle()

    assert link.theirs.heard == [b"new"]
    assert not link.ours.sctp._sent_queue


async def test_a_gap_on_the_way_to_us_goes_to_aiortc_and_back(link: Link) -> None:
    await link.open(ordered=True)
    fast = link.ours.fast
    assert fast is not None
    lost: list[bytes] = []

    def lose_one(end: End, packet: bytes) -> bool:
        if end is link.theirs and b"message-3" in packet and not lost:
            lost.append(packet)
            return True
        return False

    link.lose = lose_one
    for n in range(12):
        link.theirs.channels[0].send(f"message-{n}")
        await link.settle()

    assert lost
    assert link.ours.heard == [f"message-{n}" for n in range(12)]
    received = fast.fast_received
    link.theirs.channels[0].send("after")
    await link.settle()
    assert fast.fast_received == received + 1


async def test_long_messages_are_aiortcs(link: Link) -> None:
    channel = await link.open(ordered=True)
    fast = link.ours.fast
    assert fast is not None
    long = b"x" * 5000

    assert not fast.send(channel, long, sctp.BINARY)
    channel.send(long)
    await link.settle()
    link.theirs.channels[0].send(long)
    await link.settle()

    assert link.theirs.heard == [long]
    assert link.ours.heard == [long]


async def test_a_full_window_is_aiortcs(link: Link) -> None:
    channel = await link.open(ordered=False)
    fast = link.ours.fast
    assert fast is not None

    sent = sum(fast.send(channel, FRAME, sctp.BINARY) for _ in range(20))
    for _ in range(20 - sent):
        channel.send(FRAME)
    await link.settle()

    assert sent < 20
    assert len(link.theirs.heard) == 20
    assert link.ours.sctp._flight_size == 0


async def test_a_late_init_does_not_begin_the_association_anew(link: Link) -> None:
    await link.open(ordered=True)
    link.theirs.channels[0].send("before")
    await link.settle()
    (init,) = chunks_sent_by(link, link.theirs, InitChunk)
    received = link.ours.sctp._last_received_tsn

    link.ours.receive(serialize_packet(5000, 5000, 0, init))
    await link.settle()
    link.theirs.channels[0].send("after")
    await link.settle()

    assert link.ours.heard == ["before", "after"]
    assert link.ours.sctp._last_received_tsn == (received or 0) + 1
    assert not link.ours.sctp._sack_misordered


async def test_damaged_and_foreign_packets_change_nothing(link: Link) -> None:
    await link.open(ordered=False)
    fast = link.ours.fast
    assert fast is not None
    link.theirs.channels[0].send(FRAME)
    await link.settle()
    _, packet = next(p for p in reversed(link.log) if p[0] is link.theirs)
    before = (link.ours.sctp._last_received_tsn, list(link.ours.heard))

    link.ours.receive(packet[:-1] + b"\xff")
    link.ours.receive(packet[:4] + b"\0\0\0\0" + packet[8:])
    link.ours.receive(b"")
    link.ours.receive(packet[:20])
    await link.settle()

    assert (link.ours.sctp._last_received_tsn, link.ours.heard) == before


async def test_a_channel_closed_by_the_peer_is_closed_here(link: Link) -> None:
    channel = await link.open(ordered=True)
    link.theirs.channels[0].send("bye")

    link.theirs.channels[0].close()
    await link.settle()

    assert link.ours.heard == ["bye"]
    assert channel.readyState == "closed"
    assert link.theirs.channels[0].readyState == "closed"


@pytest.mark.parametrize(
    ("channel", "flags", "life_s", "retransmits"),
    [
        ({"ordered": False, "maxPacketLifeTime": 100}, 7, 0.1, None),
        ({"ordered": True, "maxRetransmits": 2}, 3, None, 2),
        ({"ordered": True}, 3, None, None),
    ],
)
async def test_a_message_is_booked_as_its_channel_promises(
    link: Link,
    channel: dict[str, Any],
    flags: int,
    life_s: float | None,
    retransmits: int | None,
) -> None:
    """Order, lifetime and retransmissions, in the second message as in the first."""
    opened = await link.open(**channel)
    fast = link.ours.fast
    assert fast is not None
    fast.send(opened, b"one", sctp.BINARY)
    fast.send(opened, b"two", sctp.BINARY)

    queue: Any = link.ours.sctp._sent_queue
    for booked in queue:
        assert booked.flags == flags
        assert booked._max_retransmits == retransmits
        expiry_s = booked._expiry
        left_s = None if expiry_s is None else expiry_s - booked._sent_time
        assert left_s == pytest.approx(life_s)
    assert len(queue) == 2


async def test_a_number_given_to_another_channel_takes_its_manners(link: Link) -> None:
    channel = await link.open(ordered=False, maxPacketLifeTime=100)
    fast = link.ours.fast
    assert fast is not None
    fast.send(channel, b"old", sctp.BINARY)
    await link.settle()
    link.theirs.channels[0].close()
    await link.settle()

    again = await link.open(ordered=True)
    fast.send(again, b"new", sctp.BINARY)

    booked: Any = link.ours.sctp._sent_queue[-1]
    assert again.id == channel.id
    assert (booked.flags, booked._expiry) == (sctp.WHOLE, None)

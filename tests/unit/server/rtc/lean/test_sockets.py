"""Our own UDP sockets: few packets at once, many collected, all fds given back."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any, ClassVar, cast

import pytest

from server.rtc.lean import sockets
from server.rtc.lean.sockets import MediaSocket, Poller


class Protocol(asyncio.DatagramProtocol):
    """As aioice's: knows its transport and whether it is lost."""

    local_candidate = type("Candidate", (), {"type": "host"})()

    def __init__(self) -> None:
        self.transport: Any = None
        self.is_lost = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost.set()


async def made() -> tuple[Protocol, tuple[str, int]]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        Protocol, local_addr=("127.0.0.1", 0)
    )
    return protocol, transport.get_extra_info("sockname")


def n_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_a_socket_taken_over_keeps_its_port_and_what_waited_in_it() -> None:
    before = n_descriptors()
    protocol, address = await made()
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.sendto(b"early", address)
    heard: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()
    poller = Poller(asyncio.get_running_loop())

    assert MediaSocket.fits(protocol)
    MediaSocket(protocol, poller, lambda data, sender: heard.put_nowait((data, sender)))
    peer.sendto(b"late", address)
    async with asyncio.timeout(5):
        first, second = await heard.get(), await heard.get()
    protocol.transport.sendto(b"answer", first[1])

    assert (first[0], second[0]) == (b"early", b"late")
    assert peer.recvfrom(100) == (b"answer", address)
    assert protocol.transport.get_extra_info("sockname") == address
    assert not protocol.is_lost.is_set()
    protocol.transport.close()
    await asyncio.wait_for(protocol.is_lost.wait(), 5)
    peer.close()
    await asyncio.sleep(0)
    assert n_descriptors() == before


@pytest.mark.parametrize("late_ms", [-1.0, 0.0, 0.3, 2.0, 4.9])
def test_sockets_are_read_just_before_the_tick_and_half_way_to_the_next(
    late_ms: float,
) -> None:
    """However late the reading before was; a loop's timer may be early, too."""

    class Loop:
        now_s = 100.009 + late_ms / 1000
        due: ClassVar[list[float]] = []

        def time(self) -> float:
            return self.now_s

        def call_at(self, when_s: float, call: Callable[[], None]) -> None:
            self.due.append(when_s)
            self.now_s = when_s + late_ms / 1000

    loop = Loop()
    poller = Poller(cast(asyncio.AbstractEventLoop, loop))

    for _ in range(4):
        poller._collect_later()

    assert loop.due == pytest.approx([100.019, 100.029, 100.039, 100.049])
    loop.due.clear()


async def test_many_packets_are_collected_and_few_are_not() -> None:
    protocol, address = await made()
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    heard: list[bytes] = []
    collected = asyncio.Event()

    def on_datagram(data: bytes, sender: Any) -> None:
        heard.append(data)
        if data == b"collected":
            collected.set()

    poller = Poller(asyncio.get_running_loop())
    media = MediaSocket(protocol, poller, on_datagram)

    def receive(n: int, seconds: float) -> None:
        poller._judged_s = poller._loop.time() - seconds
        for _ in range(n):
            peer.sendto(b"x", address)
        while len(heard) < n:
            poller.read()
        heard.clear()

    receive(3, 0.2)
    assert not poller.is_collecting
    receive(1, 0.2)
    for _ in range(30):
        peer.sendto(b"x", address)
    poller._received += int(sockets.BUSY_PER_S)
    receive(10, 0.2)
    assert poller.is_collecting
    heard.clear()
    peer.sendto(b"collected", address)
    await asyncio.wait_for(collected.wait(), 5)
    poller._received = 0
    poller._judge(poller._judged_s + 1)
    assert not poller.is_collecting

    media.close()
    peer.close()


async def test_sending_to_a_closed_socket_is_nothing() -> None:
    protocol, address = await made()
    media = MediaSocket(
        protocol, Poller(asyncio.get_running_loop()), lambda data, sender: None
    )
    media.close()
    media.close()

    media.sendto(b"x", address)

    assert media.is_closing()


async def test_one_reading_takes_all_that_came_while_the_loop_stood_still() -> None:
    """400 ms of a browser: 20 frames, and an acknowledgement for every second."""
    protocol, address = await made()
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    heard: list[bytes] = []
    poller = Poller(asyncio.get_running_loop())
    media = MediaSocket(protocol, poller, lambda data, sender: heard.append(data))
    for n in range(30):
        peer.sendto(bytes([n]), address)

    poller.read()

    assert heard == [bytes([n]) for n in range(30)]
    media.close()
    peer.close()

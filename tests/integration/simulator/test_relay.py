"""aiortc to aiortc through the relay: real ICE, DTLS and SCTP on loopback."""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)

from simulator import ice
from simulator.network import (
    Blackout,
    Burst,
    Conditions,
    DropReason,
    Profile,
    Rebind,
    profile,
)
from simulator.relay import Relay, RelayError
from simulator.relay_flow import RelayFlow
from simulator.relay_socket import UdpSocket
from simulator.sdp_rewrite import Address
from tests.support.waiting import eventually

WAIT_S = 30.0
"""For what must come. One lost flight of the DTLS handshake costs seconds."""
ROUNDS = 10
"""How often a measurement that a busy machine can only make worse is made at most."""


class Caller:
    """The client's end of a call whose server echoes every message."""

    def __init__(self, channel: RTCDataChannel, flow: RelayFlow) -> None:
        self.flow = flow
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self.sent_s: dict[int, float] = {}
        self.rtts_ms: dict[int, float] = {}
        self.order: list[int] = []
        self.lag_s = 0.0
        """How long this machine stood still, at worst, while it talked."""
        channel.on("message", self._on_message)

    async def talk(self, n: int) -> None:
        """`n` messages at 100 a second (wall clock: the subject is real time)."""
        start_s, first = self._loop.time(), len(self.sent_s)
        for i in range(n):
            self.sent_s[first + i] = self._loop.time()
            message = struct.pack("!I", first + i)
            self._channel.send(message.ljust(960, b"\0"))
            await asyncio.sleep(max(0.0, start_s + (i + 1) * 0.01 - self._loop.time()))
            late_s = self._loop.time() - start_s - (i + 1) * 0.01
            self.lag_s = max(self.lag_s, late_s)

    async def hear(self, *numbers: int) -> None:
        """Wait for the echo of these messages."""
        await eventually(lambda: self.rtts_ms.keys() >= {*numbers}, timeout_s=WAIT_S)

    async def fastest_ms(self) -> float:
        """The shortest echo from now on: a delay moves it whole, a stall does not."""
        first = len(self.sent_s)
        await self.talk(25)
        await self.hear(len(self.sent_s) - 1)
        return min(ms for number, ms in self.rtts_ms.items() if number >= first)

    def _on_message(self, message: bytes) -> None:
        (number,) = struct.unpack_from("!I", message)
        late_ms = (self._loop.time() - self.sent_s[number]) * 1e3
        self.rtts_ms.setdefault(number, late_ms)
        self.order.append(number)


@asynccontextmanager
async def call(relay: Relay, *, reliable: bool = False) -> AsyncIterator[Caller]:
    client, server = (
        RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2)
    )
    opened = asyncio.Event()

    @server.on("datachannel")
    def echo(channel: RTCDataChannel) -> None:
        channel.on("message", channel.send)

    channel = client.createDataChannel(
        "audio", ordered=reliable, maxRetransmits=None if reliable else 0
    )
    channel.on("open", opened.set)

    async def answer(offer_sdp: str) -> str:
        assert "a=candidate" not in offer_sdp
        await server.setRemoteDescription(RTCSessionDescription(offer_sdp, "offer"))
        await server.setLocalDescription(await server.createAnswer())
        return server.localDescription.sdp

    try:
        with ice.host_addresses(("127.0.0.1",)):
            await client.setLocalDescription(await client.createOffer())
            sdp = await relay.exchange(client.localDescription.sdp, answer)
            await client.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        async with asyncio.timeout(WAIT_S):
            await opened.wait()
        yield Caller(channel, relay.flows[-1])
    finally:
        await asyncio.gather(client.close(), server.close())


def delayed(up_ms: float, down_ms: float = 0.0) -> Profile:
    return Profile(up=Conditions(delay_ms=up_ms), down=Conditions(delay_ms=down_ms))


async def test_a_call_connects_through_the_relay_and_only_through_it() -> None:
    async with Relay(profile("clean")) as relay, call(relay, reliable=True) as caller:
        await caller.talk(20)
        await caller.hear(*range(20))

        up, down = (caller.flow.path.counters(d) for d in ("up", "down"))
        assert up.received_bytes > 20 * 960
        assert down.received_bytes > 20 * 960
        assert up.forwarded == up.received
        assert caller.flow.unsent == 0


async def test_50_ms_in_either_direction_is_measured_as_50_ms() -> None:
    """The same call on a clean path, then delayed: only the path differs."""
    async with (
        Relay(profile("clean"), seed=1) as relay,
        call(relay, reliable=True) as caller,
    ):

        async def rtt_ms(path: Profile, expected_ms: float) -> float:
            relay.impair(path)
            best_ms = await caller.fastest_ms()
            for _ in range(ROUNDS):
                if best_ms < expected_ms + 3.0:
                    break
                best_ms = min(best_ms, await caller.fastest_ms())
            return best_ms

        clean_ms = await rtt_ms(profile("clean"), 0.0)
        up_ms = await rtt_ms(delayed(50.0), clean_ms + 50.0)
        down_ms = await rtt_ms(delayed(0.0, 50.0), clean_ms + 50.0)

    assert up_ms - clean_ms == pytest.approx(50.0, abs=3.0)
    assert down_ms - clean_ms == pytest.approx(50.0, abs=3.0)


async def test_loss_of_one_in_five_is_counted_and_felt() -> None:
    async with Relay(profile("clean"), seed=1) as relay, call(relay) as caller:
        relay.impair(Profile(up=Conditions(loss=0.2)))
        up = caller.flow.path.counters("up")
        before = up.received
        while caller.flow.path.counters("up").received < before + 200:
            await caller.talk(50)

        up = caller.flow.path.counters("up")
        sent = up.received - before
        # Four standard deviations of so many throws.
        share = pytest.approx(0.2, abs=4 * (0.2 * 0.8 / sent) ** 0.5)
        assert up.dropped[DropReason.LOSS] / sent == share
        assert 0 < len(caller.rtts_ms) < len(caller.sent_s)
        assert up.received == up.forwarded + up.lost + up.under_way


async def test_a_window_of_total_loss_starts_a_hole_at_its_time() -> None:
    async with Relay(profile("clean")) as relay, call(relay) as caller:

        def n_dropped() -> int:
            up = caller.flow.path.counters("up")
            return up.dropped[DropReason.BLACKOUT]

        start_s = asyncio.get_running_loop().time()
        relay.impair(Profile(changes=(Blackout(at_s=0.3, for_s=60.0),)))
        while n_dropped() < 3:
            await caller.talk(10)
        lost = sorted(caller.sent_s.keys() - caller.rtts_ms.keys())
        hole_s = caller.sent_s[lost[0]] - start_s

    # A message of just before it may be read within it, where this machine stood still.
    assert -caller.lag_s - 0.03 < hole_s - 0.3 < caller.lag_s + 0.03


async def test_reordering_is_seen_by_the_peer() -> None:
    swapped = Profile(up=Conditions(delay_ms=5.0, reorder=0.2, reorder_ms=25.0))
    async with Relay(profile("clean"), seed=2) as relay, call(relay) as caller:
        relay.impair(swapped)

        def n_inversions() -> int:
            return sum(b < a for a, b in itertools.pairwise(caller.order))

        for _ in range(ROUNDS):
            await caller.talk(60)
            if n_inversions() >= 8:
                break

        assert n_inversions() >= 8
        assert caller.flow.path.counters("up").reordered >= n_inversions()


async def test_after_a_change_of_address_answers_to_the_old_one_are_lost() -> None:
    """As far as aioice goes: a controlling aioice never nominates again (Chromium does,
    with every check), so its server goes on sending to the old address."""
    async with Relay(profile("clean")) as relay, call(relay, reliable=True) as caller:
        await caller.talk(10)
        await caller.hear(*range(10))
        forwarded = caller.flow.path.counters("up").forwarded
        relay.impair(Profile(changes=(Rebind(at_s=0.0),)))
        await caller.talk(10)

        def stale() -> int:
            down = caller.flow.path.counters("down")
            return down.dropped[DropReason.STALE_ADDRESS]

        await eventually(lambda: stale() > 0, timeout_s=WAIT_S)
        assert caller.flow.rebindings == 1
        assert caller.flow.path.counters("up").forwarded > forwarded
        assert len(caller.rtts_ms) == 10


async def test_a_server_that_follows_the_new_address_is_heard_again() -> None:
    loop = asyncio.get_running_loop()
    seen: list[Address] = []
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    def echo(data: bytes, sender: Address) -> None:
        seen.append(sender)
        server.send(data, sender)

    server = UdpSocket(loop, "127.0.0.1", echo)
    client = UdpSocket(loop, "127.0.0.1", lambda data, _: heard.put_nowait(data))
    async with Relay(profile("clean")) as relay, asyncio.timeout(WAIT_S):
        flow = relay.open(server.address)
        client.send(b"before", flow.front)
        assert await heard.get() == b"before"
        flow.rebind()
        client.send(b"after", flow.front)
        assert await heard.get() == b"after"
    client.close()
    server.close()

    assert seen[0] != seen[1]


async def test_each_client_address_gets_its_own_answers() -> None:
    """A browser checks from several addresses; to the server they must differ."""
    loop = asyncio.get_running_loop()
    heard: dict[int, list[bytes]] = {0: [], 1: []}
    done = asyncio.Event()

    def hear(i: int, data: bytes) -> None:
        heard[i].append(data)
        if heard[0] and heard[1]:
            done.set()

    server = UdpSocket(
        loop, "127.0.0.1", lambda data, to: server.send(data, to) or None
    )
    clients = [
        UdpSocket(loop, "127.0.0.1", lambda data, _, i=i: hear(i, data)) for i in (0, 1)
    ]
    async with Relay(profile("clean")) as relay, asyncio.timeout(WAIT_S):
        flow = relay.open(server.address)
        for i, client in enumerate(clients):
            client.send(b"%d" % i, flow.front)
        await done.wait()
    for udp in (server, *clients):
        udp.close()

    assert heard == {0: [b"0"], 1: [b"1"]}


async def test_a_bad_network_lets_a_call_connect_and_talk() -> None:
    bursty = Profile(
        up=Conditions(delay_ms=20.0, jitter_ms=10.0, burst=Burst.of(0.05, 3.0)),
        down=Conditions(delay_ms=20.0, jitter_ms=10.0, duplicate=0.1),
    )
    async with Relay(bursty, seed=11) as relay, call(relay) as caller:
        for _ in range(ROUNDS):
            await caller.talk(40)
            if len(caller.rtts_ms) >= 20:
                break

        up, down = (caller.flow.path.counters(d) for d in ("up", "down"))
        assert len(caller.rtts_ms) >= 20
        assert min(caller.rtts_ms.values()) > 20.0
        assert up.delay_ms.mean_ms > 20.0
        assert down.duplicated > 0


async def test_two_calls_have_networks_of_their_own() -> None:
    async with Relay(profile("clean")) as relay:
        async with (
            call(relay, reliable=True) as one,
            call(relay, reliable=True) as other,
        ):
            one.flow.impair(delayed(80.0))
            slow_ms, fast_ms = await asyncio.gather(
                one.fastest_ms(), other.fastest_ms()
            )
        accounts = relay.as_dict()

    assert slow_ms > 79.0
    assert fast_ms < 79.0
    assert accounts["opened"] == 2
    assert [flow["label"] for flow in accounts["flows"]] == ["flow-0", "flow-1"]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_short_and_long_deadlines_are_kept_on_either_event_loop(run: Any) -> None:
    """uvloop's timers are other objects than asyncio's, the shortest ones above all.

    Never early, and on time at least once in some tries: a busy machine adds its own.
    """

    async def echo_times_ms(delay_ms: float) -> list[float]:
        loop, times = asyncio.get_running_loop(), []
        heard = asyncio.Event()
        server = UdpSocket(loop, "127.0.0.1", lambda x, to: server.send(x, to) or None)
        client = UdpSocket(loop, "127.0.0.1", lambda *_: heard.set())
        async with Relay(profile("clean")) as relay, asyncio.timeout(WAIT_S):
            flow = relay.open(server.address)
            flow.impair(delayed(delay_ms, delay_ms))
            while not times or (min(times) > 5.0 and len(times) < ROUNDS):
                start_s = loop.time()
                heard.clear()
                client.send(b"x", flow.front)
                await heard.wait()
                times.append((loop.time() - start_s) * 1e3 - 2.0 * delay_ms)
        client.close()
        server.close()
        return times

    for delay_ms in (0.0, 0.6, 1.0, 1.4, 20.0, 2.0):
        over_ms = run(echo_times_ms(delay_ms))
        assert -1.1 < min(over_ms) <= 5.0, (delay_ms, over_ms)


async def test_a_stranger_cannot_speak_for_the_server() -> None:
    loop = asyncio.get_running_loop()
    back: asyncio.Queue[Address] = asyncio.Queue()
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    server = UdpSocket(loop, "127.0.0.1", lambda _, sender: back.put_nowait(sender))
    stranger = UdpSocket(loop, "127.0.0.1", lambda *_: None)
    client = UdpSocket(loop, "127.0.0.1", lambda data, _: heard.put_nowait(data))
    async with Relay(profile("clean")) as relay, asyncio.timeout(WAIT_S):
        flow = relay.open(server.address)
        client.send(b"hello", flow.front)
        relay_address = await back.get()
        stranger.send(b"from a stranger", relay_address)
        server.send(b"from the server", relay_address)
        assert await heard.get() == b"from the server"
        assert flow.path.counters("down").received == 1
    for udp in (server, stranger, client):
        udp.close()


async def test_flows_are_bounded_and_silent_ones_end() -> None:
    async with Relay(profile("clean"), max_flows=2, idle_s=0.1) as relay:
        relay.open(("127.0.0.1", 9))
        relay.open(("127.0.0.1", 9))
        with pytest.raises(RelayError, match="2 flows"):
            relay.open(("127.0.0.1", 9))

        await eventually(lambda: relay.flows == (), timeout_s=WAIT_S)
        assert len(relay.as_dict()["flows"]) == 2


async def test_addresses_beyond_loopback_are_refused() -> None:
    with pytest.raises(RelayError, match="allow_remote"):
        Relay(profile("clean"), front_host="0.0.0.0")
    async with Relay(profile("clean")) as relay:
        with pytest.raises(RelayError, match="allow_remote"):
            relay.open(("192.0.2.1", 9))

"""Framed PCM and Opus on the data channel, at real peers, on both media paths.

The client is the simulator's, which was written from docs/framing.md alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from simulator.network import profile_from_mapping
from simulator.peer import Leg, Peer, PeerEvents
from simulator.relay import Relay
from tests.integration.server.conftest import (
    Bridge,
    FakeModel,
    eventually,
    read_wav,
    running_bridge,
    settings_for,
)
from tests.integration.server.test_call import loud_part, loud_s, pitch_hz, tone
from tests.integration.server.test_conversation import strength

FRAME_SAMPLES = 480
FRAMED: tuple[Leg, ...] = ("framed", "opus")


class Caller:
    """One simulated browser that sends samples in real time."""

    def __init__(self, leg: Leg) -> None:
        self.heard: list[Any] = []
        self.messages: list[dict[str, Any]] = []
        self.lost: list[str] = []
        events = PeerEvents(
            lambda pcm, at_s: self.heard.append(pcm),
            lambda message, at_s: self.messages.append(message),
            self.lost.append,
        )
        self.peer = Peer(leg, events, addresses=("127.0.0.1",))

    async def connect(
        self, bridge: Bridge, session_id: str, relay: Relay | None = None
    ) -> None:
        async def post(offer: str) -> str:
            response = await bridge.http.post(
                f"/api/realtime/sdp/{session_id}",
                content=offer,
                headers={"Content-Type": "application/sdp"},
            )
            assert response.status_code == 200, response.text
            return response.text

        offer = await self.peer.offer()
        answer = await (relay.exchange(offer, post) if relay else post(offer))
        await self.peer.accept(answer)
        await asyncio.wait_for(self.peer.wait_open(), 10)

    async def message(self, kind: str) -> dict[str, Any]:
        await eventually(lambda: bool(self.all(kind)))
        return self.all(kind)[0]

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [m for m in self.messages if m["type"] == kind]

    async def speak(self, pcm: np.ndarray) -> None:
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        for n in range(0, pcm.size, FRAME_SAMPLES):
            self.peer.send_audio(pcm[n : n + FRAME_SAMPLES])
            due_s = start_s + (n // FRAME_SAMPLES + 1) * 0.02
            await asyncio.sleep(max(0, due_s - loop.time()))


@asynccontextmanager
async def caller(
    bridge: Bridge, session_id: str, leg: Leg, relay: Relay | None = None
) -> AsyncIterator[Caller]:
    one = Caller(leg)
    try:
        await one.connect(bridge, session_id, relay)
        await one.message("hello")
        yield one
    finally:
        await one.peer.close()


def usual_strength(pcm: np.ndarray, hz: float) -> float:
    """Amplitude of a tone in pieces that no stall of the machine has spoiled."""
    pieces = pcm[: pcm.size // 2400 * 2400].reshape(-1, 2400)
    return float(np.percentile([strength(np.tile(p, 4), hz) for p in pieces], 75))


@pytest.mark.parametrize("leg", FRAMED)
async def test_a_tone_with_a_pause_reaches_the_model_whole(
    bridge: Bridge, fake: FakeModel, leg: Leg
) -> None:
    """Pitch, length and level; the pause is not sent, and is as long as it was."""
    session_id = await bridge.open(system_prompt=f"tag-leg-{leg}")
    sent = np.concatenate((tone(440, 1.0), np.zeros(9600, np.int16), tone(440, 0.6)))
    async with caller(bridge, session_id, leg) as client:
        framing = (await client.message("hello"))["audio"]["framing"]
        quiet = np.zeros(9600, np.int16)
        await client.speak(np.concatenate((quiet, sent, quiet)))
        roll = client.all("participants")[-1]["participants"]

    call = await fake.call(f"tag-leg-{leg}")
    wav = await fake.get(f"/fake/v1/calls/{call['call_id']}/audio/input.wav")
    got = loud_part(read_wav(wav.content))
    assert framing == client.peer.framing == roll[0]["leg"]
    assert framing == {"framed": "pcm16.v1", "opus": "opus.v1"}[leg]
    assert pitch_hz(got[:20_000]) == pytest.approx(440, abs=4)
    assert loud_s(got) == pytest.approx(1.6, rel=0.08)
    # Stalls of a busy machine make it longer; a pause cut out would make it shorter.
    assert 1.92 < got.size / 24_000 < 2.6
    assert usual_strength(got, 440) == pytest.approx(8000, rel=0.12)


async def test_browsers_on_every_leg_meet_in_one_conversation(fake: FakeModel) -> None:
    async with running_bridge(settings_for(fake.url)) as bridge:
        session_id = await bridge.open()
        async with (
            caller(bridge, session_id, "opus") as ann,
            caller(bridge, session_id, "framed") as bob,
            caller(bridge, session_id, "track") as eve,
        ):
            await asyncio.gather(
                ann.speak(tone(440, 2.0, 5000)),
                bob.speak(tone(700, 2.0, 5000)),
                eve.speak(tone(1000, 2.0, 5000)),
            )
            heard = {c: np.concatenate(c.heard)[-28_800:] for c in (ann, bob, eve)}

    for own, hz in ((ann, 440), (bob, 700), (eve, 1000)):
        for pitch in (440, 700, 1000):
            level = usual_strength(heard[own], pitch)
            # How loud exactly is measured on a virtual clock (test_mixdown.py).
            if pitch == hz:
                assert level < 300, (own.peer.framing, pitch)
            else:
                assert 3500 < level < 6000, (own.peer.framing, pitch)


async def test_a_framing_nobody_knows_is_refused_in_words(fake: FakeModel) -> None:
    async with running_bridge(settings_for(fake.url)) as bridge:
        session_id = await bridge.open()
        one = _with_protocol("pcm16.v9")
        await one.connect(bridge, session_id)
        error = await one.message("error")
        assert error["error"]["code"] == "unsupported_framing"
        assert error["fatal"] is True
        assert "does not know" in error["error"]["message"]
        await eventually(
            lambda: bool(one.lost) or one.peer._control.readyState != "open"
        )
        await one.peer.close()
        assert await bridge.has(clients=0)


def _with_protocol(protocol: str) -> Caller:
    from simulator import peer

    before = peer.PROTOCOLS["framed"]
    peer.PROTOCOLS["framed"] = protocol  # type: ignore[assignment]
    try:
        return Caller("framed")
    finally:
        peer.PROTOCOLS["framed"] = before


async def test_damaged_frames_are_complained_of_and_end_nothing(
    fake: FakeModel,
) -> None:
    header = bytes([1, 0, 0, 1, 0, 0, 0, 0])
    damaged = [b"\1", b"\2" + bytes(967), header, header + b"\xd3\x3f", bytes(50)]
    async with running_bridge(settings_for(fake.url)) as bridge:
        session_id = await bridge.open()
        async with caller(bridge, session_id, "opus") as client:
            assert client.peer._audio is not None
            for message in damaged:
                client.messages.clear()
                client.peer._audio.send(message)
                error = await client.message("error")
                assert error["error"]["code"] == "invalid_audio"
                assert error["fatal"] is False
                await asyncio.sleep(0.55)  # complaints come twice a second at most
            await client.speak(tone(440, 0.1))
            client.peer.send_message({"type": "ping", "t": 1})
            await client.message("pong")


async def test_quality_tells_the_delay_of_the_network(fake: FakeModel) -> None:
    """40 ms each way are put in; the round trip is reported within 10 ms."""
    slow = profile_from_mapping({"both": {"delay_ms": 40}})
    async with running_bridge(settings_for(fake.url)) as bridge, Relay(slow) as relay:
        session_id = await bridge.open()
        async with caller(bridge, session_id, "framed", relay) as client:
            await client.speak(tone(300, 3.3))
            reports = client.all("quality")

    assert len(reports) >= 2
    best = min(report["rtt_ms"] for report in reports[1:])
    assert best == pytest.approx(80, abs=10)
    last = reports[-1]
    assert set(last) == {
        *("type", "rtt_ms", "jitter_ms", "lost_ms", "concealed_ms", "late_ms"),
        *("buffer_ms", "uplink_added_ms", "downlink_added_ms"),
    }
    assert last["lost_ms"] == last["late_ms"] == 0

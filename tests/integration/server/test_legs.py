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

from server.media import client as client_module
from simulator.network import profile_from_mapping
from simulator.peer import Leg, Peer, PeerEvents
from simulator.relay import Relay
from tests.integration.server.conftest import (
    PATIENCE_S,
    Bridge,
    CallLog,
    FakeModel,
    eventually,
    read_wav,
    running_bridge,
    settings_for,
)
from tests.support.browser import in_real_time
from tests.support.sounds import audible_span
from tests.support.tones import Heard, assert_all_came, tone

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
        await asyncio.wait_for(self.peer.wait_open(), 30)

    async def message(self, kind: str) -> dict[str, Any]:
        await eventually(lambda: bool(self.all(kind)))
        return self.all(kind)[0]

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [m for m in self.messages if m["type"] == kind]

    async def speak(self, pcm: np.ndarray) -> None:
        async for frame in in_real_time(pcm):
            self.peer.send_audio(frame)


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


@pytest.mark.parametrize("leg", FRAMED)
async def test_a_tone_with_a_pause_reaches_the_model_whole(
    bridge: Bridge, fake: FakeModel, call_log: CallLog, leg: Leg
) -> None:
    """Pitch, length and level; the pause is not sent, and is not cut out."""
    session_id = await bridge.open(system_prompt=f"tag-leg-{leg}")
    sent = np.concatenate((tone(440, 1.0), np.zeros(9600, np.int16), tone(440, 0.6)))
    async with caller(bridge, session_id, leg) as client:
        framing = (await client.message("hello"))["audio"]["framing"]
        quiet = np.zeros(9600, np.int16)
        await client.speak(np.concatenate((quiet, sent, quiet)))
        roll = client.all("participants")[-1]["participants"]
        await fake.heard(f"tag-leg-{leg}", [440], 1.6)
        counts = await call_log.end(bridge, session_id)

    call = await fake.call(f"tag-leg-{leg}")
    wav = await fake.get(f"/fake/v1/calls/{call['call_id']}/audio/input.wav")
    got = read_wav(wav.content)
    heard = Heard(got, [440])
    assert framing == client.peer.framing == roll[0]["leg"]
    assert framing == {"framed": "pcm16.v1", "opus": "opus.v1"}[leg]
    assert heard.pitch_hz(440) == pytest.approx(440, abs=1)
    assert heard.level_db(440, 8000) == pytest.approx(0, abs=1)
    assert_all_came(heard, 440, 1.6, counts)
    dropped_s = (counts["mic_dropped_ms"] + counts["mic_lost_ms"]) / 1000
    first, last = audible_span(got)
    assert (last - first) / 24_000 > 1.92 - dropped_s


async def test_browsers_on_every_leg_meet_in_one_conversation(fake: FakeModel) -> None:
    async with running_bridge(settings_for(fake.url)) as bridge:
        session_id = await bridge.open()
        async with (
            caller(bridge, session_id, "opus") as ann,
            caller(bridge, session_id, "framed") as bob,
            caller(bridge, session_id, "track") as eve,
        ):
            await asyncio.gather(
                ann.speak(tone(440, 1.5, 5000)),
                bob.speak(tone(700, 1.5, 5000)),
                eve.speak(tone(1000, 1.5, 5000)),
            )
            hz = (440, 700, 1000)
            heard = {c: Heard(np.concatenate(c.heard), hz) for c in (ann, bob, eve)}

    for own, hz in ((ann, 440), (bob, 700), (eve, 1000)):
        for pitch in (440, 700, 1000):
            level = heard[own].peak(pitch)
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
    fake: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MIN_ERROR_INTERVAL_S", 0.0)
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
            await client.speak(tone(440, 0.1))
            client.peer.send_message({"type": "ping", "t": 1})
            await client.message("pong")


async def test_quality_tells_the_delay_of_the_network(fake: FakeModel) -> None:
    """40 ms each way are put in; the round trip is reported within 10 ms."""
    slow = profile_from_mapping({"both": {"delay_ms": 40}})
    async with running_bridge(settings_for(fake.url)) as bridge, Relay(slow) as relay:
        session_id = await bridge.open()
        async with caller(bridge, session_id, "framed", relay) as client:
            speaking = asyncio.create_task(client.speak(tone(300, PATIENCE_S)))
            # A busy machine adds to it, and nothing takes away.
            await eventually(
                lambda: any(r["rtt_ms"] <= 90 for r in client.all("quality")[1:])
            )
            speaking.cancel()
            await asyncio.wait([speaking])
            reports = client.all("quality")

    assert min(report["rtt_ms"] for report in reports[1:]) >= 79
    last = reports[-1]
    assert set(last) == {
        *("type", "rtt_ms", "jitter_ms", "lost_ms", "concealed_ms", "late_ms"),
        *("buffer_ms", "uplink_added_ms", "downlink_added_ms"),
    }
    assert last["lost_ms"] == last["late_ms"] == 0

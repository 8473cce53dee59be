"""Does the delay come back after a bad spell? One order of the far ends.

Packets between one browser and the bridge are lost at random, seeded, both ways, for a
while; markers before, during and after tell the delay. The browser's data channel is
aiortc's own here: what it loses it must give up or repeat as a browser would.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import numpy as np

from loadtests.engine.browser import Browser
from loadtests.engine.figures import Direction, percentiles_ms
from loadtests.engine.model import ModelCall
from loadtests.engine.peers import (
    FRAME_HEADER_BYTES,
    Pace,
    TrackAudio,
    Voice,
    Wire,
    frame_header,
)
from loadtests.engine.signal import RATE_HZ, OpusEar, Signal, onset

BEFORE_S, SETTLE_S, AFTER_S = 5.0, 5.0, 5.0


class PatientChannelAudio:
    """Audio over the channel `audio` by aiortc's own code."""

    def __init__(
        self,
        channel: Any,
        up: Direction,
        down: Direction,
        signal: Signal,
        *,
        framing: str,
    ) -> None:
        self._has_header = bool(framing)
        self._ear = OpusEar() if framing == "opus.v1" else None
        self._channel = channel
        self._voice = Voice(signal, up)
        self._down = down
        channel.on("message", self._hear)

    def send(self, now_s: float) -> None:
        """Send the next frame."""
        n, frame = self._voice.next(now_s)
        self._channel.send(frame_header(n) + frame if self._has_header else frame)

    def _hear(self, data: bytes) -> None:
        now_s = time.monotonic()
        self._down.arrivals.append((len(self._down.arrivals), now_s))
        if self._has_header:
            data = data[FRAME_HEADER_BYTES:]
        if self._ear is not None:
            at_s = onset(self._ear.decode(bytes(data)), self._ear.rate_hz)
        else:
            at_s = onset(np.frombuffer(data, "<i2"), RATE_HZ)
        if at_s is not None:
            self._down.heard(now_s + at_s)


class Lossy:
    """Loses a fraction of the datagrams of one peer connection, both ways."""

    def __init__(
        self, browser: Browser, fraction: float, seed: int, wire: Wire | None
    ) -> None:
        self.fraction = 0.0
        self.lost = 0
        self._wanted = fraction
        self._random = random.Random(seed)
        (pair,) = Wire(browser.pc).dtls.transport._connection._nominated.values()
        protocol: Any = pair.protocol
        receive, send = protocol.datagram_received, protocol.send_data
        if wire is not None:
            send_now = wire.send

            def send_datagram(datagram: bytes) -> None:
                if not self._loses():
                    send_now(datagram)

            wire.send = send_datagram  # type: ignore[method-assign]

        def datagram_received(data: bytes, address: Any) -> None:
            if not self._loses():
                receive(data, address)

        async def send_data(data: bytes, address: Any) -> None:
            if not self._loses():
                await send(data, address)

        protocol.datagram_received, protocol.send_data = datagram_received, send_data

    def begin(self) -> None:
        """From now on."""
        self.fraction = self._wanted

    def end(self) -> None:
        """The network is well again."""
        self.fraction = 0.0

    def _loses(self) -> bool:
        if self._random.random() < self.fraction:
            self.lost += 1
            return True
        return False


async def measure_recovery(
    browser: Browser, call: ModelCall, signal: Signal, order: dict[str, Any]
) -> dict[str, Any]:
    """Delays before, during and `SETTLE_S` after a spell of loss."""
    audio: PatientChannelAudio | TrackAudio
    wire: Wire | None = None
    if browser.channel is None:
        audio, wire = browser.start_track(signal)
    else:
        audio = PatientChannelAudio(
            browser.channel,
            call.uplink,
            call.downlink,
            signal,
            framing=browser.channel.protocol,
        )
    lossy = Lossy(browser, order["loss"], order.get("seed", 1), wire)
    paces = [Pace(audio.send, 0.0), Pace(call.start().send, 0.007)]
    try:
        await asyncio.sleep(order["warm_up_s"])
        before = await _listen(call, BEFORE_S)
        lossy.begin()
        during = await _listen(call, order["seconds"])
        lossy.end()
        await asyncio.sleep(SETTLE_S)
        after = await _listen(call, AFTER_S)
    finally:
        for pace in paces:
            pace.stop()
    return {
        "event": "recovery",
        "lost_datagrams": lossy.lost,
        "before": before,
        "during": during,
        "after": after,
    }


async def _listen(call: ModelCall, seconds: float) -> dict[str, Any]:
    for direction in (call.uplink, call.downlink):
        direction.clear()
    await asyncio.sleep(seconds)
    return {
        "added_uplink_ms": percentiles_ms(call.uplink.delays_s),
        "added_downlink_ms": percentiles_ms(call.downlink.delays_s),
        "frames_heard": [len(call.uplink.arrivals), len(call.downlink.arrivals)],
    }

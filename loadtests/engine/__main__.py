"""The far ends as a process: one JSON order per line in, JSON events out.

First line out: {"model_url"}. Order: {"bridge_url", "leg", "sessions", "warm_up_s",
"seconds"}; its events: "start", "end", "figures", "closed". With "most", "per_s" and
"ramp_s" instead of "sessions" they are added until no more are taken ("ramped" tells
how many). End of input ends it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from typing import Any

import aiohttp
import aioice.ice
import uvloop

from loadtests.engine.browser import Browser
from loadtests.engine.figures import Direction, late_frames, percentiles_ms, typical_ms
from loadtests.engine.loss import measure_recovery
from loadtests.engine.model import ModelCall, ModelService
from loadtests.engine.peers import Pace
from loadtests.engine.ramp import ramp
from loadtests.engine.signal import FRAME_S, Signal, opus_signal, pcm_signal

PING_INTERVAL_S = 0.5


def main() -> int:
    """Serve orders until the input ends."""
    # The whole load stays on this machine, whatever addresses it has.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    uvloop.run(_serve())
    return 0


def _say(**event: Any) -> None:
    print(json.dumps(event), flush=True)


async def _serve() -> None:
    opus, pcm = opus_signal(), pcm_signal()
    signals = {"track": opus, "opus": opus, "datachannel": pcm, "framed": pcm}
    model = ModelService(signals["track"])
    _say(event="listening", model_url=await model.start())
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        await _perform(order, model, signals[order["leg"]])


async def _perform(order: dict[str, Any], model: ModelService, signal: Signal) -> None:
    model.calls.clear()
    pairs: list[tuple[Browser, ModelCall]] = []
    paces: list[Pace] = []
    # A kept connection may be closed by the bridge just when it is asked again.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as http:
        try:
            if "most" in order:
                refused = await ramp(order, http, model, signal, pairs, paces)
                _say(event="ramped", sessions=len(pairs), refused=refused)
                await asyncio.sleep(order["warm_up_s"])
                _say(**await _measure(order["seconds"], pairs, paces))
                return
            connects_s = await _connect(order, http, model, pairs)
            if "loss" in order:
                (pair,) = pairs
                _say(**await measure_recovery(*pair, signal, order))
                return
            paces = _start(pairs, signal)
            _say(event="warming_up")
            await asyncio.sleep(order["warm_up_s"])
            figures = await _measure(order["seconds"], pairs, paces)
            _say(**figures, connect_ms=percentiles_ms(connects_s))
        except (RuntimeError, TimeoutError, aiohttp.ClientError) as exc:
            # Before "closed", which is the last that anybody reads.
            _say(event="failed", reason=f"{type(exc).__name__}: {exc}")
        finally:
            for pace in paces:
                pace.stop()
            url = order["bridge_url"]
            await asyncio.gather(
                *(b.close(http, url) for b, _ in pairs),
                *(c.pc.close() for c in model.calls),
                return_exceptions=True,
            )
            _say(event="closed")


async def _connect(
    order: dict[str, Any],
    http: aiohttp.ClientSession,
    model: ModelService,
    pairs: list[tuple[Browser, ModelCall]],
) -> list[float]:
    """One after the other, so that session n of the bridge is call n of the model;
    how long each took, seconds."""
    connects_s = []
    for _ in range(order["sessions"]):
        uplink, downlink = Direction(), Direction()
        browser = Browser(order["leg"], uplink, downlink)
        began_s = time.monotonic()
        await browser.connect(http, order["bridge_url"])
        connects_s.append(time.monotonic() - began_s)
        call = model.calls[-1]
        call.uplink, call.downlink = uplink, downlink
        pairs.append((browser, call))
    return connects_s


def _start(pairs: list[tuple[Browser, ModelCall]], signal: Signal) -> list[Pace]:
    """Everybody talks; real clocks are not in step, so neither are these."""
    gc.collect()
    gc.freeze()
    paces: list[Pace] = []
    for n, (browser, call) in enumerate(pairs):
        phase_s = n * FRAME_S / len(pairs)
        paces.append(Pace(browser.start(signal).send, phase_s))
        paces.append(Pace(call.start().send, (phase_s + 0.37 * FRAME_S) % FRAME_S))
    return paces


async def _measure(
    seconds: float, pairs: list[tuple[Browser, ModelCall]], paces: list[Pace]
) -> dict[str, Any]:
    for browser, call in pairs:
        call.uplink.clear()
        call.downlink.clear()
        browser.round_trips_s.clear()
    for pace in paces:
        pace.lateness_s.clear()
    cpu_s, started_s = time.process_time(), time.monotonic()
    _say(event="start")
    while (left_s := started_s + seconds - time.monotonic()) > 0:
        pairs[0][0].ping()
        await asyncio.sleep(min(left_s, PING_INTERVAL_S))
    _say(event="end")
    spent_s = time.process_time() - cpu_s
    ups, downs = [c.uplink for _, c in pairs], [c.downlink for _, c in pairs]
    sent = sum(len(pace.lateness_s) for pace in paces)
    heard = [len(d.arrivals) for d in (*ups, *downs)]
    return {
        "event": "figures",
        "added_uplink_ms": {
            **percentiles_ms([s for d in ups for s in d.delays_s]),
            "typical": typical_ms(ups),
        },
        "added_downlink_ms": {
            **percentiles_ms([s for d in downs for s in d.delays_s]),
            "typical": typical_ms(downs),
        },
        "late_frames": sum(late_frames(d.arrivals) for d in (*ups, *downs)),
        "frames_heard": sum(heard),
        "frames_sent": sent,
        "loop_round_trip_ms": percentiles_ms(pairs[0][0].round_trips_s),
        "generator": {
            "cpu_ms_per_session_s": round(1000 * spent_s / seconds / len(pairs), 2),
            "lateness_ms": percentiles_ms([s for p in paces for s in p.lateness_s]),
        },
    }


if __name__ == "__main__":
    sys.exit(main())

"""Sessions added one by one, talking at once, until the bridge is full. EDGE."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from loadtests.engine.browser import Browser, RefusedError
from loadtests.engine.figures import Direction
from loadtests.engine.model import ModelCall, ModelService
from loadtests.engine.peers import Pace
from loadtests.engine.signal import FRAME_S, Signal

BUSY = 503
REFUSALS = 2
"""In a row, the second asked for when the first said so: then it is full."""
MOST_WAIT_S = 10.0
"""Longer than this no refusal makes us wait."""
GOLDEN = 0.618
"""Steps of this fraction of a frame spread any number of phases evenly."""


async def ramp(
    order: dict[str, Any],
    http: aiohttp.ClientSession,
    model: ModelService,
    signal: Signal,
    pairs: list[tuple[Browser, ModelCall]],
    paces: list[Pace],
) -> bool:
    """Add sessions to `pairs` and `paces` until no more are taken.

    Args:
        order: with `bridge_url`, `leg`, `most` (sessions), `per_s` (sessions) and
            `ramp_s` (no longer than this).
        http: for signalling.
        model: where the bridge's calls arrive.
        signal: what everybody says.
        pairs: gets every session with its call.
        paces: gets their clocks.

    Returns:
        True when the bridge refused with 503, and again when it was asked again after
        the time it had named; False when `most` or `ramp_s` was reached.

    Raises:
        RefusedError: it refused for another reason.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + order["ramp_s"]
    due_s, refusals = loop.time(), 0
    while len(pairs) < order["most"] and loop.time() < until_s:
        uplink, downlink = Direction(), Direction()
        browser = Browser(order["leg"], uplink, downlink)
        try:
            await browser.connect(http, order["bridge_url"])
        except RefusedError as exc:
            await browser.pc.close()
            if exc.status != BUSY:
                raise
            refusals += 1
            if refusals == REFUSALS:
                return True
            await asyncio.sleep(min(exc.retry_after_s, MOST_WAIT_S))
            continue
        refusals = 0
        call = model.calls[-1]
        call.uplink, call.downlink = uplink, downlink
        phase_s = len(pairs) * GOLDEN % 1 * FRAME_S
        pairs.append((browser, call))
        paces.append(Pace(browser.start(signal).send, phase_s))
        paces.append(Pace(call.start().send, (phase_s + 0.37 * FRAME_S) % FRAME_S))
        due_s = max(due_s + 1 / order["per_s"], loop.time())
        await asyncio.sleep(due_s - loop.time())
    return False

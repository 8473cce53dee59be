"""Sessions added one by one, talking at once, until the bridge refuses. EDGE."""

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
    """Add sessions to `pairs` and `paces` until one is refused.

    Args:
        order: with `bridge_url`, `leg`, `most` (sessions) and `per_s` (sessions).
        http: for signalling.
        model: where the bridge's calls arrive.
        signal: what everybody says.
        pairs: gets every session with its call.
        paces: gets their clocks.

    Returns:
        True when the bridge refused with 503; False when `most` was reached.

    Raises:
        RefusedError: it refused for another reason.
    """
    while len(pairs) < order["most"]:
        uplink, downlink = Direction(), Direction()
        browser = Browser(order["leg"], uplink, downlink)
        try:
            await browser.connect(http, order["bridge_url"])
        except RefusedError as exc:
            await browser.pc.close()
            if exc.status == BUSY:
                return True
            raise
        call = model.calls[-1]
        call.uplink, call.downlink = uplink, downlink
        phase_s = len(pairs) * GOLDEN % 1 * FRAME_S
        pairs.append((browser, call))
        paces.append(Pace(browser.start(signal).send, phase_s))
        paces.append(Pace(call.start().send, (phase_s + 0.37 * FRAME_S) % FRAME_S))
        await asyncio.sleep(1 / order["per_s"])
    return False

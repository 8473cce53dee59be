"""`python -m loadtests.callers`: many simulated browsers, ordered on standard input.

The lines are those of `loadtests.callers.wire`. Not for people: `voicebridge simulate`
and `voicebridge load` are.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import uvloop

from loadtests.callers.analysing import Analyst
from loadtests.callers.core_waits import CoreWaits
from loadtests.callers.switchboard import Switchboard, scenario_of
from loadtests.callers.wire import (
    Event,
    PlaceCall,
    Ready,
    WireError,
    decode_order,
    encode,
)
from loadtests.process_tree import bridge_pids
from simulator.bridge_api import BridgeApi, Deadlines
from simulator.capture import CaptureClock
from simulator.conversation import Line
from simulator.network import PRESETS, profile_from_mapping
from simulator.peer import LEGS
from simulator.relay import Relay
from simulator.scenario import SCENARIOS

API_KEY_VARIABLE = "VOICEBRIDGE_API_KEY"
MAX_LINE_BYTES = 64 * 1024

logger = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(prog="python -m loadtests.callers")
    add = arguments.add_argument
    add("--url", required=True)
    add("--leg", choices=LEGS, default="datachannel")
    add("--fake-url")
    add("--network", choices=sorted(PRESETS))
    add("--network-seed", type=int, default=0)
    add("--drift-ppm", type=float, default=0.0)
    add("--any-address", action="store_true")
    add("--keep", type=Path)
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Serve orders until the input ends and every call is analysed."""
    options = parser().parse_args(argv)
    logging.basicConfig(
        level=logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for name in SCENARIOS:  # decoded now, not while others talk
        scenario_of(PlaceCall(0, name, 1.0))
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    gc.collect()
    gc.freeze()  # a full collection in mid-call would be measured as jitter
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options))
    return 0


async def _serve(options: argparse.Namespace) -> None:
    addresses = None if options.any_address else ("127.0.0.1",)
    orders, say = await _orders(), await _speaker()
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        key = os.environ.get(API_KEY_VARIABLE)
        api = BridgeApi(http, options.url, Deadlines(), api_key=key)
        relay = _relay(options)
        if relay is not None:
            await stack.enter_async_context(relay)
        clock = await stack.enter_async_context(
            CaptureClock(drift_ppm=options.drift_ppm)
        )
        analyst = await stack.enter_async_context(Analyst(say, options.keep))
        waits = CoreWaits(bridge_pids(options.url))
        watch = asyncio.create_task(waits.run(), name="core-waits")
        stack.callback(watch.cancel)
        board = Switchboard(
            Line(api, clock, relay),
            analyst,
            waits,
            say,
            leg=options.leg,
            addresses=addresses,
            fake_url=options.fake_url,
        )
        say(Ready(os.getpid(), analyst.pid))
        async with asyncio.TaskGroup() as calls:
            async for line in orders:
                try:
                    board.handle(decode_order(line), calls)
                except WireError as exc:
                    logger.error("order refused: %s", exc)
            board.close()
        await analyst.wait_idle()


def _relay(options: argparse.Namespace) -> Relay | None:
    if options.network is None:
        return None
    return Relay(
        profile_from_mapping({"preset": options.network}),
        seed=options.network_seed,
        allow_remote=options.any_address,
    )


async def _orders() -> asyncio.StreamReader:
    """Standard input, line by line."""
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    return reader


async def _speaker() -> Callable[[Event], None]:
    """Standard output: writing never waits for the reader, who might be late."""
    transport, _ = await asyncio.get_running_loop().connect_write_pipe(
        asyncio.BaseProtocol, sys.stdout.buffer
    )
    return lambda event: transport.write(encode(event))


if __name__ == "__main__":
    sys.exit(main())

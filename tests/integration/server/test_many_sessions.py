"""Sessions that are over leave nothing behind, to the object."""

import gc
import os
import threading
from collections import Counter
from contextlib import suppress
from typing import Any

import numpy as np

from server.observability.process import usage
from server.rtc.lean.association import Association, LazyTimer
from server.rtc.lean.wire import Wire
from tests.integration.server.conftest import (
    Bridge,
    FakeModel,
    eventually,
    running_bridge,
    settings_for,
)
from tests.support.browser import browser
from tests.support.living import living

POOLS = ("asyncio_", "_connection_worker_thread", "spill")
"""The loop's, aiosqlite's, and the writer's; each is bounded."""
BY_THE_CLOCK = "server.workers.cost.Reading"
"""One a second, of the last so many."""
OF_CALLS = ("server", "aiortc", "aioice", "pyee", "pylibsrtp", "OpenSSL", "av")


def alive() -> Counter[str]:
    """Objects of ours and of the libraries that carry calls, by class."""
    found = living(*OF_CALLS)
    del found[BY_THE_CLOCK]
    return found


def threads_of_calls() -> int:
    """Threads of this process, but for those that pools start when needed."""
    names = [thread.name for thread in threading.enumerate()]
    return usage().threads - sum(any(p in name for p in POOLS) for name in names)


async def test_sessions_in_a_row_leave_nothing_behind(bridge: Bridge) -> None:
    """After the first few, not one task, descriptor, thread or object more.

    SESSIONS_IN_A_ROW=200 for the long form.
    """
    n_sessions = int(os.environ.get("SESSIONS_IN_A_ROW", "5"))

    async def one_call() -> None:
        session_id = await bridge.open()
        async with browser(bridge.http, session_id) as client:
            await client.speak(np.full(2400, 500, np.int16))
        await bridge.http.delete(f"/api/realtime/session/{session_id}")

    for _ in range(3):
        await one_call()
    await eventually(lambda: bridge.has(sessions=0))
    base, base_threads, base_alive = usage(), threads_of_calls(), alive()
    for _ in range(n_sessions):
        await one_call()

    await eventually(lambda: usage().tasks <= base.tasks)
    await eventually(lambda: usage().fds <= base.fds)
    with suppress(TimeoutError):
        await eventually(lambda: not alive() - base_alive, timeout_s=10)
    grown = alive() - base_alive
    assert dict(grown) == {}
    assert threads_of_calls() <= base_threads


async def test_the_ciphers_of_a_call_do_not_wait_for_the_collector(
    fake: FakeModel,
) -> None:
    """It comes every seventy calls: by then they would be 20 MB of OpenSSL's."""
    settings = settings_for(fake.url, session_grace_s=0.5, media_path="lean")
    async with running_bridge(settings) as bridge:
        gc.collect()
        gc.disable()
        try:
            for _ in range(2):
                session_id = await bridge.open()
                async with browser(bridge.http, session_id):
                    assert len(holders()) == 2 * len(HOLDERS)
                    transports = [item.dtls for item in holders(Wire)]
                await bridge.http.delete(f"/api/realtime/session/{session_id}")
                await eventually(lambda: bridge.has(sessions=0))
            await eventually(lambda: not holders())
            for dtls in transports:  # which the test holds
                assert (dtls._ssl, dtls._rx_srtp, dtls._tx_srtp) == (None, None, None)
                borrowed = {"data_received", "check_incoming"}
                assert not borrowed & set(vars(dtls.transport._connection))
        finally:
            gc.enable()


HOLDERS = (Wire, Association, LazyTimer)


def holders(*kinds: type) -> list[Any]:
    """What holds keys and buffers of a connection, also if nobody holds it."""
    return [o for o in gc.get_objects() if isinstance(o, kinds or HOLDERS)]

"""A clock that jumps, for programs that talk over real sockets within one process.

Seconds of talk pass in the time they cost to compute, and every timer fires when it is
due, however busy the machine: what is measured in milliseconds is the program's own.
Time jumps to the next timer only when nothing is under way on the wire. Datagrams are
counted as they leave and arrive; streams (the few requests of a call) and datagrams to
nobody are given a moment of real time instead. Threads are not waited for: nothing that
hands work to one belongs on this clock.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from asyncio import selector_events
from collections.abc import Coroutine
from typing import Any, TypeVar
from unittest.mock import patch

LOST_S = 0.05
"""Real time after which a datagram that is nowhere was sent to nobody."""
STREAM_S = 0.005
"""Real time without anything on a stream before the clock may jump."""

T = TypeVar("T")
_real_monotonic = time.monotonic


class _Selector(selectors.DefaultSelector):
    """Waits for the wire in real time, for timers not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = _real_monotonic()
        self.under_way = 0
        self.stream_used_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.under_way > 0:
            ready = super().select(LOST_S)
            if not ready:
                self.under_way = 0
        if not ready:
            quiet_s = _real_monotonic() - self.stream_used_s
            if quiet_s < STREAM_S:
                ready = super().select(STREAM_S - quiet_s)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("everything waits and nothing will ever happen")
        self.now_s += max(0.0, timeout)
        return ready


class _Datagrams(selector_events._SelectorDatagramTransport):  # type: ignore[name-defined,misc]
    """Counts what leaves and what arrives."""

    _loop: WireTimeLoop

    def sendto(self, data: bytes, addr: Any = None) -> None:
        self._loop.wire.under_way += 1
        super().sendto(data, addr)

    def _read_ready(self) -> None:
        self._loop.wire.under_way -= 1
        super()._read_ready()


class _Stream(selector_events._SelectorSocketTransport):  # type: ignore[name-defined,misc]
    """Notes when it was used."""

    _loop: WireTimeLoop

    def __init__(self, loop: WireTimeLoop, *args: Any, **kwargs: Any) -> None:
        loop.wire.stream_used_s = _real_monotonic()
        super().__init__(loop, *args, **kwargs)

    def write(self, data: Any) -> None:
        self._loop.wire.stream_used_s = _real_monotonic()
        super().write(data)

    def _read_ready(self) -> None:
        self._loop.wire.stream_used_s = _real_monotonic()
        super()._read_ready()


class WireTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps over the time in which nothing happens."""

    def __init__(self) -> None:
        self.wire = _Selector()
        super().__init__(self.wire)

    def time(self) -> float:
        """Seconds of this clock; `time.monotonic` tells the same while it runs."""
        return self.wire.now_s

    def _make_datagram_transport(self, *args: Any, **kwargs: Any) -> Any:
        return _Datagrams(self, *args, **kwargs)

    def _make_socket_transport(self, *args: Any, **kwargs: Any) -> Any:
        return _Stream(self, *args, **kwargs)

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Connect a stream, which takes real time."""
        self.wire.stream_used_s = _real_monotonic()
        await super().sock_connect(sock, address)


def run_on_wire_time(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a clock that jumps; its result."""
    with asyncio.Runner(loop_factory=WireTimeLoop) as runner:
        loop = runner.get_loop()
        with patch("time.monotonic", loop.time):
            return runner.run(main)

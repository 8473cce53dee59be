"""UDP ports of our own choice for host candidates, for firewalls and containers.

aioice binds port 0, whatever the caller wants. It asks `asyncio.get_running_loop` for
the loop it binds with; that one name in its module is replaced by a namespace that
hands out the loop with another `create_datagram_endpoint`, inside a block only. What
is relied on is pinned by `tests/contract/server/test_ice_pins.py`.
"""

import asyncio
import errno
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import aioice.ice


@dataclass(frozen=True, slots=True)
class PortRange:
    """Ports `first` to `last`, both included."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    def order(self, chance: random.Random) -> Iterator[int]:
        """Every port once, beginning anywhere: neighbours are taken first otherwise."""
        start = chance.randrange(len(self))
        for n in range(len(self)):
            yield self.first + (start + n) % len(self)


_range: ContextVar[PortRange | None] = ContextVar("server_udp_ports", default=None)
_chance = random.Random()


@contextmanager
def bound_within(ports: PortRange | None) -> Iterator[None]:
    """Sockets that aioice makes inside the block get a port of the range; None: any."""
    _install()
    token = _range.set(ports)
    try:
        yield
    finally:
        _range.reset(token)


class _Loop:
    """A loop whose datagram endpoints are bound within the range."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ports: PortRange) -> None:
        self._loop = loop
        self._ports = ports

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_datagram_endpoint(
        self, factory: Callable[[], Any], **given: Any
    ) -> Any:
        address = given.get("local_addr")
        if address is None or address[1] != 0:
            return await self._loop.create_datagram_endpoint(factory, **given)
        for port in self._ports.order(_chance):
            given["local_addr"] = (address[0], port)
            try:
                return await self._loop.create_datagram_endpoint(factory, **given)
            except OSError as exc:
                if exc.errno != errno.EADDRINUSE:
                    raise
        raise OSError(
            errno.EADDRINUSE,
            f"every UDP port from {self._ports.first} to {self._ports.last} is taken",
        )


class _Asyncio:
    """The module asyncio, but for the running loop."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    def get_running_loop(self) -> Any:
        loop, ports = asyncio.get_running_loop(), _range.get()
        return loop if ports is None else _Loop(loop, ports)


def _install() -> None:
    names = vars(aioice.ice)
    if not isinstance(names["asyncio"], _Asyncio):
        names["asyncio"] = _Asyncio()

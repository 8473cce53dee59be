"""Which local addresses a peer connection offers: loopback only, unless told. EDGE.

aioice never offers 127.0.0.1 by itself and always offers every other address. Its one
function that lists addresses is wrapped once per process; what it answers is decided by
a context variable, so that a peer connection gathering in one task is not affected by
another, and wrappers of other packages in the same process still have their say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import aioice.ice

_addresses: ContextVar[tuple[str, ...] | None] = ContextVar(
    "simulator_ice_addresses", default=None
)
_previous = aioice.ice.get_host_addresses


def _get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    addresses = _addresses.get()
    if addresses is None:
        return _previous(use_ipv4, use_ipv6)
    return [
        address for address in addresses if (use_ipv6 if ":" in address else use_ipv4)
    ]


aioice.ice.get_host_addresses = _get_host_addresses


@contextmanager
def host_addresses(addresses: tuple[str, ...] | None) -> Iterator[None]:
    """Offer exactly these addresses while gathering; None leaves it to aioice."""
    token = _addresses.set(addresses)
    try:
        yield
    finally:
        _addresses.reset(token)

"""Which local addresses ICE may offer, scoped to the code that asks.

aioice offers every address of the machine except 127.0.0.1 and has no setting for it.
A fake that serves the same machine must offer 127.0.0.1 and nothing else: no packet
leaves, and tests pass in a network namespace that only has `lo`. So its address
look-up is wrapped once per process. The wrapper acts only inside `address_policy`
(a context variable, hence per task); elsewhere it calls what it found, so that other
packages may wrap the same function and leave in any order.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import aioice.ice

LOOPBACK = ("127.0.0.1",)

_offered: ContextVar[tuple[str, ...] | None] = ContextVar(
    "fake_openai_ice_addresses", default=None
)
_installed = False


@contextmanager
def address_policy(addresses: Sequence[str] | None) -> Iterator[None]:
    """Offer only `addresses` (IPv4) in here; None leaves aioice's own choice."""
    _install()
    token = _offered.set(None if addresses is None else tuple(addresses))
    try:
        yield
    finally:
        _offered.reset(token)


def is_loopback(host: str) -> bool:
    """Whether a server bound to `host` can only be reached from this machine."""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _install() -> None:
    global _installed
    if _installed:
        return
    previous = aioice.ice.get_host_addresses

    def get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        offered = _offered.get()
        return previous(use_ipv4, use_ipv6) if offered is None else list(offered)

    aioice.ice.get_host_addresses = get_host_addresses
    _installed = True

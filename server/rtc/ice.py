"""Which addresses a peer connection may offer.

aioice asks one module function for the addresses of this host and never offers
127.0.0.1. The function is wrapped once; the wrapper obeys a context variable, so that
several programs in one process (tests) can each have their own policy.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import aioice.ice
from aiortc import RTCConfiguration, RTCIceServer

from server.ice_servers import TurnServer
from server.rtc.path import PathKind
from server.rtc.ports import PortRange, bound_within

AddressSource = Callable[[bool, bool], list[str]]

_addresses: ContextVar[tuple[str, ...] | None] = ContextVar(
    "server_ice_addresses", default=None
)


@dataclass(frozen=True, slots=True)
class IcePolicy:
    """How peers may reach us."""

    addresses: tuple[str, ...] | None = None
    """Offer exactly these; None: every address of this host."""
    stun_url: str | None = None
    """Off by default: without internet it costs 5 s per connection."""
    turn: TurnServer | None = None
    """A relay for ourselves, where no address of ours can be reached."""
    ports: PortRange | None = None
    """UDP ports of host candidates; None: any free one."""
    media_path: PathKind = "lean"
    """Which code carries the media once the peer is reached."""

    def configuration(self) -> RTCConfiguration:
        """What aiortc wants; never its default, which is a public STUN server."""
        servers = [RTCIceServer(self.stun_url)] if self.stun_url else []
        if self.turn is not None:
            name, password = self.turn.credentials(time.time())
            servers.append(RTCIceServer(self.turn.url, name, password))
        return RTCConfiguration(iceServers=servers)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Candidates gathered inside the block obey this policy."""
        _install()
        token = _addresses.set(self.addresses)
        try:
            with bound_within(self.ports):
                yield
        finally:
            _addresses.reset(token)


LOOPBACK = ("127.0.0.1",)


def _install() -> None:
    previous: AddressSource = aioice.ice.get_host_addresses
    if getattr(previous, "obeys_server_policy", False):
        return

    def get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        allowed = _addresses.get()
        if allowed is None:
            return previous(use_ipv4, use_ipv6)
        return [a for a in allowed if (use_ipv6 if ":" in a else use_ipv4)]

    get_host_addresses.obeys_server_policy = True  # type: ignore[attr-defined]
    aioice.ice.get_host_addresses = get_host_addresses

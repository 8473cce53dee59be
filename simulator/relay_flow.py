"""One client and one server with an impaired network between them. EDGE.

    client (one or more addresses) -- front socket | NetworkPath | back socket -- server

The front is the address in the rewritten answer. As a NAT does, the relay gives each
client address its own back socket, so that an answer finds its way to the address which
asked. A rebinding replaces the back sockets; the old ones stay open, deaf: what the
server still sends there is counted and lost, without the ICMP error of a closed port.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from functools import partial
from typing import Any, Final

from simulator.network import (
    Arrival,
    Direction,
    DropReason,
    LinkLimits,
    NetworkPath,
    Profile,
)
from simulator.relay_socket import UdpSocket
from simulator.sdp_rewrite import Address

MAX_CLIENT_ADDRESSES: Final = 16
"""Client addresses of one flow; the one silent for longest is forgotten."""
MAX_STALE_SOCKETS: Final = 32
TIMER_GRAIN_S: Final = 0.0005
"""Event loops wake on whole milliseconds, rounded up. Half of one is taken off each
deadline, so that the error of a delay is centred on zero and not on +0.5 ms."""
SHORTEST_TIMER_S: Final = 0.0006
"""uvloop rounds to whole milliseconds: anything shorter would be 0, and spin."""

Packet = tuple[bytes, Address]
"""A datagram and the client address it comes from or goes to."""


class RelayFlow:
    """Made by `Relay.open`; owns its sockets and one timer until `close`.

    Not thread-safe: everything happens on the loop it was made on.
    """

    def __init__(
        self,
        server: Address,
        profile: Profile,
        *,
        label: str,
        seed: int | str,
        front_host: str,
        limits: LinkLimits | None = None,
        start_s: float | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.label = label
        self.opened_s = self.last_packet_s = self._loop.time()
        self.start_s = self.opened_s if start_s is None else start_s
        """Time 0 of the profile."""
        self.unsent = 0
        """Packets that arrived, but which the kernel would not take."""
        self.rebindings = 0
        self._server = server
        self._path: NetworkPath[Packet] = NetworkPath(
            profile, seed=seed, start_s=self.start_s, limits=limits
        )
        self._backs: OrderedDict[Address, UdpSocket] = OrderedDict()
        self._stale: deque[UdpSocket] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_s = 0.0  # uvloop's handle does not always know its own time
        self._is_closed = False
        self._front = UdpSocket(self._loop, front_host, self._from_client)
        self._arm()

    @property
    def path(self) -> NetworkPath[Packet]:
        """The impaired network, for its counters. Change it by `impair` only."""
        return self._path

    @property
    def front(self) -> Address:
        """The address which the client is to talk to."""
        return self._front.address

    def impair(self, profile: Profile) -> None:
        """Follow another profile from now on; its own time 0 is now."""
        self._path.replace(profile, self._loop.time())
        self._arm()

    def restart_timeline(self) -> None:
        """Let the profile's time 0 be now, for example when the call has connected."""
        self.impair(self._path.profile)

    def rebind(self) -> None:
        """Change the client's public address now."""
        self.rebindings += 1
        for client in list(self._backs):
            self._retire(self._backs[client])
            self._backs[client] = self._open_back(client)

    def close(self) -> None:
        """Close every socket; what is under way is lost. Idempotent."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for udp in (self._front, *self._backs.values(), *self._stale):
            udp.close()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready account of both directions."""
        return {
            "label": self.label,
            "network": self._path.profile.name,
            "age_s": round(self._loop.time() - self.opened_s, 3),
            "client_addresses": len(self._backs),
            "rebindings": self.rebindings,
            "unsent": self.unsent,
            "up": self._path.counters("up").as_dict(),
            "down": self._path.counters("down").as_dict(),
        }

    def _from_client(self, data: bytes, client: Address) -> None:
        if client not in self._backs:
            if len(self._backs) >= MAX_CLIENT_ADDRESSES:
                self._retire(self._backs.popitem(last=False)[1])
            self._backs[client] = self._open_back(client)
        self._backs.move_to_end(client)
        self._submit("up", data, client)

    def _from_server(
        self, opened: list[UdpSocket], client: Address, data: bytes, sender: Address
    ) -> None:
        """`opened` holds the socket that heard it, to tell a stale one."""
        if sender != self._server:
            return  # not this call's: a stranger on loopback
        if self._backs.get(client) is not opened[0]:
            self._path.refuse("down", len(data), DropReason.STALE_ADDRESS)
            return
        self._submit("down", data, client)

    def _submit(self, direction: Direction, data: bytes, client: Address) -> None:
        now_s = self.last_packet_s = self._loop.time()
        decision = self._path.submit(direction, len(data), now_s, (data, client))
        if decision.arrivals_s:
            self._arm()

    def _arm(self) -> None:
        """One timer, at the earliest deadline; what is due already goes at once."""
        now_s = self._loop.time()
        for event in self._path.due(now_s, slack_s=TIMER_GRAIN_S):
            if isinstance(event, Arrival):
                self._send(event.direction, *event.packet)
            else:
                self.rebind()
        deadline_s = self._path.next_deadline()
        if self._timer is not None:
            if deadline_s is not None and self._wakes_s <= deadline_s:
                return  # it wakes early enough, and then arms itself again
            self._timer.cancel()
            self._timer = None
        if deadline_s is not None and not self._is_closed:
            self._wakes_s = max(deadline_s - TIMER_GRAIN_S, now_s + SHORTEST_TIMER_S)
            self._timer = self._loop.call_at(self._wakes_s, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._arm()

    def _send(self, direction: Direction, data: bytes, client: Address) -> None:
        if direction == "down":
            is_sent = self._front.send(data, client)
        else:
            # What was under way through a rebinding leaves by the new address.
            back = self._backs.get(client)
            is_sent = back is not None and back.send(data, self._server)
        self.unsent += not is_sent

    def _open_back(self, client: Address) -> UdpSocket:
        host = self._server[0]
        if not (host == "::1" or host.startswith("127.")):
            host = "::" if ":" in host else "0.0.0.0"
        opened: list[UdpSocket] = []
        opened.append(
            UdpSocket(self._loop, host, partial(self._from_server, opened, client))
        )
        return opened[0]

    def _retire(self, back: UdpSocket) -> None:
        self._stale.append(back)
        if len(self._stale) > MAX_STALE_SOCKETS:
            self._stale.popleft().close()

"""A userspace UDP relay that puts an impaired network into WebRTC calls. EDGE.

    async with Relay(profile("wifi-bad"), seed=7) as relay:
        answer_sdp = await relay.exchange(offer_sdp, post_offer)   # wraps signalling
        ...
        print(relay.as_dict())

No root, no change to either peer: the SDP is rewritten so that both talk to the relay.
Loopback only, unless `allow_remote`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self

from simulator.network import LinkLimits, Profile
from simulator.relay_flow import RelayFlow
from simulator.sdp_rewrite import (
    Address,
    point_answer,
    server_addresses,
    strip_offer,
)

logger = logging.getLogger(__name__)

MAX_FLOWS: Final = 256
IDLE_S: Final = 60.0
"""A flow without a packet for so long is over: ICE consent checks come every 5 s
(RFC 7675), and those lost in a black-out still reach the relay."""


class RelayError(RuntimeError):
    """The relay cannot take this call: misuse, or its limits are reached."""


class Relay:
    """Owns its flows and one housekeeping timer, from `__aenter__` to `__aexit__`.

    Every flow is a network of its own (each client has its own access line), seeded by
    `seed` and the flow's number, or by its label if one is given.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        seed: int | str = 0,
        front_host: str = "127.0.0.1",
        allow_remote: bool = False,
        max_flows: int = MAX_FLOWS,
        idle_s: float = IDLE_S,
        limits: LinkLimits | None = None,
    ) -> None:
        if not (allow_remote or ipaddress.ip_address(front_host).is_loopback):
            raise RelayError(
                f"{front_host} is not loopback; allow_remote was not given"
            )
        self.profile = profile
        self._seed = seed
        self._front_host = front_host
        self._allow_remote = allow_remote
        self._max_flows = max_flows
        self._idle_s = idle_s
        self._limits = limits
        self._flows: list[RelayFlow] = []
        self._finished: list[dict[str, Any]] = []
        self._opened = 0
        self._began_s: dict[str, float] = {}
        """Time 0 of each label's network; bounded."""
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._is_open = False

    async def __aenter__(self) -> Self:
        self._is_open = True
        self._sweep()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_open = False
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for flow in list(self._flows):
            self.close(flow)

    @property
    def flows(self) -> tuple[RelayFlow, ...]:
        """Flows now open, oldest first."""
        return tuple(self._flows)

    async def exchange(
        self,
        offer_sdp: str,
        post: Callable[[str], Awaitable[str]],
        *,
        label: str | None = None,
    ) -> str:
        """Carry out one offer/answer exchange; returns the answer for the client.

        `post` takes the offer which the server is to see and returns its answer; what
        it raises comes through. Raises SdpError or RelayError when the answer cannot be
        led over the relay.
        """
        return self.relay_answer(await post(strip_offer(offer_sdp)), label=label)

    def relay_offer(self, offer_sdp: str) -> str:
        """The offer which the server is to see (raises SdpError)."""
        return strip_offer(offer_sdp)

    def relay_answer(self, answer_sdp: str, *, label: str | None = None) -> str:
        """Open the flows for an answer; returns the answer for the client.

        Sections with the same server address (a bundle) share one flow.
        """
        servers = server_addresses(answer_sdp, allow_remote=self._allow_remote)
        opened: dict[Address, RelayFlow] = {}
        try:
            for server in servers.values():
                if server not in opened:
                    part = f"/{len(opened)}" if label and opened else ""
                    opened[server] = self.open(server, label=label and label + part)
            fronts = {
                number: opened[server].front for number, server in servers.items()
            }
            return point_answer(answer_sdp, fronts)
        except BaseException:
            for flow in opened.values():
                self.close(flow)
            raise

    def open(self, server: Address, *, label: str | None = None) -> RelayFlow:
        """A new flow to `server` (numeric address, port). Raises RelayError."""
        if not self._is_open:
            raise RelayError("the relay is not open: use it as `async with Relay(...)`")
        if not (self._allow_remote or ipaddress.ip_address(server[0]).is_loopback):
            raise RelayError(
                "the server is not on loopback; allow_remote was not given"
            )
        if len(self._flows) >= self._max_flows:
            raise RelayError(f"the relay has {self._max_flows} flows already")
        name = label or f"flow-{self._opened}"
        # A client that connects again is on the same access line, at the same hour.
        start_s = self._began_s.get(label) if label is not None else None
        flow = RelayFlow(
            server,
            self.profile,
            label=name,
            seed=f"{self._seed}/{name}",
            front_host=self._front_host,
            limits=self._limits,
            start_s=start_s,
        )
        if label is not None:
            self._began_s.setdefault(label, flow.start_s)
            while len(self._began_s) > 16 * self._max_flows:
                self._began_s.pop(next(iter(self._began_s)))
        self._opened += 1
        self._flows.append(flow)
        logger.info("flow opened", extra={"flow": name, "network": self.profile.name})
        return flow

    def close(self, flow: RelayFlow) -> None:
        """End one flow; its account stays in `as_dict`. Idempotent."""
        if flow in self._flows:
            self._flows.remove(flow)
            self._finished.append(flow.as_dict())
            del self._finished[: -self._max_flows]
            flow.close()

    def impair(self, profile: Profile) -> None:
        """Put every flow, and those to come, on another network from now on."""
        self.profile = profile
        for flow in self._flows:
            flow.impair(profile)

    def rebind(self) -> None:
        """Change the public address of every client now."""
        for flow in self._flows:
            flow.rebind()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready account: ended flows (the last `max_flows`), then open ones."""
        return {
            "network": self.profile.name,
            "seed": self._seed,
            "opened": self._opened,
            "flows": [*self._finished, *(flow.as_dict() for flow in self._flows)],
        }

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        for flow in [
            f for f in self._flows if loop.time() - f.last_packet_s > self._idle_s
        ]:
            self.close(flow)
        self._sweep_timer = loop.call_later(self._idle_s / 4, self._sweep)

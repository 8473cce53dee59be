"""WebRTC where it works, a WebSocket where it does not.

Firewalls let HTTPS through and drop UDP. Whether they do shows only after the service
has accepted the call, when nothing comes of it; that costs seconds, so it is kept in
mind for a while.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Literal, TypeAlias

from server.audio.format import Pcm
from server.errors import MediaError
from server.realtime.config import Json, SessionConfig
from server.realtime.transport import ModelTransport, TransportEvents
from server.realtime.wire import ServerEvent

logger = logging.getLogger(__name__)

REMEMBERED_S = 600.0

Kind: TypeAlias = Literal["webrtc", "websocket"]
Make: TypeAlias = Callable[[TransportEvents], ModelTransport]


class TransportMemory:
    """Which transport to begin with; shared by all sessions of a process. SANS-IO."""

    def __init__(self, *, remembered_s: float = REMEMBERED_S) -> None:
        self._remembered_s = remembered_s
        self._failed_at_s: float | None = None

    def first(self, now_s: float) -> Kind:
        """WebRTC, unless it has failed a short while ago."""
        failed_s = self._failed_at_s
        if failed_s is not None and now_s - failed_s < self._remembered_s:
            return "websocket"
        return "webrtc"

    def webrtc_failed(self, now_s: float) -> None:
        """The service accepted a call and no media path came up."""
        self._failed_at_s = now_s


class AutoTransport:
    """A ModelTransport that is one of the two, from the end of `open`."""

    def __init__(
        self,
        events: TransportEvents,
        webrtc: Make,
        websocket: Make,
        memory: TransportMemory,
        *,
        webrtc_timeout_s: float,
    ) -> None:
        self._events = events
        self._websocket = websocket
        self._memory = memory
        self._webrtc_timeout_s = webrtc_timeout_s
        self._loop = asyncio.get_running_loop()
        self._tries_webrtc = memory.first(self._loop.time()) == "webrtc"
        self._came_up: asyncio.Future[bool] = self._loop.create_future()
        self._early: list[ServerEvent] = []
        self._is_settled = not self._tries_webrtc
        self._trial = _Trial(self)
        self._use(webrtc(self._trial) if self._tries_webrtc else websocket(events))

    async def open(self, config: SessionConfig) -> None:
        """Connect by WebRTC, or else by WebSocket.

        Raises:
            BridgeError: what stood in the way. The caller still closes.
        """
        if not self._tries_webrtc:
            await self._inner.open(config)
            return
        try:
            await self._inner.open(config)
            async with asyncio.timeout(self._webrtc_timeout_s):
                is_up = await self._came_up
        except (TimeoutError, MediaError):
            is_up = False
        self._is_settled = True
        if is_up:
            early, self._early = self._early, []
            for event in early:
                self._events.on_model_event(event)
            self._trial.step_aside(self._events)
            return
        logger.warning("no media path to the voice service; using a WebSocket")
        self._memory.webrtc_failed(self._loop.time())
        self._early.clear()
        self._trial.is_over = True  # its end is not the end of the leg
        failed = self._inner
        self._use(self._websocket(self._events))
        await failed.close()
        await self._inner.open(config)

    def _use(self, inner: ModelTransport) -> None:
        """From now on this one. Audio goes there without a stop."""
        self._inner = inner
        self.send_audio = inner.send_audio
        self.send_packet = inner.send_packet
        self.tick = inner.tick

    # --- from WebRTC

    def on_model_event(self, event: ServerEvent) -> None:
        """An event; the first one proves the path."""
        if self._is_settled:
            self._events.on_model_event(event)
            return
        self._early.append(event)
        if not self._came_up.done():
            self._came_up.set_result(True)

    def on_model_lost(self, reason: str) -> None:
        """The leg is over; before the first event it never was one."""
        if self._is_settled:
            self._events.on_model_lost(reason)
        elif not self._came_up.done():
            self._came_up.set_result(False)

    # --- to the transport in use

    def send_event(self, event: Json) -> bool:
        """Send one client event."""
        return self._inner.send_event(event)

    @property
    def takes_packets(self) -> bool:
        """Whether Opus packets can pass undecoded."""
        return self._inner.takes_packets

    @property
    def passes_packets(self) -> bool:
        """Whether the voice comes as packets now."""
        return self._inner.passes_packets

    def pass_packets(self, on: bool) -> list[Pcm]:
        """Have the voice come as packets, or decoded again."""
        return self._inner.pass_packets(on)

    def prime(self, frames: list[Pcm]) -> None:
        """Before the first `send_audio` after packets."""
        self._inner.prime(frames)

    @property
    def takes_bursts(self) -> bool:
        """Whether it takes audio faster than real time."""
        return self._inner.takes_bursts

    def probe(self) -> None:
        """Ask for a sign of life."""
        self._inner.probe()

    @property
    def lost_packets(self) -> int:
        """Audio packets that never came."""
        return self._inner.lost_packets

    def silent_s(self) -> float:
        """Seconds since a sign of life."""
        return self._inner.silent_s()

    async def close(self) -> None:
        """End the call and free everything. Safe to call twice."""
        await self._inner.close()


class _Trial:
    """What WebRTC says, until it is given up."""

    def __init__(self, owner: AutoTransport) -> None:
        self._owner = owner
        self.is_over = False
        self.on_model_audio: Callable[[Pcm], None] = _unheard
        self.on_model_packet: Callable[[bytes | None], None] = _unheard

    def step_aside(self, events: TransportEvents) -> None:
        """The path has proved itself: audio goes on without a stop here."""
        self.on_model_audio = events.on_model_audio
        self.on_model_packet = events.on_model_packet

    def on_model_event(self, event: ServerEvent) -> None:
        if not self.is_over:
            self._owner.on_model_event(event)

    def on_model_lost(self, reason: str) -> None:
        if not self.is_over:
            self._owner.on_model_lost(reason)


def _unheard(audio: Pcm | bytes | None) -> None:
    """Nobody listens before the path has proved itself."""

"""One connection to the model service, from its opening to its end."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from server.audio.format import Pcm
from server.errors import BridgeError, ModelLostError, ModelTimeoutError
from server.realtime import wire
from server.realtime.config import Json, SessionConfig
from server.realtime.handshake import Configure, Handshake, Ready, Refused
from server.realtime.transport import ModelTransport, TransportEvents

OpenLine = Callable[[TransportEvents], ModelTransport]


class LineOwner(Protocol):
    """The model leg, as one of its lines sees it. Plain calls on the event loop."""

    def on_line_event(self, line: "ModelLine", event: wire.ServerEvent) -> None:
        """One event of a configured session."""

    def on_line_audio(self, line: "ModelLine", pcm: Pcm) -> None:
        """Samples of the assistant's voice, as they come."""

    def on_line_packet(self, line: "ModelLine", payload: bytes | None) -> None:
        """Its Opus packets instead, while they pass; None was lost."""

    def on_line_lost(self, line: "ModelLine", reason: str) -> None:
        """A configured session is over."""


class ModelLine:
    """A transport and the handshake over it. Whoever made it awaits `close`."""

    def __init__(
        self, config: SessionConfig, transport: OpenLine, owner: LineOwner
    ) -> None:
        self.config = config
        self.session_id = ""
        self.lifetime_s: float | None = None
        """Counted from `open`; None when the service did not say."""
        self._owner = owner
        self._handshake = Handshake(config)
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._is_over = False
        self._is_closing = False
        self._transport = transport(self)
        self._shortcut()

    @property
    def lost_packets(self) -> int:
        """Audio packets of the model that never came."""
        return self._transport.lost_packets

    @property
    def takes_bursts(self) -> bool:
        """It takes audio faster than real time."""
        return self._transport.takes_bursts

    async def open(self, timeout_s: float) -> None:
        """Connect and configure the session.

        Raises:
            BridgeError: what stood in the way. The caller still calls `close`.
        """
        await self._transport.open(self.config)
        self._shortcut()
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready
        except TimeoutError as exc:
            raise ModelTimeoutError("no configured session in time") from exc

    def _shortcut(self) -> None:
        """What concerns the audio alone goes without a stop, once that way is known."""
        transport = self._transport
        self.send_audio = transport.send_audio
        self.send_packet = transport.send_packet
        self.pass_packets = transport.pass_packets
        self.prime = transport.prime
        self.tick = transport.tick

    def fail(self, error: BridgeError) -> None:
        """It is of no use; who waits for `open` gets `error`."""
        self._is_over = True
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # it may have nobody who waits for it

    async def close(self) -> None:
        """Free the transport, in bounded time. Safe to call twice."""
        self._is_closing = True
        self.fail(ModelLostError("closed"))
        await self._transport.close()

    def send_event(self, event: Json) -> None:
        """Send one client event."""
        if not self._is_over:
            self._transport.send_event(event)

    @property
    def takes_packets(self) -> bool:
        """Whether Opus packets can pass undecoded, both ways."""
        return self._transport.takes_packets

    @property
    def passes_packets(self) -> bool:
        """Whether the voice comes as packets now."""
        return self._transport.passes_packets

    def probe(self) -> float:
        """Ask for a sign of life; seconds since the last one."""
        self._transport.probe()
        return self._transport.silent_s()

    def on_model_event(self, event: wire.ServerEvent) -> None:
        """From the transport: one event."""
        if self._is_over:
            return
        if self._ready.done():
            self._owner.on_line_event(self, event)
            return
        match self._handshake.receive(event):
            case Configure(update):
                self._transport.send_event(update)
            case Ready(session_id, expires_at_s):
                self.session_id = session_id
                if expires_at_s:
                    self.lifetime_s = expires_at_s - time.time()
                self._ready.set_result(None)
            case Refused(error):
                self.fail(error)

    def on_model_audio(self, pcm: Pcm) -> None:
        """From the transport: the assistant's voice."""
        if not self._is_over:
            self._owner.on_line_audio(self, pcm)

    def on_model_packet(self, payload: bytes | None) -> None:
        """From the transport: the assistant's voice, undecoded."""
        if not self._is_over:
            self._owner.on_line_packet(self, payload)

    def on_model_lost(self, reason: str) -> None:
        """From the transport: it is over."""
        if self._is_over or self._is_closing:
            return
        was_ready = self._ready.done()
        self.fail(ModelLostError(reason))
        if was_ready:
            self._owner.on_line_lost(self, reason)

"""The conversation's model session: a transport, and the core that speaks to it.

What concerns only the service (events to send, being ready, being refused, its end) is
done here; every other effect of the core goes to the owner.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeAlias

from server.audio.format import Pcm
from server.errors import (
    BridgeError,
    InvalidRequestError,
    ModelLostError,
    ModelRejectedError,
    ModelTimeoutError,
)
from server.media.protocol import MediaLimits
from server.realtime import core as rt
from server.realtime import wire
from server.realtime.config import SessionConfig
from server.realtime.transcripts import Transcript
from server.realtime.transport import ModelTransport, TransportEvents

OwnersEffect: TypeAlias = (
    rt.Flush | rt.StateChanged | rt.CallTool | rt.Notice | Transcript
)


class LegOwner(Protocol):
    """The conversation, as its model leg sees it. Plain calls on the event loop."""

    def on_leg_effect(self, effect: OwnersEffect) -> None:
        """Something for the browsers or the tools."""

    def on_model_audio(self, pcm: Pcm) -> None:
        """Samples of the assistant's voice, as they come."""

    def on_leg_ended(self, reason: str, error: BridgeError) -> None:
        """The leg is over for good."""


class ModelLeg:
    """One model session. Whoever made it awaits `close`."""

    def __init__(
        self,
        config: SessionConfig,
        transport: Callable[[TransportEvents], ModelTransport],
        *,
        limits: MediaLimits,
        owner: LegOwner,
    ) -> None:
        self._config = config
        self._limits = limits
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._core = rt.RealtimeCore(config)
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._transport = transport(self)

    @property
    def state(self) -> rt.State:
        """What the user is shown now."""
        return self._core.state

    @property
    def is_ready(self) -> bool:
        """True once the session is configured."""
        return self._ready.done()

    @property
    def lost_packets(self) -> int:
        """Audio packets of the model that never came."""
        return self._transport.lost_packets

    async def open(self) -> None:
        """Connect and configure the session.

        Raises:
            BridgeError: what stood in the way. The caller still calls `close`.
        """
        await self._transport.open(self._config)
        try:
            async with asyncio.timeout(self._limits.model_connect_timeout_s):
                await self._ready
        except TimeoutError as exc:
            raise ModelTimeoutError("no configured session in time") from exc

    def end(self, error: BridgeError) -> None:
        """Nothing more is asked of the service; who waits for `open` gets `error`."""
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # it may have nobody who waits for it
        self._perform(self._core.end())

    async def close(self) -> None:
        """Free the transport, in bounded time. Safe to call twice."""
        await self._transport.close()

    # --- from the conversation

    def send_audio(self, pcm: Pcm) -> None:
        """One frame of what the model hears."""
        self._transport.send_audio(pcm)

    def say_text(self, text: str) -> None:
        """Text typed by the user."""
        self._perform(self._core.say_text(text, self._loop.time()))

    def interrupt(self) -> None:
        """The user asks the assistant to stop talking."""
        self._perform(self._core.interrupt(self._loop.time()))

    def tool_finished(self, call_id: str, output: str, *, speak: bool) -> None:
        """A tool's output."""
        now_s = self._loop.time()
        self._perform(self._core.tool_finished(call_id, output, now_s, speak=speak))

    def narrate(self, key: str, text: str, *, speak: bool) -> None:
        """Context from the tools; `speak` wants an answer to it."""
        now_s = self._loop.time()
        self._perform(self._core.narrate(key, text, speak, now_s))

    def check(self, now_s: float) -> None:
        """Twice a second: what waits for time only, and whether the leg lives."""
        self._perform(self._core.advance(now_s))
        self._transport.probe()
        silent_s = self._transport.silent_s()
        if silent_s > self._limits.model_silence_timeout_s:
            self.on_model_lost(f"nothing heard for {silent_s:.1f} s")

    # --- from the transport

    def on_model_event(self, event: wire.ServerEvent) -> None:
        """From the transport: one event."""
        self._perform(self._core.receive(event, self._loop.time()))

    def on_model_audio(self, pcm: Pcm) -> None:
        """From the transport: the assistant's voice."""
        self._owner.on_model_audio(pcm)

    def on_model_lost(self, reason: str) -> None:
        """From the transport: it is over."""
        self._owner.on_leg_ended("model_lost", ModelLostError(reason))

    def _perform(self, effects: list[rt.Effect]) -> None:
        for effect in effects:
            match effect:
                case rt.Send(event):
                    self._transport.send_event(event)
                case rt.Ready():
                    if not self._ready.done():
                        self._ready.set_result(None)
                case rt.Rejected(message, param):
                    self._owner.on_leg_ended(
                        "model_rejected", _rejection(message, param)
                    )
                case rt.Ended(code, message):
                    error = ModelLostError(code, user_message=message)
                    self._owner.on_leg_ended(code, error)
                case _:
                    self._owner.on_leg_effect(effect)


def _rejection(message: str, param: str) -> BridgeError:
    if param.endswith("voice"):
        return InvalidRequestError("voice: the voice service does not know this voice.")
    return ModelRejectedError(f"session.update refused: {param}")

"""One conversation: N browsers, one model session, one tick."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from server.errors import BridgeError, ModelLostError, SessionNotFoundError
from server.media import control
from server.media.audience import Audience
from server.media.client import Client
from server.media.minutes import Minutes
from server.media.mixdown import Mixdown
from server.media.model_leg import ModelLeg, OwnersEffect
from server.media.protocol import (
    ClientAnswer,
    ClientChange,
    ClientJoined,
    ClientLeft,
    ConversationInfo,
    HostEvent,
    MediaLimits,
    ModelChanged,
    Participant,
    ParticipantsChanged,
    QualityMeasured,
    SessionEnding,
    SessionState,
    TextForTool,
    ToolConfirmed,
)
from server.media.recording import Recording
from server.media.ticker import Ticker
from server.realtime import effects as fx
from server.realtime.config import SessionConfig
from server.realtime.transcripts import Transcript
from server.realtime.transport import ModelTransport, TransportEvents
from server.realtime.turn_clock import Turn
from server.rtc.ice import IcePolicy

logger = logging.getLogger(__name__)

HOUSEKEEPING_TICKS = 25
"""Twice a second: signs of life, timeouts, what waits for time only."""
QUALITY_TICKS = 50
"""Once a second: how each connection does."""
ROLL_CALL_TICKS = 10
"""Five times a second: who is there, and who speaks."""


@dataclass(frozen=True, slots=True)
class ConversationEnd:
    """Why it is over; `error` is what the browsers were told, if anything."""

    reason: str
    error: BridgeError | None


class Conversation:
    """Owns its clients and its model leg: `open`, `serve`, `close`."""

    def __init__(
        self,
        info: ConversationInfo,
        transport: Callable[[TransportEvents], ModelTransport],
        *,
        ticker: Ticker,
        policy: IcePolicy,
        limits: MediaLimits,
        emit: Callable[[HostEvent], None],
    ) -> None:
        self._info = info
        self._ticker = ticker
        self._limits = limits
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        began_s = self._loop.time()
        self._audience = Audience(self, limits=limits, policy=policy, ticker=ticker)
        self.minutes = Minutes(
            info,
            began_s=began_s,
            clock=self._loop.time,
            emit=emit,
            broadcast=self._audience.broadcast,
        )
        self._talking: set[str] = set()
        """Who presses to talk; bounded by admission."""
        self._end: ConversationEnd | None = None
        self._n_ticks = 0
        self._leg = ModelLeg(info.config, transport, limits=limits, owner=self)
        self._mixdown = Mixdown(
            self._leg,
            ticker=ticker,
            clock=self._loop.time,
            hears_user=self._hears_user,
        )
        # From the model leg: the assistant's voice, as it comes.
        self.on_model_audio = self._mixdown.on_model_audio
        self.on_model_packet = self._mixdown.on_model_packet
        self.recording = Recording(
            info,
            self._mixdown,
            began_s=began_s,
            emit=emit,
            broadcast=self._audience.broadcast,
            note=self.minutes.note,
            name_of=self._audience.name_of,
        )

    @property
    def n_clients(self) -> int:
        """Browsers connected or connecting."""
        return len(self._audience)

    def summary(self) -> dict[str, float | int]:
        """Counts of the whole conversation, for its one line in the log."""
        return {
            "clients": self._audience.n_seen,
            **self.minutes.summary(),
            "assistant_s": round(self._mixdown.assistant_s, 1),
            "model_lost_packets": self._leg.lost_packets,
            "recoveries": self._leg.n_recoveries,
            "handovers": self._leg.n_handovers,
            **asdict(self._audience.totals()),
        }

    # --- life

    async def open(self) -> None:
        """Connect and configure the model leg.

        Raises:
            BridgeError: what stood in the way. The caller still calls `close`.
        """
        await self._leg.open()

    async def serve(self) -> ConversationEnd:
        """Serve browsers until the end; call after `open`."""
        self._ticker.subscribe(self.tick)
        async with asyncio.TaskGroup() as tasks:
            leg = tasks.create_task(self._leg.run(), name="model leg")
            await self._audience.see_out()
            leg.cancel()
        assert self._end is not None
        return self._end

    def finish(self, reason: str, error: BridgeError | None = None) -> None:
        """End the conversation and tell every browser why. The first call counts."""
        if self._end is not None:
            return
        self._end = ConversationEnd(reason, error)
        self._emit(SessionEnding(self._info.session_id, reason))
        self._ticker.unsubscribe(self.tick)
        self._leg.end(error or ModelLostError(reason))
        if error is not None:
            self._audience.broadcast(_error_message(error, fatal=True))
        self._audience.broadcast(control.ended(reason))
        self.recording.stop("", reason="the session has ended")
        self._audience.finish()

    async def close(self) -> None:
        """Free both legs, in bounded time. Nothing of the conversation is left."""
        self.finish("closed")
        results = await asyncio.gather(
            self._audience.close(),
            self._leg.close(),
            self.recording.close(),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, Exception):
                logger.warning("a leg did not close cleanly", exc_info=result)

    def tick(self, due_s: float) -> None:
        """Every 20 ms: audio; now and then who is there, and who is gone."""
        self._leg.tick()
        self.recording.at(due_s)
        self._mixdown.tick(self._audience.ready)
        self._n_ticks += 1
        if self._n_ticks % ROLL_CALL_TICKS == 0:
            self._audience.call_the_roll()
        if self._n_ticks % HOUSEKEEPING_TICKS == 0:
            self._leg.check(due_s)
            self._audience.check(due_s)
        if self._n_ticks % QUALITY_TICKS == 0:
            for client in self._audience.ready:
                added_ms = self._mixdown.downlink_added_ms(client)
                figures = client.quality(downlink_added_ms=added_ms)
                client.send(control.quality(**figures))
                self._emit(
                    QualityMeasured(self._info.session_id, client.client_id, figures)
                )

    def _hears_user(self) -> bool:
        return self._leg.state.value == "hearing"

    # --- browsers

    async def admit(
        self, offer_sdp: str, *, name: str = "", resume_client_id: str | None = None
    ) -> ClientAnswer:
        """Answer a browser's offer; see `Audience.admit`.

        Raises:
            BridgeError: the offer is bad, the conversation is full or over.
        """
        if self._end is not None or not self._leg.is_ready:
            raise SessionNotFoundError
        answer = await self._audience.admit(
            offer_sdp, name=name, resume_client_id=resume_client_id
        )
        if self._end is not None:
            raise SessionNotFoundError
        return answer

    def update_client(self, client_id: str, change: ClientChange) -> None:
        """Change settings of one browser.

        Raises:
            ClientNotFoundError: it is not here.
        """
        self._audience.update(client_id, change)

    def remove_client(self, client_id: str, reason: str) -> None:
        """Show one browser out; it is told the reason.

        Raises:
            ClientNotFoundError: it is not here.
        """
        client = self._audience.find(client_id)
        client.send(control.ended(reason))
        client.has_last_word = True
        self.on_client_gone(client, reason)

    def on_client_ready(self, client: Client) -> None:
        """From a client: audio and control can flow."""
        if not self._audience.has(client):
            return
        self._audience.n_seen += 1
        config = self._info.config
        client.send(
            control.hello(
                session_id=self._info.session_id,
                client_id=client.client_id,
                conversation_id=self._info.conversation_id,
                agent_name=config.agent_name,
                voice=config.voice,
                model_kind=self._info.model_kind,
                limits=self._limits,
                name=client.profile.name,
                mode=client.profile.mode,
                resumed=client.is_resumed,
                mix_minus=self._mixdown.mix_minus,
                recording=self.recording.is_on,
                framing=client.framing,
            )
        )
        client.send(control.state(self._leg.state.value))
        if client.is_resumed:
            self.minutes.catch_up(client.send)
        self._emit(ClientJoined(self._info.session_id, client.client_id))
        self.minutes.note(
            "joined", client_id=client.client_id, name=client.profile.name
        )
        roll_before = self._audience.roll
        self._audience.call_the_roll()
        if self._audience.roll == roll_before:  # it is back before it was missed
            client.send(self._roll_message())

    def on_client_message(self, client: Client, message: control.ClientMessage) -> None:
        """From a client: a valid control message."""
        session_id, client_id = self._info.session_id, client.client_id
        match message:
            case control.Mute(muted):
                self.update_client(client_id, ClientChange(muted=muted))
            case control.ChangeMode(mode):
                self.update_client(client_id, ClientChange(mode=mode))
            case control.Rename(name):
                self.update_client(client_id, ClientChange(name=name))
            case control.Ping(t):
                client.send(control.pong(t))
            case control.Text(text, "voice"):
                self.say(text)
            case control.Text(text, ("team" | "coding_agent") as target):
                self._emit(TextForTool(session_id, client_id, target, text))
            case control.Confirm(call_id, approve):
                self._emit(ToolConfirmed(session_id, client_id, call_id, approve))
            case control.Talk(pressed):
                self._talk(client_id, pressed=pressed)
            case control.Interrupt():
                self.interrupt()
            case control.Bye():
                self.on_client_gone(client, "bye")

    def on_client_gone(self, client: Client, reason: str) -> None:
        """From a client: it left or was lost."""
        if self._end is None and self._audience.remove(client):
            session_id, client_id = self._info.session_id, client.client_id
            self._talk(client_id, pressed=False)
            self._emit(ClientLeft(session_id, client_id, reason, self.n_clients))
            self.recording.client_left(client_id)
            name = client.profile.name
            self.minutes.note("left", client_id=client_id, name=name, reason=reason)
            self._audience.call_the_roll()

    def on_roll_changed(self, roll: tuple[Participant, ...]) -> None:
        """From the audience: who is here now."""
        self._audience.broadcast(self._roll_message())
        self._emit(
            ParticipantsChanged(self._info.session_id, roll, self._mixdown.mix_minus)
        )

    def _roll_message(self) -> str:
        return control.participants(
            self._audience.roll, mix_minus=self._mixdown.mix_minus
        )

    # --- commands

    def _talk(self, client_id: str, *, pressed: bool) -> None:
        """The turn lasts from the first who presses to the last who lets go."""
        before = bool(self._talking)
        if pressed:
            self._talking.add(client_id)
        else:
            self._talking.discard(client_id)
        if bool(self._talking) != before:
            self._leg.talk(pressed)

    def change_model(self, *, voice: str | None, model: str | None) -> None:
        """Go on with another voice or model, from the end of this turn."""
        self._leg.change(voice=voice, model=model)

    def say(self, text: str) -> None:
        """Typed text, for the model."""
        self._leg.say_text(text)

    def interrupt(self) -> None:
        """Make the assistant stop talking."""
        self._leg.interrupt()

    def set_mix_minus(self, on: bool) -> None:
        """Whether participants hear each other."""
        if on != self._mixdown.mix_minus:
            self._mixdown.mix_minus = on
            self.on_roll_changed(self._audience.roll)

    def tool_finished(self, call_id: str, output: str, *, speak: bool) -> None:
        """A tool that was requested is done; unknown calls are ignored."""
        if self.minutes.tool_finished(call_id, output):
            self._leg.tool_finished(call_id, output, speak=speak)

    def narrate(self, key: str, text: str, *, speak: bool) -> None:
        """Context for the model, once per key."""
        self.minutes.note("narration", key=key, text=text, speak=speak)
        self._leg.narrate(key, text, speak=speak)

    # --- the model

    def on_leg_state(self, state: SessionState, message: str) -> None:
        """From the model leg: its session is being replaced, or has been."""
        self.minutes.show_state(state, message)

    def on_leg_config(self, config: SessionConfig) -> None:
        """From the model leg: another voice or model speaks from now on."""
        self._info = replace(self._info, config=config)
        self._emit(ModelChanged(self._info.session_id, config.voice, config.model))

    def on_leg_ended(self, reason: str, error: BridgeError) -> None:
        """From the model leg: it is over for good."""
        self.finish(reason, error)

    def on_leg_effect(self, effect: OwnersEffect) -> None:
        """From the model leg: something for the browsers or the tools."""
        match effect:
            case Transcript():
                self.minutes.written(effect)
            case fx.StateChanged(state):
                self._audience.broadcast(control.state(state.value))
            case fx.Flush(reason):
                self._mixdown.flush()
                stop_s = self._loop.time() - self._leg.event_at_s
                self.minutes.flushed(reason, stop_ms=stop_s * 1000)
            case fx.CallTool():
                self.minutes.tool_called(effect)
            case fx.Used():
                self.minutes.used(effect, self._info.config.model)
            case Turn():
                self.minutes.measured(effect)
            case fx.Notice(code, message):
                self.minutes.notice(code, message)


def _error_message(error: BridgeError, *, fatal: bool) -> str:
    return control.error(
        error.code, error.user_message, retryable=error.retryable, fatal=fatal
    )

"""The conversation's side towards the model, over one session after another.

What concerns only the service (events to send, sessions to replace) is done here;
every other effect of the core goes to the owner.
"""

import asyncio
import logging
from dataclasses import replace
from typing import Protocol, TypeAlias

from server.audio.format import FRAME_SAMPLES, SILENCE, Pcm, samples_to_ms
from server.errors import BridgeError, ModelLostError
from server.media.model_line import ModelLine, OpenLine
from server.media.model_lines import ModelLines
from server.media.protocol import MediaLimits, SessionState
from server.media.uplink import Uplink
from server.realtime import effects as fx
from server.realtime import wire
from server.realtime.config import SessionConfig
from server.realtime.core import RealtimeCore
from server.realtime.history import ReplayLimits
from server.realtime.succession import Succession, SuccessionTimes, Verdict
from server.realtime.transcripts import Transcript
from server.realtime.turn_clock import Turn, TurnClock

logger = logging.getLogger(__name__)

OwnersEffect: TypeAlias = (
    fx.Flush | fx.StateChanged | fx.CallTool | fx.Notice | fx.Used | Transcript | Turn
)
RECOVERING = "The connection to the voice service was lost. It is being restored."
RECOVERED = "The connection to the voice service is back."


class LegOwner(Protocol):
    """The conversation, as its model leg sees it. Plain calls on the event loop."""

    def on_leg_effect(self, effect: OwnersEffect) -> None:
        """Something for the browsers or the tools."""

    def on_model_audio(self, pcm: Pcm) -> None:
        """Samples of the assistant's voice, as they come."""

    def on_model_packet(self, payload: bytes | None) -> None:
        """Its Opus packets instead, while they pass; None was lost."""

    def on_leg_state(self, state: SessionState, message: str) -> None:
        """The leg goes through something, or is through with it."""

    def on_leg_config(self, config: SessionConfig) -> None:
        """The session has this configuration from now on."""

    def on_leg_ended(self, reason: str, error: BridgeError) -> None:
        """The leg is over for good."""


class ModelLeg:
    """The model, as the conversation sees it: `open`, then `run` beside, `close`."""

    def __init__(
        self,
        config: SessionConfig,
        transport: OpenLine,
        *,
        limits: MediaLimits,
        owner: LegOwner,
    ) -> None:
        self._limits = limits
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        replay = ReplayLimits(limits.replay_max_items, limits.replay_max_chars)
        self._core = RealtimeCore(replay)
        self._succession = Succession(
            SuccessionTimes(
                recovery_timeout_s=limits.model_recovery_timeout_s,
                lead_s=limits.handover_lead_s,
            )
        )
        self._uplink = Uplink()
        self._lines = ModelLines(
            config,
            transport,
            self,
            connect_timeout_s=limits.model_connect_timeout_s,
        )
        self._heard_samples = 0
        """Of the answer that is being played."""
        self._clock = TurnClock()
        self.event_at_s = 0.0
        """When the service's event arrived that is being handled."""
        self._is_open = False
        self._has_ended = False
        self.n_recoveries = 0
        self.n_handovers = 0

    @property
    def state(self) -> fx.State:
        """What the user is shown now."""
        return self._core.state

    @property
    def is_ready(self) -> bool:
        """True once the first session is configured."""
        return self._is_open

    @property
    def lost_packets(self) -> int:
        """Audio packets of the model that never came."""
        return self._lines.lost_packets

    async def open(self) -> None:
        """Connect and configure the first session.

        Raises:
            BridgeError: what stood in the way. The caller still calls `close`.
        """
        line = self._lines.current
        await line.open(self._limits.model_connect_timeout_s)
        now_s = self._loop.time()
        self._succession.settled(now_s, line.lifetime_s)
        self._is_open = True
        self._perform(self._core.begin(now_s))

    async def run(self) -> None:
        """Open and close lines as needed, until cancelled."""
        await self._lines.run()

    def end(self, error: BridgeError) -> None:
        """Nothing more is asked of the service; who waits for `open` gets `error`."""
        self._has_ended = True
        self._lines.current.fail(error)
        self._perform(self._core.end())

    async def close(self) -> None:
        """Free every line, in bounded time. Safe to call twice."""
        await self._lines.close()

    # --- from the conversation

    def send_audio(self, pcm: Pcm) -> None:
        """One frame of what the model hears."""
        for frame in self._uplink.take(pcm):
            self._lines.current.send_audio(frame)
        if self._lines.successor is not None:
            # Its path stays warm, and it hears nothing it must not answer.
            self._lines.successor.send_audio(SILENCE)

    @property
    def takes_packets(self) -> bool:
        """Whether Opus packets can pass undecoded, both ways, now."""
        return (
            self._lines.current.takes_packets
            and self._lines.successor is None
            and not self._succession.is_lost
            and self._uplink.behind_ms == 0
        )

    @property
    def passes_packets(self) -> bool:
        """Whether the voice comes as packets now."""
        return self._lines.current.passes_packets

    def pass_packets(self, on: bool) -> list[Pcm]:
        """Have the voice come as packets, or decoded again; then what they held."""
        return self._lines.current.pass_packets(on)

    def send_packet(self, payload: bytes) -> None:
        """One Opus packet in place of a frame; an empty one is 20 ms of nothing."""
        self._uplink.note_packet(payload)
        self._lines.current.send_packet(payload)

    def prime(self, frames: list[Pcm]) -> None:
        """Before the first `send_audio` after packets."""
        self._lines.current.prime(frames)

    def tick(self) -> None:
        """Every 20 ms: what the lines do in real time."""
        self._lines.current.tick()
        if self._lines.successor is not None:
            self._lines.successor.tick()

    def say_text(self, text: str) -> None:
        """Text typed by the user."""
        self._perform(self._core.say_text(text, self._loop.time()))

    def talk(self, pressed: bool) -> None:
        """Push-to-talk; means nothing where the service detects turns by itself."""
        if self._lines.current.config.turns.kind != "none":
            return
        if pressed:
            self._uplink.speech_started("push-to-talk")
        self._perform(self._core.talk(pressed, self._loop.time()))

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

    def change(self, *, voice: str | None = None, model: str | None = None) -> None:
        """Go on with another voice or model, from the end of this turn.

        The service lets neither be changed in a running session.
        """
        config = self._lines.config
        wanted = replace(
            config, voice=voice or config.voice, model=model or config.model
        )
        if wanted == config or self._has_ended:
            return
        self._lines.config = wanted
        self._lines.drop_successor()
        self._succession.change(self._loop.time())
        self._owner.on_leg_state("handing_over", "")
        self._consider()

    def check(self, now_s: float) -> None:
        """Twice a second: what waits for time only, and whether the lines live."""
        self._perform(self._core.advance(now_s))
        for line in (self._lines.current, self._lines.successor):
            if line is None or (
                line is self._lines.current and self._succession.is_lost
            ):
                continue
            silent_s = line.probe()
            if silent_s > self._limits.model_silence_timeout_s:
                line.on_model_lost(f"nothing heard for {silent_s:.1f} s")
        self._consider()

    # --- from the lines

    def on_line_event(self, line: ModelLine, event: wire.ServerEvent) -> None:
        """From a line: one event of its session."""
        if line is self._lines.successor:
            if isinstance(event, wire.ServiceError):
                logger.info("the next session reports %s", event.code)
            return
        if line is not self._lines.current or self._has_ended:
            return
        match event:
            case wire.SpeechStarted(item_id):
                self._uplink.speech_started(item_id)
            case wire.InputTranscriptDone(item_id):
                self._uplink.written_down(item_id)
            case wire.PlaybackStarted():
                self._heard_samples = 0
                self._uplink.answered()
        self.event_at_s = now_s = self._loop.time()
        self._perform(self._core.receive(event, now_s))
        turn = self._clock.receive(event, now_s)
        if turn is not None:
            self._owner.on_leg_effect(turn)
        if self._succession.is_changing:
            self._consider()

    def on_line_audio(self, line: ModelLine, pcm: Pcm) -> None:
        """From a line: the assistant's voice."""
        if line is not self._lines.current:
            return
        if self._core.is_playing:
            self._heard_samples += pcm.size
        self._owner.on_model_audio(pcm)

    def on_line_packet(self, line: ModelLine, payload: bytes | None) -> None:
        """From a line: the assistant's voice, undecoded."""
        if line is not self._lines.current:
            return
        if self._core.is_playing:
            self._heard_samples += FRAME_SAMPLES
        self._owner.on_model_packet(payload)

    def on_line_lost(self, line: ModelLine, reason: str) -> None:
        """From a line: its session is over."""
        if self._has_ended:
            return
        now_s = self._loop.time()
        if line is self._lines.successor:
            logger.info("the next session was lost: %s", reason)
            self._lines.drop_successor()
            self._succession.failed(now_s, can_retry=True)
        elif line is self._lines.current and not self._succession.is_lost:
            logger.warning("the model session was lost: %s", reason)
            if self._limits.model_recovery_timeout_s <= 0:
                self._owner.on_leg_ended("model_lost", ModelLostError(reason))
                return
            self._uplink.lost(line.probe())
            self._succession.lost(now_s)
            self._owner.on_leg_state("recovering", RECOVERING)
            self._clock.lost()
            self._perform(self._core.lost(samples_to_ms(self._heard_samples)))
            self._lines.retire(line)
        self._consider()

    # --- one session after another

    def _consider(self) -> None:
        """Replace the session when it is time to."""
        if self._has_ended or not self._is_open:
            return
        now_s = self._loop.time()
        match self._succession.verdict(now_s, is_calm=self._is_calm()):
            case Verdict.CONNECT:
                self._succession.connecting()
                if not self._succession.is_lost:
                    self._owner.on_leg_state("handing_over", "")
                self._lines.want_another()
            case Verdict.SWITCH:
                self._switch(now_s)
            case Verdict.GIVE_UP:
                self._owner.on_leg_ended(
                    "model_lost", ModelLostError("no other session in time")
                )

    def _is_calm(self) -> bool:
        return (
            self._lines.successor is not None
            and self._core.is_between_turns
            and not self._uplink.behind_ms
            and self._uplink.is_quiet()
        )

    def on_line_open(self, line: ModelLine) -> None:
        """From the lines: one that was wanted is there."""
        if self._has_ended or line.config is not self._lines.config:
            self._lines.retire(line)
            if not self._has_ended:
                self._succession.failed(self._loop.time(), can_retry=True)
            return
        self._lines.successor = line
        self._succession.prepared()
        self._consider()

    def on_no_line(self, exc: Exception, config: SessionConfig) -> None:
        """From the lines: one that was wanted could not be had."""
        logger.info("no next session: %s", exc)
        can_retry = not isinstance(exc, BridgeError) or exc.retryable
        is_wish = config != self._lines.current.config and not self._succession.is_lost
        if self._has_ended:
            return
        self._succession.failed(self._loop.time(), can_retry=can_retry)
        if is_wish and not can_retry and config is self._lines.config:
            # The service refuses what was wished for: the old session is still good.
            assert isinstance(exc, BridgeError)
            self._lines.config = self._lines.current.config
            self._succession.withdraw()
            self._owner.on_leg_state("live", "")
            self._owner.on_leg_effect(fx.Notice(exc.code, exc.user_message))
        elif self._succession.is_lost and not can_retry:
            assert isinstance(exc, BridgeError)
            self._owner.on_leg_ended(exc.code, exc)
        self._consider()

    def _switch(self, now_s: float) -> None:
        """The successor takes over: from this instant every frame goes there."""
        old = self._lines.exchange()
        line = self._lines.current
        was_lost = self._succession.is_lost
        said_again, at_once = self._uplink.resume(at_once=line.takes_bursts)
        if was_lost:
            effects = self._core.begin(now_s, user_audio_follows=said_again)
            self.n_recoveries += 1
        else:
            heard_ms = samples_to_ms(self._heard_samples)
            effects = self._core.change_over(
                heard_ms, now_s, user_audio_follows=said_again
            )
            self._lines.retire(old)
            self.n_handovers += 1
        self._succession.settled(now_s, line.lifetime_s)
        self._perform(effects)
        for frame in at_once:
            line.send_audio(frame)
        if line.config != old.config:
            self._owner.on_leg_config(line.config)
        self._owner.on_leg_state("live", RECOVERED if was_lost else "")

    def _perform(self, effects: list[fx.Effect]) -> None:
        for effect in effects:
            match effect:
                case fx.Send(event):
                    self._lines.current.send_event(event)
                case fx.SessionLost(code):
                    self._lines.current.on_model_lost(code)
                case fx.Ended(code, message):
                    error = ModelLostError(code, user_message=message)
                    self._owner.on_leg_ended(code, error)
                case _:
                    self._owner.on_leg_effect(effect)

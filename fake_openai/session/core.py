"""One Realtime session, SANS-IO: the object both transports drive.

`receive` and `receive_audio` take what comes in, `advance` takes time, `drain` (and on
WebRTC `pull_audio`) gives what goes out. After any of them: drain, send, and call
`advance` again at `next_deadline_s()`. All times are seconds of one monotonic clock.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fake_openai.faults import Fault, FaultPlan
from fake_openai.scenario.director import Director
from fake_openai.scenario.models import Scenario
from fake_openai.session.agenda import Agenda
from fake_openai.session.client_events import ClientEvents
from fake_openai.session.config import SessionConfig
from fake_openai.session.conversation import Conversation
from fake_openai.session.event_faults import EventFaults
from fake_openai.session.lifetime import Lifetime
from fake_openai.session.mcp import Mcp
from fake_openai.session.microphone import Microphone
from fake_openai.session.options import SessionOptions, options_for
from fake_openai.session.outbox import Outbox, Outgoing
from fake_openai.session.parts import Parts
from fake_openai.session.playout import Playout, Started
from fake_openai.session.responses import Responses
from fake_openai.session.transcription import Transcription
from fake_openai.session.turns import TurnRecord
from fake_openai.speech.protocols import Recogniser, Recognition, Voice
from fake_openai.wire.audio import samples_of_ms
from fake_openai.wire.client import (
    ClientEvent,
    Transport,
    UndecodableEventError,
    decode,
)
from fake_openai.wire.ids import IdMaker
from fake_openai.wire.problem import ClientEventError

QUEUED_BEFORE_START = 256


class RealtimeSession:
    """A session of the fake service.

    Args:
        transport: decides where audio goes: in events (websocket) or pulled (webrtc).
        scenario: what the model does.
        recogniser: what the user's audio says.
        voice: how the model sounds.
        initial: session configuration from a client secret or a multipart call.
        seed: of identifiers and of the scenario's randomness.
        options: switches; the scenario's `service` section overrides them.

    Raises:
        ClientEventError: `initial` is not a valid configuration.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        scenario: Scenario,
        recogniser: Recogniser,
        voice: Voice,
        initial: dict[str, Any] | None = None,
        seed: int = 0,
        options: SessionOptions | None = None,
    ) -> None:
        options = options_for(options or SessionOptions(), scenario, seed)
        self._options = options
        self._outbox = Outbox(IdMaker(seed), unix_offset_s=options.unix_offset_s)
        self._agenda = Agenda()
        self._config = _new_config(options, initial)
        self._parts = Parts(
            transport=transport,
            options=options,
            outbox=self._outbox,
            agenda=self._agenda,
            config=self._config,
            conversation=Conversation(
                max_items=options.max_items,
                retained_audio_samples=samples_of_ms(options.retained_audio_s * 1000),
            ),
            director=Director(scenario, seed=seed),
            playout=Playout(),
            voice=voice,
        )
        self._mcp = Mcp(self._parts)
        self._responses = Responses(self._parts, self._mcp)
        self._microphone = Microphone(
            self._parts, self._responses, Transcription(self._parts), recogniser
        )
        self._client_events = ClientEvents(
            self._parts, self._responses, self._microphone, self._mcp
        )
        self._lifetime = Lifetime(self._parts, self._responses)
        self._faults = EventFaults(options.faults, self._outbox, self._agenda)
        self._early: list[tuple[str | bytes, str]] = []
        self._started = False

    # What an edge shows of a session.

    @property
    def id(self) -> str:
        """`sess_…`; empty before `start`, unless the options name it."""
        return self._config.id

    @property
    def transport(self) -> Transport:
        return self._parts.transport

    @property
    def config(self) -> dict[str, Any]:
        """The effective configuration, as in `session.updated`."""
        return self._config.describe()

    @property
    def instructions(self) -> str:
        return self._config.instructions

    @property
    def turns(self) -> list[TurnRecord]:
        """What happened when; the last one may still be going on."""
        return self._parts.turns

    @property
    def state(self) -> str:
        """`new`, `listening`, `hearing`, `responding`, `playing` or `closed`."""
        if not self._started:
            return "new"
        if self._outbox.closed:
            return "closed"
        if self._microphone.in_turn:
            return "hearing"
        if self._responses.active is not None:
            return "responding"
        return "playing" if self._parts.playout.is_playing else "listening"

    @property
    def sidebands(self) -> tuple[str, ...]:
        """Further connections that are there now, oldest first."""
        return tuple(self._parts.sidebands)

    @property
    def noise_floor_dbfs(self) -> float:
        """Level of the microphone's background as the turn detection sees it."""
        return self._microphone.noise_floor_dbfs

    @property
    def faults(self) -> FaultPlan:
        """Faults of this session; the edge asks it at its own points."""
        return self._options.faults

    # Doors in.

    def start(self, now_s: float) -> None:
        """Begin: emits `session.created`, then handles events that came before."""
        self._arrive(now_s)
        self._started = True
        self._parts.started_s = now_s
        self._config.begin(
            self._options.session_id or self._outbox.new_id("sess"),
            int(self._outbox.unix_s + self._options.lifetime_s),
        )
        self._parts.conversation.id = self._outbox.new_id("conv")
        self._outbox.emit("session.created", session=self._config.describe())
        self._lifetime.begin()
        self._microphone.configure()
        self._mcp.tools_changed(self._config.tools)
        early, self._early = self._early, []
        for message, source in early:
            self.receive(message, now_s, source)

    def attach(self, source: str, now_s: float) -> None:
        """Greet one more connection (a sideband): it gets its own `session.created`."""
        self._arrive(now_s)
        if source not in self._parts.sidebands:
            self._parts.sidebands.append(source)
        if self._started:
            session = self._config.describe()
            self._outbox.emit("session.created", to=source, session=session)

    def detach(self, source: str) -> None:
        """A sideband is gone."""
        if source in self._parts.sidebands:
            self._parts.sidebands.remove(source)

    def receive(
        self, message: str | bytes, now_s: float, source: str = "client"
    ) -> None:
        """Handle one client event, as it came from the wire.

        Never raises for what a client does: a bad event is answered with `error`.
        Events before `start` wait for it.
        """
        if not self._started:
            if len(self._early) < QUEUED_BEFORE_START:
                self._early.append((message, source))
            return
        self._arrive(now_s)
        if self._outbox.closed:
            return
        try:
            event = decode(message, self._parts.transport)
        except UndecodableEventError as refused:
            self._refuse(refused.problem, refused.event_id, source)
            return
        if event.type == "response.create" or self._cancels_what_waits(event):
            self._microphone.when_understood(lambda: self._perform(event, source))
        else:
            self._perform(event, source)

    def receive_audio(self, pcm: NDArray[np.int16], now_s: float) -> None:
        """Hear the microphone: the next samples, int16, mono, 24 kHz, without gaps."""
        self._arrive(now_s)
        if self._started and not self._outbox.closed:
            self._microphone.hear(pcm.copy())  # the caller may reuse its buffer

    def recognised(self, item_id: str, recognition: Recognition, now_s: float) -> None:
        """Answer a RecogniseRequest."""
        self._arrive(now_s)
        if not self._outbox.closed:
            self._microphone.recognised(item_id, recognition)

    def advance(self, now_s: float) -> None:
        """Do what is due by now."""
        self._arrive(now_s)

    def inject(self, event: dict[str, Any], now_s: float) -> None:
        """Send this object as a server event; `event_id` is added when missing."""
        self._arrive(now_s)
        self._outbox.emit_as_is(event)

    def add_fault(self, fault: Fault | dict[str, Any], now_s: float) -> Fault:
        """Arm a fault.

        Raises:
            pydantic.ValidationError: the dict is not a fault.
        """
        self._arrive(now_s)
        armed = self._options.faults.add(fault)
        if self._started:
            self._lifetime.plan(armed)
        return armed

    def hang_up(self, now_s: float) -> None:
        """End the session as `/hangup` does: no event, just the close."""
        self._arrive(now_s)
        self._lifetime.end(1000, "")

    # Doors out.

    def pull_audio(self, n_samples: int, now_s: float) -> NDArray[np.int16] | None:
        """WebRTC: the next samples to play, int16, shape (n_samples,), mono, 24 kHz.

        Call it in real time; it is what moves the playback position. Silence fills what
        is not generated yet; None = nothing is playing.
        """
        self._arrive(now_s)
        pcm, happened = self._parts.playout.pull(n_samples)
        for change in happened:
            response_id = change.response_id
            if isinstance(change, Started):
                self._playout_started(response_id)
            else:
                self._parts.playout_stopped(response_id)
                self._microphone.playback_ended()
        return pcm

    def next_deadline_s(self) -> float | None:
        """When `advance` must be called at the latest; None = not before something
        comes in."""
        return None if self._outbox.closed else self._agenda.next_s()

    def drain(self) -> list[Outgoing]:
        """What to send now, in order. Nothing follows a Close."""
        return self._faults.apply(self._outbox.drain(), self._parts.age_s)

    # Inside.

    def _arrive(self, now_s: float) -> None:
        """Time never goes back; what was due before now happens first."""
        target_s = max(now_s, self._outbox.now_s)
        for due_s in self._agenda.run(target_s):
            self._outbox.now_s = max(self._outbox.now_s, due_s)
            if self._outbox.closed:
                self._agenda.clear()
        self._outbox.now_s = target_s

    def _cancels_what_waits(self, event: ClientEvent) -> bool:
        """A response that waits for words is under way, as far as a client knows."""
        return (
            event.type == "response.cancel"
            and not event.body.get("response_id")
            and self._responses.active is None
            and self._microphone.has_waiting_actions
        )

    def _perform(self, event: ClientEvent, source: str) -> None:
        try:
            self._client_events.handle(event)
        except ClientEventError as problem:
            self._refuse(problem, event.event_id, source)

    def _refuse(
        self, problem: ClientEventError, event_id: str | None, source: str
    ) -> None:
        self._outbox.emit("error", to=source, error=problem.body(event_id))

    def _playout_started(self, response_id: str) -> None:
        self._outbox.emit_media("output_audio_buffer.started", response_id=response_id)
        record = self._parts.turn_of(response_id)
        if record is not None:
            record.playout_started_s = self._parts.now_s


def _new_config(
    options: SessionOptions, initial: dict[str, Any] | None
) -> SessionConfig:
    transcribes = options.intent == "transcription"
    return SessionConfig(
        session_id=options.session_id or "",
        model=options.model,
        kind="transcription" if transcribes else "realtime",
        initial=initial,
        model_update=options.model_update,
    )

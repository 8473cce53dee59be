"""One call: a session core, the connections that see it, and its record.

The session core is sans-IO; this drives it. Whatever comes in (an event, audio, a
timer) goes into the core with the current time, then everything the core has to say is
sent, in order, to the connections it is meant for. No method here blocks or awaits.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fake_openai.faults import Fault, FaultPlan
from fake_openai.recorder import Recorder
from fake_openai.session.core import RealtimeSession
from fake_openai.session.requests import RecogniseRequest
from fake_openai.socket_audio import SocketAudio
from fake_openai.speech.protocols import Recognition
from fake_openai.wire.event import Close, ServerEvent

logger = logging.getLogger(__name__)

CLIENT: Final = "client"
CallState = Literal["connecting", "live", "ended"]
_MIN_TIMER_S: Final = 0.001


class Connection(Protocol):
    """One way to the call: the data channel, a WebSocket, a sideband."""

    def send(self, text: str) -> None:
        """Queue one event; never blocks, never raises for a connection that is gone."""

    def close(self, code: int, reason: str, *, abrupt: bool = False) -> None:
        """Close after what was sent; abrupt drops the connection without a goodbye."""


class Call:
    """Drives one session. Created before the transport is up, `begin` when it is.

    `on_end` is called once, with the reason, when the call is over for everybody;
    `recognise` gets audio to understand and answers, later, by `recognised`.
    """

    def __init__(
        self,
        call_id: str,
        session: RealtimeSession,
        recorder: Recorder,
        *,
        transport: Literal["webrtc", "websocket"],
        on_end: Callable[["Call", str], None],
        recognise: Callable[["Call", RecogniseRequest], None],
    ) -> None:
        self.call_id = call_id
        self._session: RealtimeSession | None = session
        self._last_config: dict[str, Any] = {}
        self.faults: FaultPlan = session.faults
        """The faults of this call; session and edges ask the same plan."""
        self.recorder = recorder
        self.transport = transport
        self.created_s = time.monotonic()
        self.created_at = time.time()
        self.ended_s: float | None = None
        self.end_reason: str | None = None
        self.state: CallState = "connecting"
        self._socket_audio: SocketAudio | None = None
        if transport == "websocket":
            self._socket_audio = SocketAudio(recorder.input, recorder.output)
        self._on_end = on_end
        self._recognise = recognise
        self._connections: dict[str, Connection] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = 0.0
        self._sidebands = 0

    @property
    def session(self) -> RealtimeSession:
        """The session core; only until the call ends."""
        assert self._session is not None, "the call has ended"
        return self._session

    @property
    def config(self) -> dict[str, Any]:
        """The session object as a client would be told it now, or was at the end."""
        return self._last_config if self._session is None else self._session.config

    @property
    def age_s(self) -> float:
        """Seconds since the call was made."""
        return time.monotonic() - self.created_s

    def connect(self, client: Connection) -> None:
        """Name the connection that owns the call; it ends with the call."""
        self._connections[CLIENT] = client

    def begin(self) -> None:
        """The transport is up: the session starts and `session.created` goes out."""
        if self.state != "connecting":
            return
        self.state = "live"
        self.session.start(time.monotonic())
        self.pump()

    def attach(self, connection: Connection) -> str:
        """Add a sideband; returns its name, the `source` of what it will send.

        It is greeted with a `session.created` of its own, as every connection is.
        """
        self._sidebands += 1
        name = f"sideband-{self._sidebands}"
        self._connections[name] = connection
        self.session.attach(name, time.monotonic())
        self.pump()
        return name

    def detach(self, name: str) -> None:
        """A sideband went away; the call goes on."""
        self._connections.pop(name, None)
        if self._session is not None:
            self._session.detach(name)

    def receive(self, message: str | bytes, source: str = CLIENT) -> None:
        """One client event from a connection."""
        if self.state != "live":
            return
        now_s = time.monotonic()
        self.recorder.received(message, now_s, source)
        if self._socket_audio is not None:
            self._socket_audio.received(message, now_s)
        self.session.receive(message, now_s, source=source)
        self.pump()

    def hear(self, pcm: NDArray[np.int16], now_s: float) -> None:
        """Microphone audio of a WebRTC call."""
        if self.state != "live":
            return
        self.recorder.input.append(pcm, now_s)
        self.session.receive_audio(pcm, now_s)
        self.pump()

    def next_frame(self, n_samples: int, now_s: float) -> NDArray[np.int16] | None:
        """The assistant's next audio; None is silence."""
        if self.state != "live":
            return None
        pcm = self.session.pull_audio(n_samples, now_s)
        self.pump()
        return pcm

    def recognised(self, item_id: str, recognition: Recognition) -> None:
        """What the recogniser made of a turn."""
        if self.state == "live":
            self.session.recognised(item_id, recognition, time.monotonic())
            self.pump()

    def inject(self, body: Mapping[str, Any]) -> None:
        """Send a made-up server event to every connection (control API)."""
        if self.state == "ended":
            return
        self.session.inject(dict(body), time.monotonic())
        self.pump()

    def add_fault(self, fault: Fault) -> None:
        """Arm a fault in this call (control API)."""
        if self.state == "ended":
            return
        self.session.add_fault(fault, time.monotonic())
        self.pump()

    def pump(self) -> None:
        """Run due timers, send what the session has to say, arm the next timer."""
        if self.state != "live":
            return
        now_s = time.monotonic()
        self.session.advance(now_s)
        for output in self.session.drain():
            if isinstance(output, Close):
                self.end(
                    output.reason or "closed_by_session",
                    code=output.code,
                    abrupt=output.abrupt,
                )
                return
            if isinstance(output, RecogniseRequest):
                self._recognise(self, output)
            else:
                self._deliver(output, now_s)
        self._arm()

    def end(self, reason: str, *, code: int = 1000, abrupt: bool = False) -> None:
        """Close every connection; safe to call again, only the first reason counts."""
        if self.state == "ended":
            return
        self.state = "ended"
        self.ended_s = time.monotonic()
        self.end_reason = reason
        if self._timer is not None:
            self._timer.cancel()
        for connection in tuple(self._connections.values()):
            connection.close(code, reason, abrupt=abrupt)
        self._connections.clear()
        # It holds two minutes of the user's audio; ended calls are kept by the hundred.
        self._last_config, self._session = self.session.config, None
        self._on_end(self, reason)

    def _deliver(self, event: ServerEvent, now_s: float) -> None:
        self.recorder.sent(event.body, now_s, event.to or "*")
        if self._socket_audio is not None:
            self._socket_audio.sent(event.body, now_s)
        text = event.to_json()
        if event.to is not None and event.to in self._connections:
            self._connections[event.to].send(text)
        elif event.to is None:
            for connection in tuple(self._connections.values()):
                connection.send(text)

    def _arm(self) -> None:
        if self.state != "live":
            return  # a connection that broke has ended the call meanwhile
        at_s = self.session.next_deadline_s()
        if self._timer is not None:
            if at_s is not None and self._timer_at_s <= at_s:
                return  # Fires early, finds nothing due and arms again.
            self._timer.cancel()
            self._timer = None
        if at_s is None:
            return
        delay_s = max(_MIN_TIMER_S, at_s - time.monotonic())
        self._timer_at_s = at_s
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.pump()

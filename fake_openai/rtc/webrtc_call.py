"""A WebRTC call: glues a peer to a call, and both to the ticker."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from fake_openai.beta_shape import BetaDialect
from fake_openai.call import Call
from fake_openai.faults import Fault
from fake_openai.rtc.line_faults import LineFaults
from fake_openai.rtc.opus import FRAME_SAMPLES
from fake_openai.rtc.packet_cache import PacketCache
from fake_openai.rtc.peer import Peer
from fake_openai.rtc.sdp import Offer
from fake_openai.rtc.ticker import Ticker
from fake_openai.tasks import TaskOwner

_REPORT_EVERY_BEATS: Final = 50
CONNECT_TIMEOUT_S: Final = 30.0
"""From the answer to an open channel; a client that takes longer has gone."""
_MAX_HELD_EVENTS: Final = 10_000
"""Events that wait behind a stalled channel; the oldest go."""


class WebRtcCall:
    """Owns the peer of one call; the ticker visits it every 20 ms.

    Implements `PeerListener` towards the peer and `Connection` towards the call.
    """

    def __init__(
        self,
        call: Call,
        ticker: Ticker,
        tasks: TaskOwner,
        *,
        addresses: tuple[str, ...] | None,
        idle_media: Literal["silence", "pause"] = "silence",
        seed: int = 0,
        dialect: BetaDialect | None = None,
        packets: PacketCache | None = None,
    ) -> None:
        self.call = call
        self.peer = Peer(self, ticker.meter, addresses=addresses, packets=packets)
        self._ticker = ticker
        self._tasks = tasks
        self._dialect = dialect
        self._pause_when_idle = idle_media == "pause"
        self._beats = 0
        self._has_channel = True
        self._outgoing = LineFaults(call.faults, "media.output", seed)
        self._incoming = LineFaults(call.faults, "media.input", seed)
        self._incoming_fault: Fault | None = None
        self._outgoing_fault: Fault | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._held: deque[str] = deque(maxlen=_MAX_HELD_EVENTS)
        self._stalled_until_s = 0.0
        call.connect(self)

    async def answer(
        self, offer: Offer, *, ice: Fault | None = None, dtls: Fault | None = None
    ) -> str:
        """Answer the offer; the call begins when the client's channel opens.

        Raises:
            InvalidOfferError: as `Peer.answer`.
        """
        self._has_channel = offer.has_channel
        self.peer.prepare_faults(
            ice_delay_s=_delay_s(ice),
            dtls_delay_s=_delay_s(dtls),
            no_channel=self._channel_never_opens(),
        )
        answer = await self.peer.answer(offer)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(CONNECT_TIMEOUT_S, self._on_deadline)
        return answer

    # Connection

    def send(self, text: str) -> None:
        """One event on `oai-events`."""
        texts = [text] if self._dialect is None else self._dialect.outgoing(text)
        for each in texts:
            self._send(each)

    def _send(self, text: str) -> None:
        if self._stalled_until_s:
            self._held.append(text)
        else:
            self.peer.send(text)

    def close(self, code: int, reason: str, *, abrupt: bool = False) -> None:
        """Hang up. A peer connection has no close code; the reason is in the record."""
        del code, reason
        self._ticker.discard(self.on_beat)
        if self._deadline is not None:
            self._deadline.cancel()
        self._run(self.peer.close(abrupt=abrupt))

    # PeerListener

    def on_connected(self) -> None:
        """Media flows: start the beat."""
        if self.call.faults:
            self._strike(time.monotonic())
        self._ticker.add(self.on_beat)
        if not self._has_channel:
            self.call.begin()

    def on_channel_open(self) -> None:
        """The client's channel is open: `session.created`."""
        self.call.begin()

    def on_message(self, message: str | bytes) -> None:
        """One client event."""
        if self._dialect is not None:
            message = self._dialect.incoming(message)
        self.call.receive(message)

    def on_audio(self, pcm: NDArray[np.int16], now_s: float) -> None:
        """Microphone audio, as it is or as a fault makes it."""
        fault = self._incoming_fault
        if fault is not None and fault.do == "silence":
            pcm = np.zeros_like(pcm)
        elif fault is not None and fault.do == "drift":
            pcm = _stretched(pcm, self._incoming.n_frames())
        self.call.hear(pcm, now_s)

    def on_gone(self, reason: str) -> None:
        """The client hung up, or the network did."""
        self.call.end(reason)
        self.close(1000, reason)

    # Ticker

    def on_beat(self, now_s: float, due_s: float) -> None:
        """Send one frame; fill a silent microphone; now and then an RTCP report."""
        if self.call.faults:
            self._strike(now_s)
        idle = self.peer.idle_input(now_s)
        if idle is not None and not self._stalls(self._incoming_fault):
            self.call.hear(idle, now_s)
        if self._stalls(self._outgoing_fault):
            self.peer.pause()
        else:
            for _ in range(self._outgoing.n_frames()):
                self._send_frame(now_s, due_s)
        self._beats += 1
        if self._beats % _REPORT_EVERY_BEATS == 0:
            self._run(self.peer.report(now_s))

    def _send_frame(self, now_s: float, due_s: float) -> None:
        frame = self.call.next_frame(FRAME_SAMPLES, now_s)
        fault = self._outgoing_fault
        if frame is None or (fault is not None and fault.do == "silence"):
            self.call.recorder.output.append_silence(FRAME_SAMPLES, now_s)
            if frame is None and self._pause_when_idle:
                self.peer.pause()
            else:
                self.peer.play(None, due_s)
            return
        if len(frame) < FRAME_SAMPLES:
            frame = np.pad(frame, (0, FRAME_SAMPLES - len(frame)))
        self.call.recorder.output.append(frame, now_s)
        self.peer.play(frame, due_s)

    def _strike(self, now_s: float) -> None:
        """Ask the plan what happens in this frame."""
        age_s = self.call.age_s
        self._incoming_fault = self._incoming.now(now_s, age_s)
        if self._incoming_fault is not None:
            self.peer.gate_input(self._gate_input)
        outgoing = self._outgoing_fault = self._outgoing.now(now_s, age_s)
        if outgoing is not None and outgoing.do in {"loss", "jitter"}:
            self.peer.gate_output(self._outgoing.packet_delay_s, self._run)
        if self._stalled_until_s and now_s >= self._stalled_until_s:
            self._stalled_until_s = 0.0
            while self._held:
                self.peer.send(self._held.popleft())
        channel = self.call.faults.strike("channel", age_s=age_s)
        if channel is None:
            return
        if channel.do == "close":
            self.peer.close_channel()
        elif channel.do == "stall":
            self._stalled_until_s = (
                now_s + channel.ms / 1000 if channel.ms else math.inf
            )

    def _gate_input(self) -> float | None:
        if self._stalls(self._incoming_fault):
            return None
        return self._incoming.packet_delay_s()

    def _stalls(self, fault: Fault | None) -> bool:
        return fault is not None and fault.do == "stall"

    def _channel_never_opens(self) -> bool:
        wanted = any(
            fault.at == "channel" and fault.do == "never_opens"
            for fault in self.call.faults.faults
        )
        return wanted and self.call.faults.strike("channel", age_s=math.inf) is not None

    def _on_deadline(self) -> None:
        if self.call.state == "connecting":
            self.on_gone("never_connected")

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.start(work, name=f"media of {self.call.call_id}")


def _delay_s(fault: Fault | None) -> float:
    return fault.ms / 1000 if fault is not None and fault.do == "delay" else 0.0


def _stretched(pcm: NDArray[np.int16], n_frames: int) -> NDArray[np.int16]:
    """A frame left out (0), as it is (1) or doubled (2): a clock that drifts."""
    return np.tile(pcm, n_frames)

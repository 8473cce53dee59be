"""A WebRTC call: glues a peer to a call, and both to the ticker."""

import numpy as np
from numpy.typing import NDArray

from fake_openai.call import Call
from fake_openai.rtc.opus import FRAME_SAMPLES
from fake_openai.rtc.peer import Peer
from fake_openai.rtc.sdp import Offer
from fake_openai.rtc.ticker import Ticker
from fake_openai.tasks import TaskOwner

_REPORT_EVERY_BEATS = 50


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
    ) -> None:
        self.call = call
        self.peer = Peer(self, addresses=addresses)
        self._ticker = ticker
        self._tasks = tasks
        self._beats = 0
        self._has_channel = True
        call.connect(self)

    async def answer(self, offer: Offer) -> str:
        """Answer the offer; the call begins when the client's channel opens.

        Raises:
            InvalidOfferError: as `Peer.answer`.
        """
        self._has_channel = offer.has_channel
        return await self.peer.answer(offer)

    # Connection

    def send(self, text: str) -> None:
        """One event on `oai-events`."""
        self.peer.send(text)

    def close(self, code: int, reason: str, *, abrupt: bool = False) -> None:
        """Hang up. A peer connection has no close code; the reason is in the record."""
        del code, reason, abrupt
        self._ticker.discard(self.on_beat)
        self._tasks.start(self.peer.close(), name=f"close {self.call.call_id}")

    # PeerListener

    def on_connected(self) -> None:
        """Media flows: start the beat."""
        self._ticker.add(self.on_beat)
        if not self._has_channel:
            self.call.begin()

    def on_channel_open(self) -> None:
        """The client's channel is open: `session.created`."""
        self.call.begin()

    def on_message(self, message: str | bytes) -> None:
        """One client event."""
        self.call.receive(message)

    def on_audio(self, pcm: NDArray[np.int16], now_s: float) -> None:
        """Microphone audio."""
        self.call.hear(pcm, now_s)

    def on_gone(self, reason: str) -> None:
        """The client hung up, or the network did."""
        self.call.end(reason)
        self.close(1000, reason)

    def on_beat(self, now_s: float) -> None:
        """Send one frame; fill a silent microphone; now and then an RTCP report."""
        idle = self.peer.idle_input(now_s)
        if idle is not None:
            self.call.hear(idle, now_s)
        frame = self.call.next_frame(FRAME_SAMPLES, now_s)
        if frame is None:
            self.call.recorder.output.append_silence(FRAME_SAMPLES, now_s)
        else:
            if len(frame) < FRAME_SAMPLES:
                frame = np.pad(frame, (0, FRAME_SAMPLES - len(frame)))
            self.call.recorder.output.append(frame, now_s)
        self.peer.play(frame)
        self._beats += 1
        if self._beats % _REPORT_EVERY_BEATS == 0:
            self._tasks.start(self.peer.report(now_s), name="rtcp report")

"""One browser in a conversation: its microphone, its loudspeaker, its messages."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from server.audio.format import Pcm
from server.audio.pcm import bytes_to_pcm
from server.audio.playout import PlayoutBuffer
from server.media import control
from server.media.profile import Profile
from server.media.protocol import MediaLimits
from server.media.rate import TokenBucket
from server.media.ticker import Ticker
from server.rtc.browser import BrowserPeer
from server.rtc.ice import IcePolicy
from server.rtc.offer import Offer

logger = logging.getLogger(__name__)

LINGER_S = 0.25
"""Between the last message to a browser and the end of its connection."""
MESSAGES_PER_S = 20.0
MESSAGE_BURST = 40.0
"""A page sends a handful in a whole call; each text costs money at the model."""
MIN_ERROR_INTERVAL_S = 0.5
"""A browser that floods us with nonsense is told so twice a second, not more."""


class ClientOwner(Protocol):
    """The conversation, as a client sees it."""

    def on_client_ready(self, client: "Client") -> None:
        """Audio and control can flow."""

    def on_client_message(
        self, client: "Client", message: control.ClientMessage
    ) -> None:
        """A valid control message."""

    def on_client_gone(self, client: "Client", reason: str) -> None:
        """It left or was lost. May come more than once."""


class Client:
    """One browser. Whoever created it awaits `close`."""

    def __init__(
        self,
        client_id: str,
        owner: ClientOwner,
        *,
        limits: MediaLimits,
        policy: IcePolicy,
        ticker: Ticker,
        profile: Profile,
        is_resumed: bool = False,
    ) -> None:
        self.client_id = client_id
        self.is_ready = False
        self.profile = profile
        self.is_speaking = False
        """As the mixdown hears it."""
        self.is_resumed = is_resumed
        """It was here before, under the same id."""
        self.has_last_word = False
        """It is being shown out and must still be told so."""
        self._owner = owner
        self._limits = limits
        self._ticker = ticker
        self._loop = asyncio.get_running_loop()
        self.created_at_s = self._loop.time()
        self._last_error_at_s = float("-inf")
        self._messages = TokenBucket(MESSAGES_PER_S, MESSAGE_BURST)
        self.microphone = PlayoutBuffer()
        self.listener: Callable[[Pcm], None] | None = None
        """Gets the microphone's samples at once instead of the buffer, when set."""
        self._peer = BrowserPeer(self, policy)

    async def answer(self, offer: Offer) -> str:
        """The answer to the browser's offer.

        Raises:
            BridgeError: the offer cannot be answered.
        """
        return await self._peer.answer(offer)

    @property
    def takes_audio_as_it_comes(self) -> bool:
        """True for the data channel; a track needs exactly one frame per tick."""
        return not self._peer.has_track

    @property
    def leg(self) -> str:
        """How its audio travels: raw, or track."""
        return "track" if self._peer.has_track else "raw"

    @property
    def sent_frames(self) -> int:
        """Frames played towards the browser."""
        return self._peer.counters.sent_frames

    @property
    def dropped_frames(self) -> int:
        """Frames its network was too slow for."""
        return self._peer.counters.dropped_frames

    def silent_s(self) -> float:
        """Seconds since anything was heard from the browser."""
        return self._peer.silent_s()

    def check(self) -> None:
        """Twice a second: report a browser that breaks the rules of its transport."""
        if self._peer.overruns_window():
            self.on_lost("receive window overrun")

    def pull_microphone(self) -> Pcm | None:
        """One frame for the tick, or None when there is nothing to hear."""
        return self.microphone.pull()

    def send_audio(self, pcm: Pcm) -> None:
        """Play one frame."""
        if self.is_ready and self.profile.hears:
            self._peer.send_audio(pcm)

    def send(self, message: str) -> None:
        """Send one control message, once the browser is ready for it."""
        if self.is_ready:
            self._peer.send_control(message)

    def profile_changed(self) -> None:
        """What was said before it was silenced must not be heard later."""
        if not self.profile.talks:
            self.microphone.flush()
            self.is_speaking = False

    async def close(self, *, linger: bool) -> None:
        """Free everything; with `linger`, last messages get time to leave."""
        if linger and self.is_ready:
            await asyncio.sleep(LINGER_S)
        self.is_ready = False
        await self._peer.close()

    def on_ready(self) -> None:
        """From the peer."""
        self.is_ready = True
        self._owner.on_client_ready(self)

    def on_microphone(self, pcm: Pcm) -> None:
        """From the peer: samples of a track."""
        if not self.profile.talks:
            return
        if self.listener is not None:
            self.listener(pcm)
        else:
            self.microphone.push(pcm, lead_ms=self._ticker.lead_ms())

    def on_audio_message(self, data: bytes) -> None:
        """From the peer: a binary message."""
        if len(data) > self._limits.max_audio_message_bytes:
            limit = self._limits.max_audio_message_bytes
            self._complain(
                "message_too_large", f"An audio message may have {limit} bytes."
            )
        elif len(data) % 2:
            self._complain("invalid_audio", "Audio must be whole 16-bit samples.")
        else:
            self.on_microphone(bytes_to_pcm(data))

    def on_control(self, text: str) -> None:
        """From the peer: a text message."""
        if not self._messages.take(self._loop.time()):
            self._complain("rate_limited", "Too many messages in a short time.")
            return
        try:
            message = control.parse(text, self._limits)
        except control.ControlError as exc:
            self._complain(exc.code, exc.message)
            return
        self._owner.on_client_message(self, message)

    def on_lost(self, reason: str) -> None:
        """From the peer: it is over."""
        self._owner.on_client_gone(self, reason)

    def _complain(self, code: str, message: str) -> None:
        now_s = self._loop.time()
        if now_s - self._last_error_at_s >= MIN_ERROR_INTERVAL_S:
            self._last_error_at_s = now_s
            self.send(control.error(code, message, retryable=False, fatal=False))

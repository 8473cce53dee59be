"""One browser in a conversation: its microphone, its loudspeaker, its messages."""

import asyncio
import logging
from typing import Protocol

from server.audio.format import FRAME_MS, Pcm
from server.audio.framing import FramingError
from server.audio.intake import Intake
from server.errors import UnsupportedFramingError
from server.media import control
from server.media.profile import Profile
from server.media.protocol import MediaLimits
from server.media.rate import TokenBucket
from server.media.ticker import Ticker
from server.rtc.browser import BrowserPeer
from server.rtc.ice import IcePolicy
from server.rtc.offer import Offer
from server.rtc.path import AudioLine

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
        self._sent_frames = 0
        self._n_reports = 0
        self._messages = TokenBucket(MESSAGES_PER_S, MESSAGE_BURST)
        self._peer = BrowserPeer(self, policy)

    async def answer(self, offer: Offer) -> str:
        """The answer to the browser's offer.

        Raises:
            BridgeError: the offer cannot be answered.
        """
        return await self._peer.answer(offer)

    @property
    def line(self) -> AudioLine:
        """Its audio; only once it is ready."""
        assert self._peer.line is not None
        return self._peer.line

    @property
    def has_audio(self) -> bool:
        """Whether there is a line for its audio yet."""
        return self._peer.line is not None

    @property
    def intake(self) -> Intake:
        """What its microphone sends; only once it is ready."""
        return self.line.intake

    @property
    def has_track(self) -> bool:
        """True when it needs exactly one frame per tick; a channel takes any time."""
        return self.leg == "track"

    @property
    def leg(self) -> str:
        """How its audio travels: raw, pcm16.v1, opus.v1 or track."""
        return self._peer.leg

    @property
    def framing(self) -> str:
        """Of its audio channel; raw where it has a track."""
        return "raw" if self.has_track else self.leg

    @property
    def sent_frames(self) -> int:
        """Frames played towards the browser."""
        return self._sent_frames if self.has_track else self._peer.sent_frames

    @property
    def dropped_frames(self) -> int:
        """Frames its network was too slow for."""
        return self._peer.dropped_frames

    def silent_s(self) -> float:
        """Seconds since anything was heard from the browser."""
        return self._peer.silent_s()

    def check(self) -> None:
        """Twice a second: report a browser that breaks the rules of its transport."""
        if self._peer.overruns_window():
            self.on_lost("receive window overrun")

    def send_audio(self, pcm: Pcm) -> None:
        """Play one frame."""
        if self.is_ready and self.profile.hears:
            self._sent_frames += 1
            self.line.push(pcm)

    def send_packet(self, payload: bytes) -> None:
        """Play one Opus packet; an empty one is 20 ms of nothing."""
        if not (self.is_ready and self.profile.hears):
            return
        if payload:
            self._sent_frames += 1
            self.line.push_packet(payload)
        else:
            self.line.rest()

    def send(self, message: str) -> None:
        """Send one control message, once the browser is ready for it."""
        if self.is_ready:
            self._peer.send_control(message)

    def profile_changed(self) -> None:
        """What was said before it was silenced must not be heard later."""
        if not self.profile.talks:
            if self.is_ready:
                self.intake.flush()
            self.is_speaking = False

    def quality(self, *, downlink_added_ms: float) -> dict[str, float]:
        """How its connection does; asks for the round trip that the next one tells.

        Args:
            downlink_added_ms: how long the assistant's voice waits here.
        """
        self._n_reports += 1
        if self._n_reports % 2:
            self._peer.probe()  # each costs as much as a dozen frames
        intake, figures = self.intake, self.line.figures()
        on_tick = not intake.is_passing
        return {
            "rtt_ms": round(self._peer.round_trip_ms or 0.0, 1),
            "jitter_ms": round(figures.jitter_ms, 1),
            "lost_ms": intake.lost_packets * FRAME_MS,
            "concealed_ms": intake.concealed_frames * FRAME_MS,
            "late_ms": intake.late_packets * FRAME_MS,
            "buffer_ms": round(intake.buffer.waiting_ms, 1),
            "uplink_added_ms": round(intake.buffer.delay_ms, 1) if on_tick else 0.0,
            "downlink_added_ms": round(downlink_added_ms, 1),
        }

    async def close(self, *, linger: bool) -> None:
        """Free everything; with `linger`, last messages get time to leave."""
        if linger and self.is_ready:
            await asyncio.sleep(LINGER_S)
        self.is_ready = False
        await self._peer.close()

    def on_ready(self) -> None:
        """From the peer."""
        self.is_ready = True
        if self._peer.line is None:
            self._refuse()
            return
        self.intake.lead_ms = self._ticker.lead_ms
        self._owner.on_client_ready(self)

    def _refuse(self) -> None:
        logger.info("client refused: %s", self._peer.refusal)
        error = UnsupportedFramingError
        self.send(
            control.error(error.code, error.user_message, retryable=False, fatal=True)
        )
        self.has_last_word = True
        self._owner.on_client_gone(self, error.code)

    def on_audio_message(self, data: bytes) -> None:
        """From the peer: a binary message."""
        if len(data) > self._limits.max_audio_message_bytes:
            limit = self._limits.max_audio_message_bytes
            self._complain(
                "message_too_large", f"An audio message may have {limit} bytes."
            )
            return
        try:
            self._peer.receive(data)
        except FramingError as exc:
            text = str(exc)
            self._complain("invalid_audio", text[:1].upper() + text[1:] + ".")

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

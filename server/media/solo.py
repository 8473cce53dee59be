"""One browser and the model: nothing is mixed, so nothing waits for the tick.

Opus is passed through undecoded wherever both ends speak it and nobody needs samples.
Each direction changes between the two ways by itself, without a gap: the books of time
and the numbering go on, and whichever codec was asleep hears what it missed first.
"""

from collections.abc import Callable
from typing import Protocol

from server.audio.format import SILENCE, Pcm
from server.audio.mixer import amplify
from server.audio.speaking import SpeakingMeter
from server.media.assistant import AssistantVoice
from server.media.client import Client
from server.media.passage import Passage
from server.rtc.opus_packet import SILENCE as SILENT_PACKET

SETTLE_TICKS = 10
"""Transcoded first, so that the far decoder knows this voice before the encoder behind
it changes: otherwise the first words would come in slowly."""
CHOOSE_TICKS = 5
"""Ten times a second is often enough to change the way; muting takes hold at once."""
LIVE_S = 0.045
"""Sound that came so recently goes on: whoever takes over leaves no hole after it."""
PRIMING_FRAMES = 3


class ModelAudio(Protocol):
    """The audio of the model leg."""

    @property
    def takes_packets(self) -> bool:
        """Whether Opus packets can pass undecoded, both ways."""

    @property
    def passes_packets(self) -> bool:
        """Whether the voice comes as packets now."""

    def pass_packets(self, on: bool) -> list[Pcm]:
        """Have the voice come as packets, or decoded again; then what they held."""

    def send_audio(self, pcm: Pcm) -> None:
        """One frame of what the model hears."""

    def send_packet(self, payload: bytes) -> None:
        """One Opus packet in place of a frame; an empty one is 20 ms of nothing."""

    def prime(self, frames: list[Pcm]) -> None:
        """Before the first `send_audio` after packets: what the last of them held."""


class Solo:
    """The time in which one browser is alone. `begin`, then `tick`, then `end`."""

    def __init__(
        self,
        client: Client,
        model: ModelAudio,
        voice: AssistantVoice,
        *,
        clock: Callable[[], float],
        hears_user: Callable[[], bool],
    ) -> None:
        self.client = client
        self._line = client.line
        self._intake = client.intake
        self._model = model
        self._voice = voice
        self._clock = clock
        self._hears_user = hears_user
        self._meter = SpeakingMeter()
        self._has_track = client.has_track
        now_s = clock()
        self._uplink, self._downlink = Passage(now_s), Passage(now_s)
        self._heard_s = self._played_s = float("-inf")
        self._n_ticks = 0
        self._is_deaf = False

    def begin(self) -> None:
        """Take over: what waited for a tick goes on at once."""
        for frame in self._intake.pass_frames(self._on_frame):
            self._on_frame(frame)
        for frame in self._voice.drain():
            self._play(frame)

    def tick(self) -> None:
        """Every 20 ms: choose the ways, fill pauses."""
        if self._n_ticks % CHOOSE_TICKS == 0:
            self._choose()
        self._n_ticks += 1
        self._fill_pauses(self._clock())

    def _choose(self) -> None:
        client, model = self.client, self._model
        settled = self._n_ticks >= SETTLE_TICKS
        both = settled and model.takes_packets and self._line.takes_packets
        profile = client.profile
        self._choose_uplink(both and profile.volume == 1.0, talks=profile.talks)
        wanted = both and profile.hears
        if wanted != model.passes_packets:
            woken = model.pass_packets(wanted)
            if woken:
                self._line.prime(woken[-PRIMING_FRAMES:])
        if self._intake.passes_packets and not self._is_deaf:
            client.is_speaking = self._hears_user()

    def end(self) -> tuple[bool, bool]:
        """Give over; whether sound was (coming in, going out) until now."""
        now_s = self._clock()
        if self._model.passes_packets:
            self._line.prime(self._model.pass_packets(False)[-PRIMING_FRAMES:])
        passed = self._intake.passes_packets and not self._is_deaf
        self._intake.keep_frames()
        if passed:
            self._model.prime(self._intake.woken[-PRIMING_FRAMES:])
        return now_s - self._heard_s < LIVE_S, now_s - self._played_s < LIVE_S

    # --- up

    def _choose_uplink(self, packets: bool, *, talks: bool) -> None:
        intake = self._intake
        if not talks:
            if not self._is_deaf:
                self._stop_passing()
                intake.pass_packets(_ignore)
                self._is_deaf = True
            return
        if self._is_deaf:
            self._is_deaf = False
            self._n_ticks = 0
            intake.pass_frames(self._on_frame)
        elif packets and not intake.passes_packets:
            intake.pass_packets(self._on_packet)
        elif not packets and intake.passes_packets:
            self._stop_passing()

    def _stop_passing(self) -> None:
        if self._intake.passes_packets:
            self._intake.pass_frames(self._on_frame)
            self._model.prime(self._intake.woken[-PRIMING_FRAMES:])

    def _on_frame(self, pcm: Pcm) -> None:
        profile = self.client.profile
        if not profile.talks:
            return
        if profile.volume != 1.0:
            pcm = amplify(pcm, profile.volume)
        now_s = self._heard_s = self._clock()
        self.client.is_speaking = self._meter.hear(pcm)
        for frame in self._uplink.take(pcm, now_s):
            self._model.send_audio(frame)

    def _on_packet(self, payload: bytes | None) -> None:
        if not self.client.profile.talks:
            return
        now_s = self._clock()
        if payload is None:
            payload = b""
        else:
            self._heard_s = now_s
        if self._uplink.take_packet(payload, now_s):
            self._model.send_packet(payload)

    # --- down

    def on_frame(self, frame: Pcm) -> None:
        """A frame of the assistant's voice."""
        if not self._has_track:
            self._play(frame)
            return
        for paced in self._downlink.take(frame, self._clock()):
            self._play(paced)

    def on_packet(self, payload: bytes | None) -> None:
        """A packet of it; an empty one is 20 ms of nothing, None is silence."""
        now_s = self._clock()
        if payload is None:
            self.on_frame(SILENCE)
            return
        if self._has_track and not self._downlink.take_packet(payload, now_s):
            return
        self._played_s = now_s
        self.client.send_packet(payload)

    def _play(self, frame: Pcm) -> None:
        self._played_s = self._clock()
        self.client.send_audio(frame)

    def _fill_pauses(self, now_s: float) -> None:
        """RTP needs something for every 20 ms."""
        rests = self._is_deaf or self._intake.rests
        if self._uplink.must_fill(now_s, rests=rests):
            if self._is_deaf or not self._intake.passes_packets:
                self._model.send_audio(SILENCE)
            else:
                self._model.send_packet(SILENT_PACKET if rests else b"")
        if self._has_track and self._downlink.must_fill(now_s):
            if self._model.passes_packets:
                self.client.send_packet(b"")
            else:
                self.client.send_audio(SILENCE)


def _ignore(payload: bytes | None) -> None:
    """A microphone that nobody listens to is not even decoded."""

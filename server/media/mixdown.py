"""Where the audio of one conversation goes: who hears what, and when.

With one browser nothing is mixed and audio passes as it comes (`Solo`); with several,
and while somebody needs everything sample by sample, all meet at the 20 ms tick.
"""

from collections.abc import Callable, Mapping, Sequence

from server.audio.format import FRAME_MS, SILENCE, Pcm
from server.audio.mixer import add_up, amplify, limit, mix_minus
from server.audio.speaking import SpeakingMeter
from server.media.assistant import AssistantVoice
from server.media.client import Client
from server.media.solo import ModelAudio, Solo
from server.media.ticker import Ticker

Tap = Callable[[Mapping[str, Pcm], Pcm | None], None]
"""Gets what was heard at one tick: microphones by client id, and the assistant."""


class Mixdown:
    """The audio paths between the browsers and the model. Synchronous, no task."""

    def __init__(
        self,
        model: ModelAudio,
        *,
        ticker: Ticker,
        clock: Callable[[], float],
        hears_user: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        Args:
            model: the audio of the model leg.
            ticker: the tick that calls `tick`.
            clock: seconds of the loop.
            hears_user: whether the service hears speech; tells that a lone browser
                speaks while its packets are not decoded.
        """
        self._model = model
        self._ticker = ticker
        self._clock = clock
        self._hears_user = hears_user
        self._voice = AssistantVoice()
        self._solo: Solo | None = None
        self._mixed: dict[Client, SpeakingMeter] = {}
        """Those whose frames are kept for the tick."""
        self._owed_from: Client | None = None
        self._owed_to: Client | None = None
        """Whoever was alone until this tick is heard, and hears, its next frame a tick
        later, rather than silence in the middle of a word."""
        self.tap: Tap | None = None
        """While set, everything goes by the tick, sample-aligned."""
        self.mix_minus = True
        """Participants hear each other, never themselves; else the assistant only."""

    @property
    def assistant_s(self) -> float:
        """Seconds of the assistant's voice so far."""
        return self._voice.frames * FRAME_MS / 1000

    @property
    def passes_packets(self) -> bool:
        """Whether Opus goes to the model undecoded now."""
        return self._solo is not None and self._solo.client.intake.passes_packets

    def tick(self, ready: Sequence[Client]) -> None:
        """Every 20 ms: microphones to the model, voices to the browsers."""
        soloist = ready[0] if len(ready) == 1 and self.tap is None else None
        solo = self._solo
        if solo is not None and solo.client is not soloist:
            self._end_solo(solo)
            solo = None
        if soloist is None:
            self._mix(ready)
            return
        if solo is None:
            solo = self._begin_solo(soloist)
        solo.tick()

    def on_model_audio(self, pcm: Pcm) -> None:
        """The assistant's voice, as it comes."""
        for frame in self._voice.frames_of(pcm, self._clock()):
            if self._solo is not None:
                self._solo.on_frame(frame)
            elif self._mixed:
                self._voice.keep(frame, lead_ms=self._ticker.lead_ms())

    def on_model_packet(self, payload: bytes | None) -> None:
        """One packet of it, undecoded; None was lost."""
        if self._solo is not None:
            is_held = self._voice.holds_packet(self._clock())
            self._solo.on_packet(None if is_held else payload or b"")

    def flush(self) -> None:
        """Throw away what of the assistant nobody has heard yet."""
        self._voice.flush(self._clock())

    def downlink_added_ms(self, client: Client) -> float:
        """How long the assistant's voice waits here before it goes to a browser."""
        alone = self._solo is not None and self._solo.client is client
        return 0.0 if alone else self._voice.delay_ms

    # --- from one to several and back

    def _begin_solo(self, client: Client) -> Solo:
        self._mixed.clear()
        self._owed_from = self._owed_to = None
        self._solo = solo = Solo(
            client,
            self._model,
            self._voice,
            clock=self._clock,
            hears_user=self._hears_user,
        )
        solo.begin()
        return solo

    def _end_solo(self, solo: Solo) -> None:
        self._solo = None
        was_heard, was_played = solo.end()
        self._owed_from = solo.client if was_heard else None
        self._owed_to = solo.client if was_played else None

    def _gather(self, ready: Sequence[Client]) -> dict[Client, Pcm]:
        """What every microphone has for this tick; silent ones are left out."""
        mixed = self._mixed
        heard: dict[Client, Pcm] = {}
        for client in ready:
            meter = mixed.get(client)
            if meter is None:
                meter = mixed[client] = SpeakingMeter()
            intake, profile = client.intake, client.profile
            if not profile.talks:
                client.is_speaking = False
                intake.pass_packets(_ignore)
                continue
            if intake.is_passing:
                intake.keep_frames()
            frame = intake.pull()
            client.is_speaking = meter.hear(frame)
            if frame is None:
                continue
            heard[client] = (
                frame if profile.volume == 1.0 else amplify(frame, profile.volume)
            )
        if len(mixed) > len(ready):
            for client in set(mixed) - set(ready):
                del mixed[client]
        return heard

    # --- the tick

    def _mix(self, ready: Sequence[Client]) -> None:
        """Everybody to the model, everybody else and the assistant to everybody."""
        heard = self._gather(ready)
        total = add_up(list(heard.values()))
        owed_from, self._owed_from = self._owed_from, None
        if owed_from is None or owed_from in heard or owed_from not in ready:
            self._model.send_audio(limit(total) if heard else SILENCE)
        assistant = self._voice.pull()
        owed_to, self._owed_to = self._owed_to, None
        if self.tap is not None:
            self.tap({c.client_id: f for c, f in heard.items()}, assistant)
        others = total if self.mix_minus else None
        for client in ready:
            own = heard.get(client)
            if client is owed_to and assistant is None:
                continue
            if others is None or len(heard) == (own is not None):
                client.send_audio(SILENCE if assistant is None else assistant)
            else:
                client.send_audio(mix_minus(others, own, assistant))


def _ignore(payload: bytes | None) -> None:
    """A microphone that nobody listens to is not even decoded."""

"""Where the audio of one conversation goes: who hears what, and when.

With one browser nothing is mixed and frames pass as they come; with several everything
meets at the 20 ms tick.
"""

from collections.abc import Callable, Sequence

from server.audio.format import FRAME_MS, SILENCE, Pcm
from server.audio.mixer import add_up, limit, mix_minus
from server.media.assistant import AssistantVoice
from server.media.client import Client
from server.media.passage import Passage
from server.media.ticker import Ticker


class Mixdown:
    """The audio paths between the browsers and the model. Synchronous, no task."""

    def __init__(
        self,
        send_to_model: Callable[[Pcm], None],
        *,
        ticker: Ticker,
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            send_to_model: takes one frame, shape (FRAME_SAMPLES,) int16.
            ticker: the tick that calls `tick`.
            clock: seconds of the loop.
        """
        self._send_to_model = send_to_model
        self._ticker = ticker
        self._clock = clock
        self._voice = AssistantVoice()
        self._soloist: Client | None = None
        self._has_listeners = False
        self._uplink = Passage(clock())
        self._downlink = Passage(clock())
        self.mix_minus = True
        """Participants hear each other, never themselves; else the assistant only."""

    @property
    def assistant_s(self) -> float:
        """Seconds of the assistant's voice so far."""
        return self._voice.frames * FRAME_MS / 1000

    def tick(self, ready: Sequence[Client]) -> None:
        """Every 20 ms: microphones to the model, voices to the browsers."""
        self._has_listeners = bool(ready)
        soloist = ready[0] if len(ready) == 1 else None
        if soloist is not self._soloist:
            self._change_soloist(soloist)
        if soloist is None:
            self._mix(ready)
        else:
            self._fill_pauses(soloist)

    def on_model_audio(self, pcm: Pcm) -> None:
        """The assistant's voice, as it comes."""
        soloist = self._soloist
        now_s = self._clock()
        for frame in self._voice.frames_of(pcm, now_s):
            if soloist is None:
                if self._has_listeners:
                    self._voice.keep(frame, lead_ms=self._ticker.lead_ms())
            elif soloist.takes_audio_as_it_comes:
                soloist.send_audio(frame)
            else:
                for paced in self._downlink.take(frame, now_s):
                    soloist.send_audio(paced)

    def flush(self) -> None:
        """Throw away what of the assistant nobody has heard yet."""
        self._voice.flush(self._clock())

    def _mix(self, ready: Sequence[Client]) -> None:
        """Everybody to the model, everybody else and the assistant to everybody."""
        heard = {c: f for c in ready if (f := c.pull_microphone()) is not None}
        total = add_up(list(heard.values()))
        self._send_to_model(limit(total) if heard else SILENCE)
        assistant = self._voice.pull()
        nobody = add_up(())
        for client in ready:
            if self.mix_minus:
                client.send_audio(mix_minus(total, heard.get(client), assistant))
            else:
                client.send_audio(mix_minus(nobody, None, assistant))

    def _change_soloist(self, soloist: Client | None) -> None:
        if self._soloist is not None:
            self._soloist.listener = None
        self._soloist = soloist
        self._voice.forget()
        if soloist is not None:
            self._uplink = Passage(self._clock())
            self._downlink = Passage(self._clock())
            soloist.microphone.flush()
            soloist.listener = self._on_lone_microphone

    def _fill_pauses(self, soloist: Client) -> None:
        """A lone talker needs no mixing; RTP needs a frame for every 20 ms."""
        now_s = self._clock()
        if self._uplink.must_fill(now_s):
            self._send_to_model(SILENCE)
        if not soloist.takes_audio_as_it_comes and self._downlink.must_fill(now_s):
            soloist.send_audio(SILENCE)

    def _on_lone_microphone(self, pcm: Pcm) -> None:
        for frame in self._uplink.take(pcm, self._clock()):
            self._send_to_model(frame)

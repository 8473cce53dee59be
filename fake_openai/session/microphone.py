"""The user's side of a session: audio in, turns out, and what they set going."""

from collections.abc import Callable
from dataclasses import dataclass

from fake_openai.session.hearing import Hearing, TurnEnded, TurnStarted
from fake_openai.session.idle import IdleTimeout
from fake_openai.session.items import Item, user_audio
from fake_openai.session.parts import Parts
from fake_openai.session.playout import Cleared
from fake_openai.session.requests import RecogniseRequest
from fake_openai.session.response import Response
from fake_openai.session.responses import Responses
from fake_openai.session.transcription import Transcription
from fake_openai.session.turns import TurnRecord
from fake_openai.speech.protocols import Recogniser, Recognition
from fake_openai.wire.audio import RATE_HZ, Pcm, ms_of_samples, samples_of_ms
from fake_openai.wire.problem import ClientEventError

MIN_COMMIT_MS = 100
IDLE_AUDIO_MS = 1000


@dataclass(frozen=True, slots=True)
class _Unheard:
    """An item whose words are not known yet."""

    item: Item
    record: TurnRecord | None = None
    """Of the turn that it ends; None = a client put its audio into an item."""
    respond: bool = False


class Microphone:
    """Listens, commits, interrupts, and asks for the responses that follow."""

    def __init__(
        self,
        parts: Parts,
        responses: Responses,
        transcription: Transcription,
        recogniser: Recogniser,
    ) -> None:
        self._parts = parts
        self._responses = responses
        self._transcription = transcription
        self._recogniser = recogniser
        self._hearing = Hearing(
            int(parts.options.max_input_buffer_s * RATE_HZ), self._listen_to_pause
        )
        self._pause_id = ""
        self._record: TurnRecord | None = None
        self._waiting: dict[str, _Unheard] = {}
        self._once_understood: list[Callable[[], None]] = []
        self._idle = IdleTimeout(parts, self._user_is_silent)
        responses.on_started = self._idle.stop
        responses.on_ended = self._response_ended

    @property
    def in_turn(self) -> bool:
        return self._hearing.in_turn

    @property
    def noise_floor_dbfs(self) -> float:
        return self._hearing.noise_floor_dbfs

    def configure(self) -> None:
        """Take over the session's turn detection."""
        self._hearing.configure(self._parts.config.turn_detection)
        self._idle.reconfigure()

    def hear(self, pcm: Pcm) -> None:
        """The next samples of the microphone."""
        for event in self._hearing.hear(pcm):
            if isinstance(event, TurnStarted):
                self._turn_started(event)
            else:
                self._turn_ended(event)

    def commit(self) -> None:
        """Commit the buffer by hand.

        Raises:
            ClientEventError: less than 100 ms in it.
        """
        buffered = self._hearing.buffered_samples
        if buffered < samples_of_ms(MIN_COMMIT_MS):
            raise ClientEventError(
                "Error committing input audio buffer: buffer too small. Expected at "
                f"least 100ms of audio, but buffer only has {buffered / 24:.2f}ms of "
                "audio.",
                code="input_audio_buffer_commit_empty",
            )
        start, end = self._hearing.take_all()
        record = self._take_record()
        self._commit(start, end, record, respond=False)

    def clear(self) -> None:
        """Empty the buffer."""
        self._hearing.clear()
        self._record = None
        self._parts.outbox.emit("input_audio_buffer.cleared")

    def interrupt(self) -> None:
        """Stop what is being generated and played, because the user speaks."""
        cleared = self._parts.playout.clear()
        if self._parts.options.barge_in_order == "done_first":
            self._cancel_active()
            self._emit_cleared(cleared)
        else:
            self._emit_cleared(cleared)
            self._cancel_active()
            self._truncate(cleared)

    def clear_playout(self) -> None:
        """Drop what is not played yet; says so even when there was nothing."""
        parts = self._parts
        cleared = parts.playout.clear()
        self._emit_cleared(cleared)
        last = parts.playout.last_response_id
        if not cleared and last is not None:
            parts.outbox.emit_media("output_audio_buffer.cleared", response_id=last)
        self.playback_ended()

    def playback_ended(self) -> None:
        """WebRTC: the output buffer has run empty."""
        playout = self._parts.playout
        silent = not playout.is_playing and not playout.waiting_samples
        if silent and self._responses.active is None and not self.in_turn:
            self._idle.start(self._parts.now_s)

    def recognised(self, item_id: str, recognition: Recognition) -> None:
        """The words of a committed item (or before a pause) are known."""
        if item_id == self._pause_id:
            self._hearing.weigh_pause(_words(recognition))
        unheard = self._waiting.pop(item_id, None)
        if unheard is None:
            return
        item, record = unheard.item, unheard.record
        item.text, item.utterance_id = recognition.text, recognition.utterance_id
        item.recognised = recognition.recognised
        item.hearing_failed = recognition.failed
        if record is not None:
            record.text = recognition.text
            record.utterance_id = recognition.utterance_id
            record.recognised = recognition.recognised
            record.recognised_s = self._parts.now_s
            self._transcription.begin(item, record.committed_s or self._parts.now_s)
            if unheard.respond:
                self._respond_later(record)
        if not self._waiting:
            actions, self._once_understood = self._once_understood, []
            for action in actions:
                action()

    @property
    def has_waiting_actions(self) -> bool:
        """Whether something is to be done once all has been recognised."""
        return bool(self._once_understood)

    def when_understood(self, action: Callable[[], None]) -> None:
        """Do it now, or as soon as everything committed has been recognised."""
        if self._waiting:
            self._once_understood.append(action)
        else:
            action()

    def read(self, item: Item, content_index: int) -> None:
        """Recognise audio that a client put into an item; its transcript wins."""
        transcript = item.content[content_index].get("transcript")
        if transcript:
            item.text = transcript
        else:
            self._recognise(_Unheard(item), item.pcm(content_index))

    def _turn_started(self, turn: TurnStarted) -> None:
        parts = self._parts
        self._idle.stop()
        self._record = parts.new_turn()
        self._record.trigger = "speech"
        self._record.item_id = parts.outbox.new_id("item")
        self._record.speech_start_sample = turn.speech_start
        self._record.speech_started_s = parts.now_s
        parts.outbox.emit(
            "input_audio_buffer.speech_started",
            audio_start_ms=ms_of_samples(turn.audio_start),
            item_id=self._record.item_id,
        )
        if self._wants("interrupt_response"):
            self.interrupt()

    def _turn_ended(self, turn: TurnEnded) -> None:
        parts = self._parts
        record = self._take_record()
        record.speech_end_sample = turn.speech_end
        record.speech_stopped_s = parts.now_s
        parts.outbox.emit(
            "input_audio_buffer.speech_stopped",
            audio_end_ms=ms_of_samples(turn.audio_end),
            item_id=record.item_id,
        )
        respond = self._wants("create_response")
        pcm = self._hearing.audio.cut(turn.audio_start, turn.audio_end)
        self._hearing.buffer_start = turn.audio_end
        delay_s = parts.delay_s(parts.timing.commit)
        parts.later(delay_s, lambda: self._commit_audio(pcm, record, respond=respond))

    def _commit(
        self, start: int, end: int, record: TurnRecord, *, respond: bool
    ) -> None:
        pcm = self._hearing.audio.cut(start, end)
        self._commit_audio(pcm, record, respond=respond)

    def _commit_audio(self, pcm: Pcm, record: TurnRecord, *, respond: bool) -> None:
        parts = self._parts
        item = user_audio(record.item_id or parts.outbox.new_id("item"), pcm)
        record.item_id, record.committed_s = item.id, parts.now_s
        previous = parts.conversation.last_id
        parts.outbox.emit(
            "input_audio_buffer.committed", previous_item_id=previous, item_id=item.id
        )
        parts.conversation.add(item, fresh=True)
        for step in ("added", "done"):
            parts.outbox.emit(
                f"conversation.item.{step}",
                previous_item_id=previous,
                item=item.public(),
            )
        self._recognise(_Unheard(item, record, respond), pcm)

    def _recognise(self, unheard: "_Unheard", pcm: Pcm) -> None:
        item_id = unheard.item.id
        self._waiting[item_id] = unheard
        if self._parts.options.recognise == "deferred":
            self._parts.outbox.request(RecogniseRequest(item_id, pcm))
        else:
            self.recognised(item_id, self._recogniser.recognise(pcm))

    def _respond_later(self, record: TurnRecord) -> None:
        """The response is due some time after the commit, however long it took to
        recognise what was said."""
        parts = self._parts
        due_s = (record.committed_s or 0) + parts.delay_s(parts.timing.create)
        record.thinking_from_s = due_s
        parts.later(due_s - parts.now_s, lambda: self._respond(record))

    def _respond(self, record: TurnRecord) -> None:
        """The automatic response; it fails like any other when one is active."""
        if self._parts.outbox.closed:
            return
        silence = record.trigger == "silence"
        try:
            self._responses.create(record=record, silence=silence)
        except ClientEventError as problem:
            record.thinking_from_s = None
            self._parts.outbox.emit("error", error=problem.body(None))
            return
        if self.in_turn and self._wants("interrupt_response"):
            self._cancel_active()

    def _wants(self, action: str) -> bool:
        settings = self._parts.config.turn_detection
        return settings is not None and bool(settings.get(action, False))

    def _take_record(self) -> TurnRecord:
        record, self._record = self._record, None
        return record if record is not None else self._parts.new_turn()

    def _cancel_active(self) -> None:
        if self._responses.active is not None:
            self._responses.cancel(None, "turn_detected")

    def _truncate(self, cleared: list[Cleared]) -> None:
        """Closing an item wrote its transcript again: nobody heard all of it."""
        for entry in cleared:
            for cut in entry.cuts:
                item = self._parts.conversation.get(cut.item_id)
                if item is not None:
                    item.truncate(cut.content_index, cut.played_ms)

    def _emit_cleared(self, cleared: list[Cleared]) -> None:
        parts = self._parts
        for entry in cleared:
            parts.outbox.emit_media(
                "output_audio_buffer.cleared", response_id=entry.response_id
            )
            record = parts.turn_of(entry.response_id)
            for cut in entry.cuts:
                item = parts.conversation.get(cut.item_id)
                if item is None:
                    continue
                item.truncate(cut.content_index, cut.played_ms)
                parts.outbox.emit(
                    "conversation.item.truncated",
                    item_id=cut.item_id,
                    content_index=cut.content_index,
                    audio_end_ms=cut.played_ms,
                )
                if record is not None:
                    record.cut_s, record.played_ms = parts.now_s, cut.played_ms

    def _listen_to_pause(self, pcm: Pcm) -> None:
        """Semantic VAD: what has been said before this pause decides the wait."""
        if self._parts.options.recognise == "inline":
            self._hearing.weigh_pause(_words(self._recogniser.recognise(pcm)))
            return
        self._pause_id = self._parts.outbox.new_id("pause")
        self._parts.outbox.request(RecogniseRequest(self._pause_id, pcm))

    def _response_ended(self, response: Response) -> None:
        parts = self._parts
        if parts.outbox.closed:
            return
        if parts.transport == "webrtc":
            self.playback_ended()
            return
        audio = sum(i.heard_samples.get(0, 0) for i in response.stream.output)
        first_s = response.record.first_audio_s or parts.now_s
        if not self.in_turn:
            self._idle.start(max(parts.now_s, first_s + audio / RATE_HZ))

    def _user_is_silent(self) -> None:
        """The idle timeout: a turn without a word."""
        parts = self._parts
        end = self._hearing.audio.end
        start = max(self._hearing.buffer_start, end - samples_of_ms(IDLE_AUDIO_MS))
        record = parts.new_turn()
        record.trigger = "silence"
        record.item_id = parts.outbox.new_id("item")
        parts.outbox.emit(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=ms_of_samples(start),
            audio_end_ms=ms_of_samples(end),
            item_id=record.item_id,
        )
        self._hearing.clear()
        self._commit(start, end, record, respond=self._wants("create_response"))


def _words(recognition: Recognition) -> str | None:
    return recognition.text if recognition.recognised else None

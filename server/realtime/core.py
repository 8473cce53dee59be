"""One model session, sans-IO: events in, effects out.

The caller gives every event and the time, and performs the effects in order. Audio does
not pass through here; only the decision to throw it away does.
"""

import itertools

from server.realtime import messages, wire
from server.realtime.config import Json
from server.realtime.effects import (
    CallTool,
    Effect,
    Ended,
    Flush,
    Notice,
    Send,
    SessionLost,
    State,
    StateChanged,
    Used,
)
from server.realtime.failures import (
    COMMIT_EMPTY,
    FATAL_ERRORS,
    QUIET_ERRORS,
    REPLAY_ERRORS,
    SESSION_EXPIRED,
    words_for,
)
from server.realtime.history import History, ReplayLimits
from server.realtime.scheduler import METADATA_KEY, ResponseScheduler
from server.realtime.transcripts import Transcript, Transcripts

MAX_REMEMBERED_NOTES = 1_024
BROKEN_OFF = (
    "The connection broke off while you were speaking. The user heard your last "
    "message only as far as it is written here. Go on from there, without repeating it."
)


class RealtimeCore:
    """The model's side of a conversation, over one session after another.

    It begins without a session. `begin` says that one is configured, `lost` that it is
    gone; what happens in between is kept and told to the next one. Each method returns
    the effects in the order in which they must be performed. Call `advance` about once
    a second: it releases what waited for time only.
    """

    def __init__(self, limits: ReplayLimits = ReplayLimits()) -> None:  # noqa: B008
        """
        Args:
            limits: how much of the conversation a further session is told.
        """
        self._limits = limits
        self._scheduler = ResponseScheduler()
        self._transcripts = Transcripts()
        self._history = History()
        self._ids = itertools.count(1)
        self._narrated: dict[str, None] = {}
        """Keys of what was narrated, oldest first; bounded."""
        self._awaits_commit = False
        """Push-to-talk was let go; what was said becomes an item next."""
        self._is_ready = False
        self._has_ended = False
        self._playing_id: str | None = None
        self._flushed_id: str | None = None
        self._shown = State.CONNECTING

    @property
    def state(self) -> State:
        """What the user is shown now."""
        return self._shown

    @property
    def is_playing(self) -> bool:
        """True while the service plays an answer."""
        return self._playing_id is not None

    @property
    def _is_answering(self) -> bool:
        return self.is_playing or self._scheduler.active_id is not None

    @property
    def is_between_turns(self) -> bool:
        """Nobody speaks, nothing is being answered, all that was said is written."""
        scheduler = self._scheduler
        return (
            self._is_ready
            and not scheduler.user_is_speaking
            and not scheduler.expects_answer
            and not scheduler.has_request
            and scheduler.active_id is None
            and self._playing_id is None
            and not self._history.awaits_words
        )

    def begin(self, now_s: float, *, user_audio_follows: bool = False) -> list[Effect]:
        """A session is configured; it is told what there was before it.

        Args:
            now_s: the time.
            user_audio_follows: what the user said meanwhile is sent next; the service
                will answer that by itself.
        """
        if self._has_ended:
            return []
        self._is_ready = True
        if user_audio_follows:
            self._scheduler.expect_answer(now_s)
        running = self._scheduler.running_calls
        items = self._history.replay(self._limits, running=running)
        told: list[Effect] = [Send(self._create_item(item)) for item in items]
        return told + self._settle(now_s)

    def lost(self, heard_ms: float) -> list[Effect]:
        """The session is gone.

        Args:
            heard_ms: how much of the answer that was playing, if any, was played.
        """
        if self._has_ended:
            return []
        effects = self._break_off(heard_ms)
        self._is_ready = False
        return effects + self._show(self._current_state())

    def change_over(
        self, heard_ms: float, now_s: float, *, user_audio_follows: bool
    ) -> list[Effect]:
        """Another session, configured already, takes the place of this one."""
        effects = self._break_off(heard_ms)
        return effects + self.begin(now_s, user_audio_follows=user_audio_follows)

    def receive(self, event: wire.ServerEvent, now_s: float) -> list[Effect]:
        """One event of the service."""
        if self._has_ended:
            return []
        self._history.note(event)
        effects = self._handle(event, now_s)
        return effects + self._settle(now_s)

    def tool_finished(
        self, call_id: str, output: str, now_s: float, *, speak: bool = True
    ) -> list[Effect]:
        """A tool's output, exactly once per call; strangers are ignored.

        Without `speak` the model learns of it and is not asked to say something.
        """
        if self._has_ended or not self._scheduler.call_finished(
            call_id, wants_answer=speak
        ):
            return []
        self._history.output(call_id, output)
        item = messages.call_output(call_id, output)
        return [*self._tell(item), *self._settle(now_s)]

    def say_text(self, text: str, now_s: float) -> list[Effect]:
        """Text typed by the user; without a session it waits for the next one."""
        if self._has_ended:
            return []
        item_id = f"voicebridge_text_{next(self._ids)}"
        item = messages.input_text(item_id, "user", text)
        self._history.text(item_id, "user", text)
        self._scheduler.text_sent(item_id)
        return [
            Transcript("user", item_id, text, final=True),
            *self._tell(item),
            *self._settle(now_s),
        ]

    def narrate(self, key: str, text: str, speak: bool, now_s: float) -> list[Effect]:
        """Context that no user said; with `speak` the model is to answer it.

        What has a known key is not told again. Without a session it waits.
        """
        if self._has_ended or key in self._narrated:
            return []
        self._narrated[key] = None
        while len(self._narrated) > MAX_REMEMBERED_NOTES:
            self._narrated.pop(next(iter(self._narrated)))
        return [*self._send_note(text, speak), *self._settle(now_s)]

    def talk(self, pressed: bool, now_s: float) -> list[Effect]:
        """Push-to-talk: the user's turn lasts while it is pressed.

        What was heard before does not belong to it, and the assistant falls silent.
        """
        if self._has_ended or not self._is_ready:
            return []
        if pressed:
            effects = self.interrupt(now_s) if self._is_answering else []
            self._scheduler.speech_started()
            clear: Effect = Send({"type": "input_audio_buffer.clear"})
            return [*effects, clear, *self._settle(now_s)]
        if not self._scheduler.user_is_speaking:
            return []
        self._scheduler.speech_stopped(now_s)
        self._awaits_commit = True
        commit: Effect = Send({"type": "input_audio_buffer.commit"})
        return [commit, *self._settle(now_s)]

    def interrupt(self, now_s: float) -> list[Effect]:
        """The user asks the assistant to stop talking."""
        if self._has_ended or not self._is_ready:
            return []
        effects: list[Effect] = []
        if self._scheduler.active_id is not None:
            effects.append(Send({"type": "response.cancel"}))
        effects.append(Send({"type": "output_audio_buffer.clear"}))
        effects.append(Flush("interrupt"))
        self._flushed_id = self._playing_id
        self._playing_id = None
        return effects + self._settle(now_s)

    def advance(self, now_s: float) -> list[Effect]:
        """Time has passed."""
        return [] if self._has_ended else self._settle(now_s)

    def end(self) -> list[Effect]:
        """The leg is gone or the session is being closed."""
        self._has_ended = True
        return self._show(State.ENDED)

    def _handle(self, event: wire.ServerEvent, now_s: float) -> list[Effect]:
        match event:
            case wire.ServiceError():
                return self._handle_error(event)
            case wire.SpeechStarted():
                self._scheduler.speech_started()
                return self._barge_in(self._playing_id)
            case wire.SpeechStopped():
                self._scheduler.speech_stopped(now_s)
            case wire.PlaybackStarted():
                self._playing_id = event.response_id
                self._flushed_id = None
            case wire.PlaybackStopped():
                self._playing_id = None
            case wire.PlaybackCleared():
                return self._barge_in(self._playing_id)
            case wire.ItemAdded():
                if self._awaits_commit and event.item.role == "user":
                    self._awaits_commit = False
                    self._scheduler.want_answer(event.item.id)
                    self._scheduler.speech_answered()
                self._scheduler.acknowledged(event.item.id)
                if event.item.type == "function_call_output":
                    self._scheduler.acknowledged(event.item.call_id)
            case wire.ResponseCreated():
                self._scheduler.response_created(
                    event.response_id, event.metadata.get(METADATA_KEY)
                )
            case wire.OutputItemDone():
                return self._call_tool(event.item, event.response_id)
            case wire.ResponseDone():
                return self._finish_response(event)
            case _:
                written = self._transcripts.note(event)
                return [] if written is None else [written]
        return []

    def _send_note(self, text: str, speak: bool) -> list[Effect]:
        item_id = f"voicebridge_note_{next(self._ids)}"
        item = messages.input_text(item_id, "system", text)
        self._history.text(item_id, "system", text)
        if speak:
            self._scheduler.text_sent(item_id)
        return self._tell(item)

    def _handle_error(self, event: wire.ServiceError) -> list[Effect]:
        if event.code in FATAL_ERRORS:
            self._has_ended = True
            ended = Ended(event.code, words_for(event.code))
            return [*self._show(State.ENDED), ended]
        if event.code == SESSION_EXPIRED:
            return [SessionLost(event.code)]
        ours = self._scheduler.request_failed(event.client_event_id, event.code)
        if event.code == COMMIT_EMPTY:
            self._awaits_commit = False
            self._scheduler.speech_answered()
        if event.code in QUIET_ERRORS | REPLAY_ERRORS:
            return []
        what = "could not answer" if ours else "reported a problem"
        return [Notice("model_error", f"The voice service {what} ({event.code}).")]

    def _barge_in(self, playing_id: str | None) -> list[Effect]:
        """The user speaks, or the service has dropped what it was playing.

        Both are told, in either order; the flush must happen once, at the first.
        """
        if playing_id is None or self._flushed_id == playing_id:
            return []
        self._flushed_id = playing_id
        self._playing_id = None
        return [Flush("barge_in")]

    def _call_tool(self, item: wire.Item, response_id: str) -> list[Effect]:
        # Only `completed` items run: when a response is interrupted, the service sends
        # the same `done` events for a call whose arguments are cut off.
        if item.type != "function_call" or item.status not in ("completed", ""):
            return []
        if not item.call_id or not self._scheduler.call_started(
            item.call_id, response_id
        ):
            return []
        self._history.call(item, response_id)
        return [CallTool(item.call_id, item.name, item.arguments)]

    def _finish_response(self, event: wire.ResponseDone) -> list[Effect]:
        effects: list[Effect] = []
        for item in event.output:
            effects += self._call_tool(item, event.response_id)
        self._scheduler.response_done(event.response_id)
        code = event.error_code or event.reason
        if event.status == "failed" or (
            event.status == "incomplete" and code == "content_filter"
        ):
            message = words_for(code, "The voice service could not answer.")
            effects.append(Notice("response_failed", message))
        if event.usage is not None:
            effects.append(Used(event.response_id, event.usage))
        return effects

    def _break_off(self, heard_ms: float) -> list[Effect]:
        """Nothing more comes of the session; what was under way is settled.

        An answer of which nothing was heard is forgotten and asked for again. One that
        was heard in part ends there, and the model is asked to go on.
        """
        scheduler = self._scheduler
        playing_id, response_id = self._playing_id, scheduler.active_id
        self._playing_id = self._flushed_id = None
        self._awaits_commit = False
        user_is_speaking = scheduler.user_is_speaking
        is_owed = scheduler.expects_answer and not self._history.awaits_words
        scheduler.line_lost()
        withdrawn = [
            Transcript("user", item_id, "", final=True)
            for item_id in self._history.forget_unwritten()
            if self._transcripts.forget(item_id)
        ]
        interrupted_id = playing_id or response_id
        if interrupted_id is not None:
            heard = heard_ms if playing_id is not None else None
            is_owed = self._history.break_off(interrupted_id, heard)
            if scheduler.runs_calls_of(interrupted_id):
                is_owed = False  # their outputs will be answered
            if is_owed and heard is not None and not user_is_speaking:
                note_id = f"voicebridge_note_{next(self._ids)}"
                self._history.text(note_id, "system", BROKEN_OFF)
        if is_owed and not user_is_speaking:
            scheduler.want_answer("broken off")
        return [*withdrawn, *self._transcripts.finish_all()]

    def _tell(self, item: Json) -> list[Effect]:
        """An item for the session; without one it is told with all the rest."""
        return [Send(self._create_item(item))] if self._is_ready else []

    def _settle(self, now_s: float) -> list[Effect]:
        """What follows from the new situation: a request, another state."""
        effects: list[Effect] = []
        event_id = self._scheduler.next_request(now_s) if self._is_ready else None
        if event_id is not None:
            request = messages.create_response(event_id, METADATA_KEY)
            effects.append(Send(request))
        return effects + self._show(self._current_state())

    def _current_state(self) -> State:
        scheduler = self._scheduler
        if self._has_ended:
            return State.ENDED
        if not self._is_ready:
            return State.CONNECTING
        if scheduler.user_is_speaking:
            return State.HEARING
        if self._playing_id is not None:
            return State.SPEAKING
        if scheduler.running_calls:
            return State.TOOL
        if scheduler.active_id is not None or scheduler.expects_answer:
            return State.THINKING
        return State.LISTENING

    def _show(self, state: State) -> list[Effect]:
        if state is self._shown:
            return []
        self._shown = state
        return [StateChanged(state)]

    def _create_item(self, item: Json) -> Json:
        return messages.create_item(item, f"voicebridge_item_{next(self._ids)}")

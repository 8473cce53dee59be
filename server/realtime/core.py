"""One model session, sans-IO: events in, effects out.

The caller gives every event and the time, and performs the effects in order. Audio does
not pass through here; only the decision to throw it away does.
"""

import itertools
import json
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from server.realtime import wire
from server.realtime.config import Json, SessionConfig
from server.realtime.scheduler import ACTIVE_RESPONSE, METADATA_KEY, ResponseScheduler
from server.realtime.transcripts import Transcript, Transcripts

QUIET_ERRORS = frozenset(
    {"response_cancel_not_active", "input_audio_buffer_commit_empty", ACTIVE_RESPONSE}
)
"""Answers to races that are nobody's fault."""
FATAL_ERRORS = frozenset(
    {
        "session_expired",
        "insufficient_quota",
        "credit_balance_exhausted",
        "billing_hard_limit_reached",
        "account_deactivated",
        "invalid_api_key",
    }
)
MAX_REMEMBERED_NOTES = 1_024
MAX_HELD_NOTES = 64
UPDATE_EVENT_ID = "voicebridge_session_update"

_FAILURES = {
    "insufficient_quota": "The voice service's quota is used up.",
    "rate_limit_exceeded": "The voice service is busy. Please try again in a moment.",
    "session_expired": "The call has reached its maximum length and has ended.",
    "content_filter": "The voice service declined to answer that.",
}


class State(Enum):
    """What the user is shown."""

    CONNECTING = "connecting"
    LISTENING = "listening"
    HEARING = "hearing"
    THINKING = "thinking"
    SPEAKING = "speaking"
    TOOL = "tool"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Send:
    """Send this event to the service."""

    event: Json


@dataclass(frozen=True, slots=True)
class Ready:
    """The session is configured; calls may begin."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The service refused our configuration; the call cannot begin."""

    message: str
    param: str


@dataclass(frozen=True, slots=True)
class Flush:
    """Throw away every sample of the assistant that was not heard yet."""

    reason: str


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The user is to be shown another state."""

    state: State


@dataclass(frozen=True, slots=True)
class CallTool:
    """Run a tool, then report `tool_finished`; `arguments` is a JSON string."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something went wrong, the call goes on; `message` is for the user."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The service has ended the session; `message` is for the user."""

    code: str
    message: str


Effect: TypeAlias = (
    Send
    | Ready
    | Rejected
    | Flush
    | StateChanged
    | Transcript
    | CallTool
    | Notice
    | Ended
)


class RealtimeCore:
    """The model session's side of the conversation.

    Each method returns the effects in the order in which they must be performed. Call
    `advance` about once a second: it releases what waited for time only.
    """

    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        self._scheduler = ResponseScheduler()
        self._transcripts = Transcripts()
        self._ids = itertools.count(1)
        self._narrated: dict[str, None] = {}
        """Keys of what was narrated, oldest first; bounded."""
        self._held_notes: deque[tuple[str, bool]] = deque(maxlen=MAX_HELD_NOTES)
        """Text and whether to speak; of more than fit, the oldest go."""
        self._is_ready = False
        self._has_ended = False
        self._playing_id: str | None = None
        self._flushed_id: str | None = None
        self._shown = State.CONNECTING

    @property
    def state(self) -> State:
        """What the user is shown now."""
        return self._shown

    def receive(self, event: wire.ServerEvent, now_s: float) -> list[Effect]:
        """One event of the service."""
        if self._has_ended:
            return []
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
        item = {"type": "function_call_output", "call_id": call_id, "output": output}
        effects: list[Effect] = [Send(self._create_item(item))]
        return effects + self._settle(now_s)

    def say_text(self, text: str, now_s: float) -> list[Effect]:
        """Text typed by the user."""
        if self._has_ended or not self._is_ready:
            return []
        item_id = f"voicebridge_text_{next(self._ids)}"
        item = {
            "id": item_id,
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": text}],
        }
        self._scheduler.text_sent(item_id)
        effects: list[Effect] = [
            Transcript("user", item_id, text, final=True),
            Send(self._create_item(item)),
        ]
        return effects + self._settle(now_s)

    def narrate(self, key: str, text: str, speak: bool, now_s: float) -> list[Effect]:
        """Context that no user said; with `speak` the model is to answer it.

        What has a known key is not told again. Before the session is ready it waits.
        """
        if self._has_ended or key in self._narrated:
            return []
        self._narrated[key] = None
        while len(self._narrated) > MAX_REMEMBERED_NOTES:
            self._narrated.pop(next(iter(self._narrated)))
        if not self._is_ready:
            self._held_notes.append((text, speak))
            return []
        return [*self._send_note(text, speak), *self._settle(now_s)]

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
            case wire.SessionCreated():
                return [Send(self._session_update())]
            case wire.SessionUpdated():
                return self._become_ready()
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
                return self._write_down(event)
        return []

    def _write_down(self, event: wire.ServerEvent) -> list[Effect]:
        match event:
            case wire.InputTranscriptDelta():
                return [self._transcripts.add("user", event.item_id, event.delta)]
            case wire.InputTranscriptDone():
                return [
                    self._transcripts.finish("user", event.item_id, event.transcript)
                ]
            case wire.OutputTranscriptDelta():
                return [self._transcripts.add("assistant", event.item_id, event.delta)]
            case wire.OutputTranscriptDone():
                return [
                    self._transcripts.finish(
                        "assistant", event.item_id, event.transcript
                    )
                ]
        return []

    def _become_ready(self) -> list[Effect]:
        if self._is_ready:
            return []
        self._is_ready = True
        held = list(self._held_notes)
        self._held_notes.clear()
        sent = [e for text, speak in held for e in self._send_note(text, speak)]
        return [Ready(), *sent]

    def _send_note(self, text: str, speak: bool) -> list[Effect]:
        item_id = f"voicebridge_note_{next(self._ids)}"
        item = {
            "id": item_id,
            "type": "message",
            "role": "system",
            "content": [{"type": "input_text", "text": text}],
        }
        if speak:
            self._scheduler.text_sent(item_id)
        return [Send(self._create_item(item))]

    def _handle_error(self, event: wire.ServiceError) -> list[Effect]:
        if event.code in FATAL_ERRORS:
            message = _FAILURES.get(event.code, "The voice service ended the call.")
            self._has_ended = True
            return [*self._show(State.ENDED), Ended(event.code, message)]
        if event.client_event_id == UPDATE_EVENT_ID and not self._is_ready:
            return [Rejected(event.message, event.param)]
        ours = self._scheduler.request_failed(event.client_event_id, event.code)
        if event.code in QUIET_ERRORS:
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
            message = _FAILURES.get(code, "The voice service could not answer.")
            effects.append(Notice("response_failed", message))
        return effects

    def _settle(self, now_s: float) -> list[Effect]:
        """What follows from the new situation: a request, another state."""
        effects: list[Effect] = []
        event_id = self._scheduler.next_request(now_s) if self._is_ready else None
        if event_id is not None:
            metadata = {METADATA_KEY: event_id}
            effects.append(
                Send(
                    {
                        "type": "response.create",
                        "event_id": event_id,
                        "response": {"metadata": metadata},
                    }
                )
            )
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

    def _session_update(self) -> Json:
        return {
            "type": "session.update",
            "event_id": UPDATE_EVENT_ID,
            "session": self._config.session(),
        }

    def _create_item(self, item: Json) -> Json:
        return {
            "type": "conversation.item.create",
            "event_id": f"voicebridge_item_{next(self._ids)}",
            "item": item,
        }


def encode(event: Json) -> str:
    """One client event as text."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))

"""The model session: what each event asks for."""

import json
from typing import Any

import pytest

from server.realtime import wire
from server.realtime.core import RealtimeCore
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
)
from server.realtime.transcripts import Transcript


class Session:
    """A core and a short way to write events."""

    def __init__(self) -> None:
        self.core = RealtimeCore()
        self.now_s = 0.0

    def get(self, kind: str, **fields: Any) -> list[Effect]:
        event = wire.decode(json.dumps({"type": kind, "event_id": "e", **fields}))
        return self.core.receive(event, self.now_s)

    def error(self, code: str, event_id: str | None = None) -> list[Effect]:
        return self.get("error", error={"code": code, "event_id": event_id})

    def speak_from(self, response_id: str = "r1") -> None:
        self.get("response.created", response={"id": response_id})
        self.get("output_audio_buffer.started", response_id=response_id)

    def call(self, *call_ids: str, status: str = "completed") -> list[Effect]:
        """A response that makes calls and ends."""
        self.get("response.created", response={"id": "r1"})
        effects: list[Effect] = []
        for call_id in call_ids:
            item = {
                "id": "i" + call_id,
                "type": "function_call",
                "status": status,
                "call_id": call_id,
                "name": "pause",
                "arguments": "{}",
            }
            effects += self.get(
                "response.output_item.done", response_id="r1", item=item
            )
        return effects + self.get("response.done", response={"id": "r1"})


@pytest.fixture
def live() -> Session:
    session = Session()
    session.core.begin(0.0)
    return session


def of_type(effects: list[Effect], kind: type) -> list[Any]:
    return [e for e in effects if isinstance(e, kind)]


def sent(effects: list[Effect]) -> list[str]:
    return [e.event["type"] for e in of_type(effects, Send)]


def test_states_follow_a_spoken_turn(live: Session) -> None:
    seen = []
    for kind, fields in [
        ("input_audio_buffer.speech_started", {"item_id": "u"}),
        ("input_audio_buffer.speech_stopped", {"item_id": "u"}),
        ("response.created", {"response": {"id": "r1"}}),
        ("output_audio_buffer.started", {"response_id": "r1"}),
        ("response.done", {"response": {"id": "r1", "status": "completed"}}),
        ("output_audio_buffer.stopped", {"response_id": "r1"}),
    ]:
        effects = live.get(kind, **fields)
        seen += [e.state.value for e in of_type(effects, StateChanged)]

    assert seen == ["hearing", "thinking", "speaking", "listening"]


def test_a_call_runs_once_however_often_it_is_announced(live: Session) -> None:
    effects = live.call("c1")
    item = {"type": "function_call", "call_id": "c1", "name": "pause"}
    effects += live.get("response.done", response={"id": "r1", "output": [item]})

    assert of_type(effects, CallTool) == [CallTool("c1", "pause", "{}")]
    assert live.core.state is State.TOOL


def test_a_call_known_only_from_the_end_of_the_response_runs(live: Session) -> None:
    live.get("response.created", response={"id": "r1"})
    item = {
        "type": "function_call",
        "status": "completed",
        "call_id": "c1",
        "name": "reset",
        "arguments": "{}",
    }
    effects = live.get("response.done", response={"id": "r1", "output": [item]})

    assert of_type(effects, CallTool) == [CallTool("c1", "reset", "{}")]


def test_a_call_cut_off_by_an_interruption_does_not_run(live: Session) -> None:
    """Its `done` events come all the same, with half the arguments."""
    assert of_type(live.call("c1", status="incomplete"), CallTool) == []


def test_an_output_is_sent_once_and_followed_by_one_request(live: Session) -> None:
    live.call("c1")

    effects = live.core.tool_finished("c1", '{"success":true}', 1.0)

    assert sent(effects) == ["conversation.item.create", "response.create"]
    item = effects[0].event["item"]  # type: ignore[union-attr]
    assert item == {
        "type": "function_call_output",
        "call_id": "c1",
        "output": '{"success":true}',
    }
    assert live.core.tool_finished("c1", "again", 1.0) == []


def test_parallel_calls_bring_two_outputs_and_one_request(live: Session) -> None:
    live.call("c1", "c2")

    first = live.core.tool_finished("c2", "b", 1.0)
    second = live.core.tool_finished("c1", "a", 1.0)

    assert sent(first) == ["conversation.item.create"]
    assert sent(second) == ["conversation.item.create", "response.create"]


def test_an_output_during_a_response_waits_for_its_end(live: Session) -> None:
    live.call("c1")
    live.get("response.created", response={"id": "r2"})

    during = live.core.tool_finished("c1", "a", 1.0)
    after = live.get("response.done", response={"id": "r2", "status": "completed"})

    assert sent(during) == ["conversation.item.create"]
    assert sent(after) == ["response.create"]


def test_a_collision_with_another_response_is_repaired_silently(live: Session) -> None:
    live.call("c1")
    effects = live.core.tool_finished("c1", "a", 1.0)
    request_id = effects[1].event["event_id"]  # type: ignore[union-attr]
    live.get("response.created", response={"id": "r2", "metadata": None})

    refused = live.error("conversation_already_has_active_response", request_id)
    after = live.get("response.done", response={"id": "r2", "status": "completed"})

    assert of_type(refused, Notice) == []
    assert sent(after) == ["response.create"]


@pytest.mark.parametrize("cancelled_first", [True, False])
def test_barge_in_flushes_once_in_either_order(
    live: Session, cancelled_first: bool
) -> None:
    """Where the cancelled response ends relative to the rest is not documented."""
    live.speak_from()
    done = {"id": "r1", "status": "cancelled"}
    effects = live.get("input_audio_buffer.speech_started", item_id="u2")
    if cancelled_first:
        effects += live.get("response.done", response=done)
    effects += live.get("output_audio_buffer.cleared", response_id="r1")
    effects += live.get("conversation.item.truncated", item_id="a1", audio_end_ms=900)
    if not cancelled_first:
        effects += live.get("response.done", response=done)

    assert of_type(effects, Flush) == [Flush("barge_in")]
    assert live.core.state is State.HEARING


def test_a_cleared_buffer_flushes_even_when_speech_was_not_announced(
    live: Session,
) -> None:
    live.speak_from()

    effects = live.get("output_audio_buffer.cleared", response_id="r1")

    assert of_type(effects, Flush) == [Flush("barge_in")]


def test_speech_while_nothing_plays_flushes_nothing(live: Session) -> None:
    effects = live.get("input_audio_buffer.speech_started", item_id="u1")

    assert of_type(effects, Flush) == []


def test_the_next_answer_can_be_interrupted_as_well(live: Session) -> None:
    for response_id in ("r1", "r2"):
        live.speak_from(response_id)
        effects = live.get("input_audio_buffer.speech_started", item_id="u")
        live.get("output_audio_buffer.cleared", response_id=response_id)
        live.get("response.done", response={"id": response_id, "status": "cancelled"})
        assert of_type(effects, Flush) == [Flush("barge_in")]


def test_the_stop_button_cancels_clears_and_flushes(live: Session) -> None:
    live.speak_from()

    effects = live.core.interrupt(1.0)
    effects += live.get("output_audio_buffer.cleared", response_id="r1")

    assert sent(effects) == ["response.cancel", "output_audio_buffer.clear"]
    assert of_type(effects, Flush) == [Flush("interrupt")]


def test_the_stop_button_with_nothing_to_stop_asks_for_no_cancel(live: Session) -> None:
    assert sent(live.core.interrupt(1.0)) == ["output_audio_buffer.clear"]
    assert live.error("response_cancel_not_active") == []


def test_transcripts_are_cumulative_and_end_with_the_final_text(live: Session) -> None:
    pieces = []
    for delta in ("It is ", "four "):
        pieces += live.get(
            "response.output_audio_transcript.delta", item_id="a1", delta=delta
        )
    pieces += live.get(
        "response.output_audio_transcript.done", item_id="a1", transcript="It is four."
    )

    assert of_type(pieces, Transcript) == [
        Transcript("assistant", "a1", "It is ", False),
        Transcript("assistant", "a1", "It is four ", False),
        Transcript("assistant", "a1", "It is four.", True),
    ]


def test_the_users_words_are_written_down_too(live: Session) -> None:
    prefix = "conversation.item.input_audio_transcription"
    pieces = live.get(f"{prefix}.delta", item_id="u1", content_index=0, delta="Hi")
    pieces += live.get(f"{prefix}.completed", item_id="u1", transcript="Hi there.\n")

    assert of_type(pieces, Transcript) == [
        Transcript("user", "u1", "Hi", False),
        Transcript("user", "u1", "Hi there.", True),
    ]


def test_typed_text_becomes_an_item_and_a_request(live: Session) -> None:
    effects = live.core.say_text("Hello", 0.0)

    assert sent(effects) == ["conversation.item.create", "response.create"]
    assert of_type(effects, Transcript)[0].text == "Hello"
    item = of_type(effects, Send)[0].event["item"]
    assert item["content"] == [{"type": "input_text", "text": "Hello"}]


def test_a_failed_response_is_told_in_words(live: Session) -> None:
    live.get("response.created", response={"id": "r1"})
    response = {
        "id": "r1",
        "status": "failed",
        "status_details": {"type": "failed", "error": {"code": "rate_limit_exceeded"}},
    }

    (notice,) = of_type(live.get("response.done", response=response), Notice)

    assert notice.code == "response_failed"
    assert "busy" in notice.message


def test_expiry_asks_for_another_session_and_ends_nothing(live: Session) -> None:
    assert live.error("session_expired") == [SessionLost("session_expired")]
    assert live.core.state is State.LISTENING


def test_a_quota_that_is_used_up_ends_it_and_nothing_follows(live: Session) -> None:
    effects = live.error("insufficient_quota")

    assert of_type(effects, Ended)[0].code == "insufficient_quota"
    assert "quota" in of_type(effects, Ended)[0].message
    assert live.core.state is State.ENDED
    assert live.get("response.created", response={"id": "r9"}) == []
    assert live.core.tool_finished("c1", "x", 0) == []
    assert live.core.say_text("x", 0) == []


def test_other_errors_are_told_without_the_services_own_words(live: Session) -> None:
    error = {"code": "server_error", "message": "key sk-123 broke", "type": "x"}

    (notice,) = of_type(live.get("error", error=error), Notice)

    assert "sk-123" not in notice.message


def test_unknown_events_and_garbage_change_nothing(live: Session) -> None:
    for text in (
        "",
        "[]",
        "not json",
        '{"type": 5}',
        '{"type":"new.event"}',
        "[" * 9999,
    ):
        assert live.core.receive(wire.decode(text), 0.0) == []

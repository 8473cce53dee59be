"""One conversation over several sessions: what is kept, what is asked again."""

import json
from typing import Any

from server.realtime import wire
from server.realtime.core import BROKEN_OFF, RealtimeCore
from server.realtime.effects import Effect, Send, State, StateChanged, Used
from server.realtime.transcripts import Transcript


class Conversation:
    """A core whose first session is up, and a short way to write events."""

    def __init__(self) -> None:
        self.core = RealtimeCore()
        self.core.begin(0.0)
        self.now_s = 0.0

    def get(self, kind: str, **fields: Any) -> list[Effect]:
        event = wire.decode(json.dumps({"type": kind, **fields}))
        return self.core.receive(event, self.now_s)

    def answer(self, text: str, *, is_done: bool = True) -> None:
        """r1 says something; it is being played."""
        self.get("response.created", response={"id": "r1"})
        self.get("output_audio_buffer.started", response_id="r1")
        self.get(
            "response.output_audio_transcript.delta",
            response_id="r1",
            item_id="a1",
            delta=text,
        )
        if is_done:
            self.get("response.done", response={"id": "r1", "status": "completed"})

    def user_says(self, text: str | None) -> None:
        self.get("input_audio_buffer.speech_started", item_id="u1")
        self.get("input_audio_buffer.speech_stopped", item_id="u1")
        item = {"id": "u1", "type": "message", "role": "user"}
        self.get("conversation.item.added", item=item)
        if text is not None:
            self.get(
                "conversation.item.input_audio_transcription.completed",
                item_id="u1",
                transcript=text,
            )


def sent(effects: list[Effect]) -> list[dict[str, Any]]:
    return [e.event for e in effects if isinstance(e, Send)]


def told(effects: list[Effect]) -> list[str]:
    """Texts of the items, and `?` where an answer is asked for."""
    return [
        "?" if e["type"] == "response.create" else e["item"]["content"][0]["text"]
        for e in sent(effects)
    ]


def test_without_a_session_nothing_is_sent_and_nothing_forgotten() -> None:
    talk = Conversation()
    effects = talk.core.lost(0)
    assert StateChanged(State.CONNECTING) in effects

    assert sent(talk.core.say_text("Hello?", 1.0)) == []
    assert sent(talk.core.narrate("k", "A run ended.", False, 1.0)) == []
    assert told(talk.core.begin(2.0)) == ["Hello?", "A run ended.", "?"]


def test_an_answer_nobody_heard_is_asked_for_again() -> None:
    talk = Conversation()
    talk.user_says("What is it?")
    talk.get("response.created", response={"id": "r1"})
    talk.core.lost(0)

    assert told(talk.core.begin(5.0)) == ["What is it?", "?"]


def test_an_answer_cut_in_the_middle_goes_on_from_there() -> None:
    talk = Conversation()
    talk.answer("Once upon a time there was a king who had three sons.")
    effects = talk.core.lost(1_000)

    written = [e for e in effects if isinstance(e, Transcript)]
    assert [(t.final, t.text[-5:]) for t in written] == [(True, "sons.")]
    assert told(talk.core.begin(5.0)) == ["Once upon a …", BROKEN_OFF, "?"]


def test_an_answer_that_was_heard_asks_for_nothing() -> None:
    talk = Conversation()
    talk.answer("Yes, it is.")
    talk.core.lost(800)

    assert told(talk.core.begin(5.0)) == ["Yes, it is."]


def test_a_question_that_was_written_down_is_answered_by_the_next_session() -> None:
    talk = Conversation()
    talk.user_says("What is it?")
    talk.core.lost(0)

    assert told(talk.core.begin(5.0)) == ["What is it?", "?"]


def test_a_question_that_is_sent_again_as_sound_is_not_asked_twice() -> None:
    talk = Conversation()
    talk.user_says(None)
    talk.core.lost(0)

    assert told(talk.core.begin(5.0, user_audio_follows=True)) == []


def test_a_result_that_comes_in_the_gap_is_told_once_with_its_call() -> None:
    talk = Conversation()
    call = {
        "type": "function_call",
        "call_id": "c1",
        "name": "pause",
        "arguments": "{}",
        "status": "completed",
    }
    talk.get("response.created", response={"id": "r1"})
    talk.get("response.output_item.done", response_id="r1", item=call)
    talk.get("response.done", response={"id": "r1", "status": "completed"})
    talk.core.lost(0)
    assert sent(talk.core.tool_finished("c1", "ok", 1.0)) == []
    assert sent(talk.core.tool_finished("c1", "ok", 1.0)) == []

    events = sent(talk.core.begin(2.0))

    assert [e.get("item", e)["type"] for e in events] == [
        "function_call",
        "function_call_output",
        "response.create",
    ]


def test_ids_of_ours_are_not_used_twice_over_two_sessions() -> None:
    talk = Conversation()
    talk.core.say_text("one", 0.0)
    talk.core.lost(0)
    talk.core.begin(1.0)
    effects = talk.core.say_text("two", 2.0)

    replayed = sent(talk.core.change_over(0, 3.0, user_audio_follows=False))
    ids = [e["item"]["id"] for e in replayed if "item" in e]
    assert len(ids) == len(set(ids)) == 2
    assert sent(effects)[0]["item"]["id"] == ids[1]


def test_a_calm_hand_over_shows_the_user_nothing_and_asks_for_nothing() -> None:
    talk = Conversation()
    talk.user_says("What is it?")
    talk.answer("Yes.")
    talk.get("output_audio_buffer.stopped", response_id="r1")
    assert talk.core.is_between_turns

    effects = talk.core.change_over(0, 9.0, user_audio_follows=False)

    assert told(effects) == ["What is it?", "Yes."]
    assert not [e for e in effects if isinstance(e, StateChanged)]


def test_usage_is_reported_once_per_response() -> None:
    talk = Conversation()
    usage = {"input_token_details": {"text_tokens": 5}, "output_token_details": {}}
    talk.get("response.created", response={"id": "r1"})
    effects = talk.get("response.done", response={"id": "r1", "usage": usage})

    assert [e for e in effects if isinstance(e, Used)] == [
        Used("r1", wire.Usage(text_in=5))
    ]


def test_push_to_talk_clears_commits_and_asks() -> None:
    talk = Conversation()
    kinds = [e["type"] for e in sent(talk.core.talk(True, 0.0))]
    kinds += [e["type"] for e in sent(talk.core.talk(False, 1.0))]
    item = {"id": "u1", "type": "message", "role": "user"}
    kinds += [e["type"] for e in sent(talk.get("conversation.item.added", item=item))]

    assert kinds == [
        "input_audio_buffer.clear",
        "input_audio_buffer.commit",
        "response.create",
    ]


def test_a_push_too_short_to_say_anything_asks_for_nothing() -> None:
    talk = Conversation()
    talk.core.talk(True, 0.0)
    talk.core.talk(False, 0.05)
    effects = talk.get("error", error={"code": "input_audio_buffer_commit_empty"})

    assert effects == [StateChanged(State.LISTENING)]

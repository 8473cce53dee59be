"""What another model session is told of a conversation."""

import json
from typing import Any

import pytest

from server.realtime import wire
from server.realtime.history import History, ReplayLimits

LIMITS = ReplayLimits()


def note(history: History, kind: str, **fields: Any) -> None:
    history.note(wire.decode(json.dumps({"type": kind, **fields})))


def user_says(history: History, item_id: str, text: str | None) -> None:
    item = {"id": item_id, "type": "message", "role": "user", "content": []}
    note(history, "conversation.item.added", item=item)
    if text is not None:
        note(
            history,
            "conversation.item.input_audio_transcription.completed",
            item_id=item_id,
            transcript=text,
        )


def assistant_says(history: History, item_id: str, text: str, response: str) -> None:
    item = {"id": item_id, "type": "message", "role": "assistant", "content": []}
    note(history, "conversation.item.added", item=item)
    note(
        history,
        "response.output_audio_transcript.done",
        item_id=item_id,
        response_id=response,
        transcript=text,
    )


def a_call(history: History, call_id: str) -> None:
    history.call(wire.Item(call_id=call_id, name="pause", arguments="{}"), "r")


def texts(history: History, limits: ReplayLimits = LIMITS) -> list[str]:
    return [
        i["content"][0]["text"]
        for i in history.replay(limits)
        if i["type"] == "message"
    ]


def test_items_are_told_in_order_with_the_roles_and_types_the_service_takes() -> None:
    history = History()
    user_says(history, "u1", "What is it?")
    assistant_says(history, "a1", "It is a bridge.", "r1")
    history.text("n1", "system", "The run ended.")

    assert history.replay(LIMITS) == [
        {
            "id": "u1",
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "What is it?"}],
        },
        {
            "id": "a1",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "It is a bridge."}],
        },
        {
            "id": "n1",
            "type": "message",
            "role": "system",
            "content": [{"type": "input_text", "text": "The run ended."}],
        },
    ]


def test_the_order_is_that_of_the_items_however_late_the_words_come() -> None:
    history = History()
    user_says(history, "u1", None)
    assistant_says(history, "a1", "Yes.", "r1")
    assert history.awaits_words
    note(
        history,
        "conversation.item.input_audio_transcription.completed",
        item_id="u1",
        transcript="Really?",
    )

    assert texts(history) == ["Really?", "Yes."]
    assert not history.awaits_words


def test_the_newest_are_told_and_nothing_with_holes() -> None:
    history = History()
    for n in range(300):
        user_says(history, f"u{n}", f"number {n}")

    assert texts(history, ReplayLimits(3, 1_000)) == [
        "number 297",
        "number 298",
        "number 299",
    ]
    assert texts(history, ReplayLimits(100, 25)) == ["number 298", "number 299"]


def test_a_call_goes_with_its_output_and_not_alone() -> None:
    history = History()
    a_call(history, "c1")
    a_call(history, "c2")
    history.output("c1", "done")
    history.output("stranger", "?")

    assert [(i["type"], i["call_id"]) for i in history.replay(LIMITS)] == [
        ("function_call", "c1"),
        ("function_call_output", "c1"),
    ]


def test_a_running_call_is_told_however_old_it_is() -> None:
    history = History()
    a_call(history, "c1")
    for n in range(50):
        user_says(history, f"u{n}", "more")

    told = history.replay(ReplayLimits(2, 1_000), running={"c1"})

    assert [i["type"] for i in told] == ["function_call", "message", "message"]


@pytest.mark.parametrize("heard_ms", [None, 0.0, 200.0])
def test_an_answer_nobody_heard_is_forgotten_and_owed(heard_ms: float | None) -> None:
    history = History()
    assistant_says(history, "a1", "I am the king of a land far far away.", "r1")

    assert history.break_off("r1", heard_ms) is True
    assert texts(history) == []


def test_an_answer_heard_in_part_ends_between_two_words() -> None:
    history = History()
    assistant_says(history, "a1", "Once upon a time there was a king.", "r1")

    assert history.break_off("r1", 1_000) is True
    assert texts(history) == ["Once upon a …"]


def test_an_answer_heard_to_its_end_is_not_owed() -> None:
    history = History()
    assistant_says(history, "a1", "Once upon a time.", "r1")

    assert history.break_off("r1", 1_500) is False
    assert texts(history) == ["Once upon a time."]


def test_a_truncated_answer_is_told_as_far_as_it_was_heard() -> None:
    history = History()
    assistant_says(history, "a1", "Once upon a time there was a king.", "r1")
    note(history, "conversation.item.truncated", item_id="a1", audio_end_ms=1_000)

    assert texts(history) == ["Once upon a …"]


def test_it_is_bounded() -> None:
    history = History()
    for n in range(2_000):
        user_says(history, f"u{n}", "x" * 20_000)

    assert len(history.replay(ReplayLimits(10_000, 10**9))) <= 400

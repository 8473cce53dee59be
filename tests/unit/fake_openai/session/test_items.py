"""Items of the conversation: created, retrieved, truncated, deleted."""

import base64
from typing import Any

import pytest

from tests.support.realtime_stage import ITEM, TEXT, Stage, acknowledged, refusal

CALL = {
    "type": "function_call",
    "name": "look",
    "arguments": "{}",
    "call_id": "call_1",
}


def test_items_are_added_and_done_in_the_place_asked_for() -> None:
    stage = Stage()
    stage.type_text("second", id="b")
    root = {**ITEM, "id": "a", "content": [TEXT]}
    stage.send("conversation.item.create", item=root, previous_item_id="root")
    after = {**ITEM, "id": "ab", "content": [TEXT]}
    stage.send("conversation.item.create", item=after, previous_item_id="a")

    added = stage.of("conversation.item.added")
    assert [(e["item"]["id"], e["previous_item_id"]) for e in added] == [
        ("b", None),
        ("a", None),
        ("ab", "a"),
    ]
    assert [e["item"] for e in stage.of("conversation.item.done")] == [
        e["item"] for e in added
    ]
    assert {e["item"]["status"] for e in added} == {"completed"}


def test_an_id_is_taken_once() -> None:
    stage = Stage()
    stage.type_text("one", id="a")

    error = refusal(
        stage, "conversation.item.create", item={**ITEM, "id": "a", "content": [TEXT]}
    )

    assert error["code"] == "item_create_duplicate_item_id"


@pytest.mark.parametrize(
    "item",
    [
        {**ITEM, "content": [TEXT]},
        {**ITEM, "content": []},
        {
            **ITEM,
            "content": [{"type": "input_image", "image_url": "data:image/png;base64,"}],
        },
        {**ITEM, "role": "system", "content": [TEXT]},
        {
            **ITEM,
            "role": "assistant",
            "content": [{"type": "output_text", "text": "hello"}],
        },
        CALL,
    ],
)
def test_every_kind_of_item_can_be_created_and_retrieved(item: dict[str, Any]) -> None:
    stage = Stage()

    stage.send("conversation.item.create", item={**item, "id": "mine"})
    stage.send("conversation.item.retrieve", item_id="mine")

    retrieved = stage.last("conversation.item.retrieved")["item"]
    assert retrieved == stage.last("conversation.item.done")["item"]
    assert retrieved | item == retrieved


def test_audio_in_an_item_is_heard_and_comes_back_when_retrieved() -> None:
    stage = Stage('rules: [{on: {utterance: hello}, say: "I hear you"}]')
    stage.ears.will_hear("Hello there", "hello")
    pcm = bytes(range(256)) * 100
    audio = base64.b64encode(pcm).decode()
    part = {"type": "input_audio", "audio": audio}

    stage.send("conversation.item.create", item={**ITEM, "id": "a", "content": [part]})
    stage.send("conversation.item.retrieve", item_id="a")
    stage.send("response.create")
    stage.wait(2)

    assert stage.of("conversation.item.done")[0]["item"]["content"] == [
        {"type": "input_audio", "transcript": None}
    ]
    retrieved = stage.last("conversation.item.retrieved")["item"]["content"][0]
    assert base64.b64decode(retrieved["audio"]) == pcm
    assert stage.session.turns[0].rule == "rules[0]"


def test_a_deleted_item_is_gone() -> None:
    stage = Stage()
    stage.type_text("hi", id="a")

    assert acknowledged(stage, "conversation.item.delete", item_id="a") == [
        "conversation.item.deleted"
    ]
    error = refusal(stage, "conversation.item.retrieve", item_id="a")
    assert error["code"] == "item_retrieve_invalid_item_id"


def test_what_is_heard_and_said_can_be_retrieved_with_its_audio() -> None:
    stage = Stage('rules: [{on: any, say: "one two"}]')
    stage.silence(500)
    stage.ask("Hello", "hello")
    stage.silence(1_000)
    user = stage.last("input_audio_buffer.committed")["item_id"]
    answer = stage.last("response.output_item.done")["item"]["id"]

    lengths = {}
    for item_id in (user, answer):
        stage.send("conversation.item.retrieve", item_id=item_id)
        part = stage.last("conversation.item.retrieved")["item"]["content"][0]
        lengths[part["type"]] = len(base64.b64decode(part["audio"])) // 48

    assert lengths == {"input_audio": 1_100, "output_audio": 400}


def truncated_at(stage: Stage, item_id: str, ms: int) -> None:
    stage.send(
        "conversation.item.truncate",
        item_id=item_id,
        content_index=0,
        audio_end_ms=ms,
    )


def test_truncation_cuts_the_audio_and_takes_the_words_away() -> None:
    stage = Stage('rules: [{on: any, say: "one two three"}]', transport="websocket")
    stage.send("response.create")
    stage.wait(1)
    item_id = stage.last("response.output_item.done")["item"]["id"]

    truncated_at(stage, item_id, 250)
    stage.send("conversation.item.retrieve", item_id=item_id)

    cut = stage.last("conversation.item.truncated")
    assert (cut["item_id"], cut["content_index"], cut["audio_end_ms"]) == (
        item_id,
        0,
        250,
    )
    part = stage.last("conversation.item.retrieved")["item"]["content"][0]
    assert len(base64.b64decode(part["audio"])) == 250 * 48
    assert "transcript" not in part


def test_truncation_beyond_the_audio_is_refused_with_both_lengths() -> None:
    stage = Stage('rules: [{on: any, say: "one two three"}]', transport="websocket")
    stage.send("response.create")
    stage.wait(1)
    item_id = stage.last("response.output_item.done")["item"]["id"]

    truncated_at(stage, item_id, 601)

    assert stage.error["code"] == "invalid_value"
    assert stage.error["message"] == (
        "Audio content of 600ms is already shorter than 601ms"
    )


def test_only_the_models_audio_can_be_truncated() -> None:
    stage = Stage()
    stage.type_text("hi", id="a")

    truncated_at(stage, "a", 0)

    assert stage.error["code"] is None
    assert stage.error["message"] == (
        "Only model output audio messages can be truncated"
    )

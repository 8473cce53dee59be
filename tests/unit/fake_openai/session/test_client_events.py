"""All client events: what acknowledges them, and the words that refuse them."""

import base64
import json
from typing import Any

import pytest

from fake_openai.wire.client import Transport
from tests.support.realtime_stage import Stage

ITEM = {"type": "message", "role": "user"}
TEXT = {"type": "input_text", "text": "hi"}
CALL = {
    "type": "function_call",
    "name": "look",
    "arguments": "{}",
    "call_id": "call_1",
}


def refusal(stage: Stage, kind: str, **fields: Any) -> dict[str, Any]:
    """The error this event causes; nothing else may come of it."""
    stage.forget()
    stage.send(kind, event_id="mine", **fields)
    assert stage.types == ["error"]
    assert stage.error["event_id"] == "mine"
    assert stage.error["type"] == "invalid_request_error"
    assert stage.closed is None
    return stage.error


def acknowledged(stage: Stage, kind: str, **fields: Any) -> list[str]:
    stage.forget()
    stage.send(kind, **fields)
    return stage.types


@pytest.mark.parametrize(
    ("kind", "fields", "code", "param", "message"),
    [
        (
            "session.update",
            {"session": {}},
            "missing_required_parameter",
            "session.type",
            "Missing required parameter: 'session.type'.",
        ),
        (
            "session.update",
            {},
            "missing_required_parameter",
            "session",
            "Missing required parameter: 'session'.",
        ),
        (
            "session.update",
            {"session": {"type": "realtime", "voice": "alloy"}},
            "unknown_parameter",
            "session.voice",
            "Unknown parameter: 'session.voice'.",
        ),
        (
            "session.update",
            {"session": {"type": "realtime", "audio": {"input": {"format": "pcm16"}}}},
            "invalid_type",
            "session.audio.input.format",
            "Invalid type for 'session.audio.input.format': expected an object, but "
            "got a string instead.",
        ),
        (
            "session.update",
            {
                "session": {
                    "type": "realtime",
                    "audio": {
                        "input": {
                            "turn_detection": {"type": "server_vad", "threshold": 2}
                        }
                    },
                }
            },
            "decimal_above_max_value",
            "session.audio.input.turn_detection.threshold",
            "Invalid 'session.audio.input.turn_detection.threshold': decimal above "
            "maximum value. Expected a value <= 1, but got 2 instead.",
        ),
        (
            "session.update",
            {
                "session": {
                    "type": "realtime",
                    "audio": {
                        "input": {
                            "turn_detection": {
                                "type": "server_vad",
                                "idle_timeout_ms": 4_999,
                            }
                        }
                    },
                }
            },
            "integer_below_min_value",
            "session.audio.input.turn_detection.idle_timeout_ms",
            None,
        ),
        (
            "session.update",
            {"session": {"type": "realtime", "output_modalities": ["text", "audio"]}},
            "invalid_value",
            "session.output_modalities",
            "Invalid modalities: ['text', 'audio']. Supported combinations are: "
            "['text'] and ['audio'].",
        ),
        (
            "session.update",
            {"session": {"type": "realtime", "max_output_tokens": 5_000}},
            "integer_above_max_value",
            "session.max_output_tokens",
            None,
        ),
        (
            "session.update",
            {"session": {"type": "realtime", "audio": {"output": {"voice": "bob"}}}},
            "invalid_value",
            "session.audio.output.voice",
            "Invalid value: 'bob'. Supported values are: 'alloy', 'ash', 'ballad', "
            "'coral', 'echo', 'sage', 'shimmer', 'verse', 'marin', and 'cedar'.",
        ),
        (
            "session.update",
            {"session": {"type": "realtime", "audio": {"output": {"speed": 1.6}}}},
            "decimal_above_max_value",
            "session.audio.output.speed",
            None,
        ),
        (
            "session.update",
            {"session": {"type": "realtime", "tools": [{"type": "function"}]}},
            "missing_required_parameter",
            "session.tools[0].name",
            None,
        ),
        (
            "session.update",
            {"session": {"type": "realtime", "tools": [{"name": "x"}]}},
            "missing_required_parameter",
            "session.tools[0].type",
            None,
        ),
        (
            "session.update",
            {"session": {"type": "realtime", "tool_choice": "maybe"}},
            "invalid_value",
            "session.tool_choice",
            None,
        ),
        (
            "session.update",
            {"session": {"type": "transcription"}},
            "invalid_value",
            "session.type",
            "Passing a transcription session update event to a realtime session is "
            "not allowed.",
        ),
        (
            "input_audio_buffer.append",
            {"audio": 7},
            "invalid_type",
            "audio",
            "Invalid type for 'audio': expected a string, but got an integer instead.",
        ),
        (
            "input_audio_buffer.append",
            {"audio": "***"},
            "invalid_value",
            "audio",
            None,
        ),
        (
            "input_audio_buffer.append",
            {},
            "missing_required_parameter",
            "audio",
            None,
        ),
        (
            "input_audio_buffer.commit",
            {},
            "input_audio_buffer_commit_empty",
            None,
            "Error committing input audio buffer: buffer too small. Expected at least "
            "100ms of audio, but buffer only has 0.00ms of audio.",
        ),
        (
            "input_audio_buffer.clear",
            {"more": 1},
            "unknown_parameter",
            "more",
            None,
        ),
        (
            "conversation.item.create",
            {"item": {"role": "user"}},
            "missing_required_parameter",
            "item.type",
            None,
        ),
        (
            "conversation.item.create",
            {"item": {**ITEM, "content": [{"type": "text", "text": "hi"}]}},
            "invalid_value",
            "item.content[0].type",
            None,
        ),
        (
            "conversation.item.create",
            {"item": {**ITEM, "role": "assistant", "content": [{"type": "audio"}]}},
            "invalid_value",
            "item.content[0].type",
            None,
        ),
        (
            "conversation.item.create",
            {"item": {**ITEM, "content": [TEXT]}, "previous_item_id": "nobody"},
            "invalid_value",
            "previous_item_id",
            None,
        ),
        (
            "conversation.item.create",
            {"item": {"type": "function_call_output", "call_id": "x", "output": {}}},
            "invalid_type",
            "item.output",
            None,
        ),
        (
            "conversation.item.create",
            {"item": {"type": "function_call_output", "call_id": "x", "output": ""}},
            "invalid_tool_call_id",
            "item.call_id",
            "Tool call ID 'x' not found in conversation.",
        ),
        (
            "conversation.item.retrieve",
            {"item_id": "nobody"},
            "item_retrieve_invalid_item_id",
            "item_id",
            None,
        ),
        (
            "conversation.item.delete",
            {"item_id": "nobody"},
            "item_delete_invalid_item_id",
            "item_id",
            None,
        ),
        (
            "conversation.item.truncate",
            {"item_id": "nobody", "content_index": 0, "audio_end_ms": 0},
            "item_truncate_invalid_item_id",
            "item_id",
            None,
        ),
        (
            "conversation.item.truncate",
            {"item_id": "nobody", "content_index": 0, "audio_end_ms": 1.5},
            "invalid_type",
            "audio_end_ms",
            None,
        ),
        (
            "response.create",
            {"response": {"metadata": {"k": "v" * 513}}},
            "string_above_max_length",
            "response.metadata.k",
            None,
        ),
        (
            "response.create",
            {"response": {"input": [{"type": "item_reference", "id": "nobody"}]}},
            "invalid_value",
            "response.input[0].id",
            None,
        ),
        (
            "response.create",
            {"response": {"voice": "alloy"}},
            "unknown_parameter",
            "response.voice",
            None,
        ),
        (
            "response.cancel",
            {},
            "response_cancel_not_active",
            None,
            "Cancellation failed: no active response found",
        ),
    ],
)
@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_a_wrong_event_is_refused_in_the_services_words(
    transport: Transport,
    kind: str,
    fields: dict[str, Any],
    code: str,
    param: str | None,
    message: str | None,
) -> None:
    error = refusal(Stage(transport=transport), kind, **fields)

    assert (error["code"], error["param"]) == (code, param)
    if message is not None:
        assert error["message"] == message


def test_an_unknown_event_type_lists_the_known_ones() -> None:
    error = refusal(Stage(transport="websocket"), "output_audio_buffer.clear")

    assert error["code"] == "invalid_value"
    assert error["param"] == "type"
    assert error["message"] == (
        "Invalid value: 'output_audio_buffer.clear'. Supported values are: "
        "'session.update', 'session.close', 'input_audio_buffer.append', "
        "'session.input_audio_buffer.append', 'input_audio_buffer.commit', "
        "'input_audio_buffer.clear', 'conversation.item.create', "
        "'conversation.item.truncate', 'conversation.item.delete', "
        "'conversation.item.retrieve', 'response.create', and 'response.cancel'."
    )


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        ("{nope", "invalid_json", "Invalid event: failed to parse JSON value."),
        ("[" * 5_000, "invalid_json", "Invalid event: failed to parse JSON value."),
        ('{"a":' * 80 + "1" + "}" * 80, "invalid_json", None),
        ("[]", "invalid_event", None),
        ("{}", "missing_required_parameter", "Missing required parameter: 'type'."),
        ('{"type": 3}', "invalid_type", None),
        (
            b"\x00\x01",
            "invalid_event",
            "Expected a text WebSocket message; binary frames are not supported.",
        ),
    ],
)
def test_what_is_not_an_event_is_refused_without_an_event_id(
    message: str | bytes, code: str, text: str | None
) -> None:
    stage = Stage(transport="websocket")

    stage.send_text(message)

    assert stage.error["code"] == code
    assert stage.error["event_id"] is None
    assert text is None or stage.error["message"] == text


def test_an_event_id_longer_than_512_characters_is_refused() -> None:
    stage = Stage()

    stage.send("response.create", event_id="x" * 513)

    assert stage.error["code"] == "string_above_max_length"
    assert stage.error["param"] == "event_id"


def test_an_error_goes_to_the_connection_that_asked() -> None:
    stage = Stage()

    stage.send_text('{"type": "response.cancel"}', source="sideband-1")

    assert stage.sent[-1].to == "sideband-1"


def test_a_sideband_is_greeted_on_its_own() -> None:
    stage = Stage()
    stage.forget()

    stage.session.attach("sideband-1", 1.0)
    stage.wait(0.02)

    assert [(s.body["type"], s.to) for s in stage.sent] == [
        ("session.created", "sideband-1")
    ]


def test_events_before_the_session_are_handled_after_it() -> None:
    stage = Stage(start=False)
    stage.update(instructions="Be brief.")
    assert stage.types == []

    stage.session.start(5.0)
    stage.wait(0.02)

    assert stage.types == ["session.created", "session.updated"]
    assert stage.last("session.updated")["session"]["instructions"] == "Be brief."


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


def test_a_second_response_is_refused_while_one_is_active() -> None:
    stage = Stage()
    stage.send("response.create")
    active = stage.last("response.created")["response"]["id"]

    error = refusal(stage, "response.create")

    assert error["code"] == "conversation_already_has_active_response"
    assert error["message"] == (
        "Conversation already has an active response in progress: "
        f"{active}. Wait until the response is finished before creating a new one."
    )


def test_clear_empties_the_input_buffer() -> None:
    stage = Stage()
    stage.turn_detection()
    stage.speak(500)

    assert acknowledged(stage, "input_audio_buffer.clear") == [
        "input_audio_buffer.cleared"
    ]
    error = refusal(stage, "input_audio_buffer.commit")
    assert error["code"] == "input_audio_buffer_commit_empty"


def test_clearing_an_output_buffer_that_never_played_is_quiet() -> None:
    assert acknowledged(Stage(), "output_audio_buffer.clear") == []


def test_clearing_an_output_buffer_that_has_run_empty_is_answered() -> None:
    stage = Stage('rules: [{on: any, say: "hi"}]')
    stage.send("response.create")
    stage.wait(2)

    assert acknowledged(stage, "output_audio_buffer.clear") == [
        "output_audio_buffer.cleared"
    ]


def test_half_a_surrogate_pair_does_not_break_the_wire() -> None:
    stage = Stage()

    stage.send_text(json.dumps({"type": "\ud800"}))

    assert stage.raw[-1].encode()

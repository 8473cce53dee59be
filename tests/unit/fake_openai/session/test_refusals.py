"""Client events that are wrong: the words that refuse them."""

from typing import Any

import pytest

from fake_openai.wire.client import Transport
from tests.support.realtime_stage import ITEM, TEXT, Stage, refusal


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

"""Responses: functions, text, out of band, and the form of what they say."""

import json
from typing import Any

import pytest

from fake_openai.session.options import SessionOptions
from fake_openai.wire.audio import decode_base64
from tests.support.realtime_stage import Stage, without_repeats

LOOK = {
    "type": "function",
    "name": "look",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
FUNCTIONS = """
rules:
  - on: {tool_result: look}
    say: "it is {{ result.sky }} there"
  - on: {text: weather in (\\w+)}
    call: {name: look, arguments: {city: "{{ match.1 }}"}}
  - on: {text: both}
    say: one moment
    call: [{name: look, arguments: {city: Oslo}}, {name: look, arguments: {city: Bern}}]
  - on: any
    say: no tool for that
"""


def asked(text: str, script: str = FUNCTIONS, **response: Any) -> Stage:
    stage = Stage(script)
    stage.update(tools=[LOOK, {**LOOK, "name": "list"}])
    stage.type_text(text)
    stage.forget()
    stage.send("response.create", response=response)
    stage.wait(3)
    return stage


def test_a_function_call_is_named_before_its_arguments_and_completed_after() -> None:
    stage = asked("weather in Oslo")

    assert without_repeats(stage.types) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    added = stage.last("conversation.item.added")["item"]
    done = stage.last("response.function_call_arguments.done")
    assert (added["status"], added["name"], added["arguments"]) == (
        "in_progress",
        "look",
        "",
    )
    assert added["call_id"] == done["call_id"]
    assert done["name"] == "look"
    deltas = stage.of("response.function_call_arguments.delta")
    assert "".join(delta["delta"] for delta in deltas) == done["arguments"]
    assert json.loads(done["arguments"]) == {"city": "Oslo"}
    (item,) = stage.last("response.done")["response"]["output"]
    assert (item["status"], item["arguments"]) == ("completed", done["arguments"])


def test_the_result_comes_back_in_the_models_words() -> None:
    stage = asked("weather in Oslo")
    call_id = stage.last("response.function_call_arguments.done")["call_id"]

    stage.give_output(call_id, {"sky": "clear"})
    assert "response.created" not in stage.types[-2:]
    stage.send("response.create")
    stage.wait(2)

    said = stage.last("response.output_audio_transcript.done")["transcript"]
    assert said == "it is clear there"


def test_functions_are_called_in_parallel_after_what_is_said() -> None:
    stage = asked("both")

    output = stage.last("response.done")["response"]["output"]
    assert [item["type"] for item in output] == [
        "message",
        "function_call",
        "function_call",
    ]
    done = stage.of("response.output_item.done")
    assert [event["output_index"] for event in done] == [0, 1, 2]
    assert len({item["call_id"] for item in output[1:]}) == 2
    assert stage.session.turns[-1].function_calls == 2


def test_a_model_never_calls_what_it_was_not_offered() -> None:
    for choice in ({"tools": []}, {"tool_choice": "none"}):
        stage = asked("weather in Oslo", **choice)
        assert "response.function_call_arguments.done" not in stage.types


def test_tool_choice_may_demand_a_call() -> None:
    required = asked("hello", tool_choice="required")
    named = asked("hello", tool_choice={"type": "function", "name": "list"})

    name = "response.function_call_arguments.done"
    assert required.last(name)["name"] == "look"
    assert named.last(name)["name"] == "list"


def test_text_out_has_text_parts_and_no_audio() -> None:
    stage = asked("hello", output_modalities=["text"])

    assert "output_audio_buffer.started" not in stage.types
    assert without_repeats(stage.types)[3:7] == [
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
    ]
    part = stage.last("response.content_part.done")["part"]
    assert part == {"type": "text", "text": "no tool for that"}
    item = stage.last("response.output_item.done")["item"]
    assert item["content"] == [{"type": "output_text", "text": "no tool for that"}]
    assert stage.last("response.done")["response"]["output_modalities"] == ["text"]


def test_text_deltas_carry_padding_unless_it_is_switched_off() -> None:
    padded = asked("hello", output_modalities=["text"])
    plain = Stage(FUNCTIONS, options=SessionOptions(obfuscation=False))
    plain.send("response.create", response={"output_modalities": ["text"]})
    plain.wait(1)

    name = "response.output_text.delta"
    assert all(delta["obfuscation"] for delta in padded.of(name))
    assert not any("obfuscation" in delta for delta in plain.of(name))


def test_metadata_comes_back_in_created_and_done() -> None:
    stage = asked("hello", metadata={"client_event_id": "7"})

    for name in ("response.created", "response.done"):
        assert stage.last(name)["response"]["metadata"] == {"client_event_id": "7"}


def test_an_out_of_band_response_leaves_no_trace_in_the_conversation() -> None:
    stage = asked("hello", conversation="none", input=[])

    assert not [t for t in stage.types if t.startswith("conversation.item")]
    assert stage.last("response.done")["response"]["conversation_id"] is None
    stage.forget()
    stage.send("response.create")
    stage.wait(1)
    usage = stage.last("response.done")["response"]["usage"]
    assert usage["input_token_details"]["audio_tokens"] == 0


def test_out_of_band_responses_run_beside_the_conversations() -> None:
    stage = Stage('rules: [{on: any, say: "a b c d"}]')
    stage.send("response.create")
    for n in range(2):
        stage.send(
            "response.create",
            response={"conversation": "none", "metadata": {"n": str(n)}},
        )
    assert stage.types.count("response.created") == 3

    stage.wait(5)

    statuses = {
        (e["response"]["metadata"] or {}).get("n"): e["response"]["status"]
        for e in stage.of("response.done")
    }
    assert statuses == {None: "completed", "0": "completed", "1": "completed"}


def test_one_of_several_responses_can_be_cancelled_by_its_id() -> None:
    stage = Stage("timing: {think: 1000}")
    stage.send("response.create")
    stage.send("response.create", response={"conversation": "none"})
    beside = stage.last("response.created")["response"]["id"]

    stage.send("response.cancel", response_id=beside)
    stage.wait(3)

    done = {
        e["response"]["id"]: e["response"]["status"] for e in stage.of("response.done")
    }
    assert done.pop(beside) == "cancelled"
    assert list(done.values()) == ["completed"]


def test_given_input_is_what_the_response_is_about() -> None:
    part = {"type": "input_text", "text": "weather in Rome"}
    item = {"type": "message", "role": "user", "content": [part]}
    stage = asked("something else", conversation="none", input=[item])

    arguments = stage.last("response.function_call_arguments.done")["arguments"]
    assert json.loads(arguments) == {"city": "Rome"}


def test_scripted_events_come_at_their_moments() -> None:
    stage = Stage(
        """
rules:
  - on: any
    say: one
    emit:
      - event: {type: x.before}
      - {event: {type: x.created}, at: created}
      - {event: {type: x.speaking, said: "{{ text }}"}, at: speaking}
      - {event: {type: x.done}, at: done, delay_ms: 500}
"""
    )
    stage.type_text("hello")
    stage.send("response.create")
    stage.wait(2)

    order = [t for t in stage.types if t.startswith(("x.", "response."))]
    assert order[:3] == ["x.before", "response.created", "x.created"]
    assert stage.last("x.speaking")["said"] == "hello"
    assert stage.time_of("x.done") == pytest.approx(
        stage.time_of("response.done") + 0.5, abs=0.021
    )
    assert stage.last("x.done")["event_id"].startswith("event_")


def test_g711_audio_leaves_at_8_khz() -> None:
    stage = Stage("rules: [{on: any, say: one two}]", transport="websocket")
    stage.update(audio={"output": {"format": {"type": "audio/pcmu"}}})

    stage.send("response.create")
    stage.wait(2)

    deltas = [d["delta"] for d in stage.of("response.output_audio.delta")]
    decoded = [decode_base64(d, "audio/pcmu") for d in deltas]
    assert sum(pcm.size for pcm in decoded) == 400 * 24


def test_output_speed_shortens_the_audio() -> None:
    stage = Stage("rules: [{on: any, say: one two}]")
    stage.update(audio={"output": {"speed": 1.25}})

    stage.send("response.create")
    stage.wait(2)

    assert stage.heard().size == 320 * 24


def test_a_sideband_may_get_the_audio_deltas_of_a_webrtc_call() -> None:
    options = SessionOptions(sideband_audio_deltas=True)
    stage = Stage("rules: [{on: any, say: one two}]", options=options)
    stage.session.attach("sideband-1", 0.0)

    stage.send("response.create")
    stage.wait(2)

    deltas = [s for s in stage.sent if s.body["type"] == "response.output_audio.delta"]
    assert {s.to for s in deltas} == {"sideband-1"}
    assert len(deltas) == 2


def test_reasoning_models_may_tag_their_messages_with_a_phase() -> None:
    stage = Stage("rules: [{on: any, say: one}]", options=SessionOptions(phase=True))
    stage.send("response.create")
    stage.wait(1)

    assert stage.last("response.output_item.done")["item"]["phase"] == "final_answer"


def test_a_response_beside_the_conversation_does_not_answer_the_users_turn() -> None:
    stage = Stage("rules: [{on: any, say: hi}]")
    stage.turn_detection(type="server_vad", create_response=False)
    stage.ask("hello", "hello")
    stage.send("response.create", response={"conversation": "none"})
    stage.wait(1)
    stage.send("response.create")
    stage.wait(1)

    assert [turn.trigger for turn in stage.session.turns] == ["speech", "request"]
    assert stage.session.turns[0].response_created_s > 1.8

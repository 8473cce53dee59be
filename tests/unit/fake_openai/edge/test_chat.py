"""Chat messages become the scenario's situation."""

from typing import Any

import pytest

from fake_openai import chat
from fake_openai.api_error import ApiError
from fake_openai.scenario import Scenario

RULES = [
    {"on": {"tool_result": "count"}, "say": "There are {{ result.n }}."},
    {"on": {"text": "count"}, "call": {"name": "count", "arguments": {"what": "x"}}},
    {"on": {"text": "count"}, "say": "I cannot count."},
    {"on": {"instructions": "pirate"}, "say": "Arr."},
    {"on": {"text": "break"}, "fail": {"code": "server_error"}},
    {"on": "any", "say": "Yes."},
]
SCENARIO = Scenario.model_validate({"rules": RULES})
TOOL = {"type": "function", "function": {"name": "count"}}


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def answer(*messages: dict[str, Any], **body: Any) -> chat.ChatAnswer:
    return chat.answer(
        {"model": "m", "messages": list(messages), **body}, SCENARIO, seed=1
    )


def test_text_parts_are_read_as_text() -> None:
    parts = [{"type": "text", "text": "hello"}, {"type": "image_url", "image_url": {}}]

    assert answer(user(parts)).text == "Yes."


def test_a_tool_is_called_only_when_it_is_offered() -> None:
    offered = answer(user("count"), tools=[TOOL])
    alone = answer(user("count"))

    assert offered.tool_calls == (("count", '{"what": "x"}'),)
    assert offered.finish_reason == "tool_calls"
    assert alone.text == "I cannot count."
    assert alone.finish_reason == "stop"


def test_a_tool_result_is_what_is_new() -> None:
    call = {"id": "c1", "function": {"name": "count", "arguments": "{}"}}
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "c1", "content": '{"n": 7}'}

    assert answer(user("count"), asked, result, tools=[TOOL]).text == "There are 7."


def test_the_system_message_is_the_instructions() -> None:
    system = {"role": "system", "content": "You are a pirate."}

    assert answer(system, user("hello")).text == "Arr."


def test_a_failing_answer_is_an_http_error() -> None:
    with pytest.raises(ApiError) as failed:
        answer(user("break"))

    assert failed.value.status == 500


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [user("x")]}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": [{"role": "king"}]}, "messages[0].role"),
        ({"model": "m", "messages": ["hi"]}, "messages[0].role"),
    ],
)
def test_a_wrong_request_names_the_field(body: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as refused:
        chat.answer(body, SCENARIO, seed=1)

    assert refused.value.param == param

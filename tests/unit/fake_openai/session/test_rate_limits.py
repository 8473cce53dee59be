"""What a response costs: its usage, and the rate limits it is taken from."""

from typing import Any

import pytest

from fake_openai.session.options import RateLimit, SessionOptions
from tests.support.realtime_stage import Stage


def test_usage_counts_audio_by_time_and_text_by_length() -> None:
    stage = Stage('rules: [{on: any, say: {text: "one two", duration_ms: 3000}}]')
    stage.update(instructions="")
    stage.silence(400)
    stage.ask("hello", "hello")
    stage.silence(1_500)

    usage = stage.last("response.done")["response"]["usage"]
    assert usage["input_token_details"] == {
        "text_tokens": 0,
        "audio_tokens": 11,  # 300 + 600 + 200 ms at 10 per second
        "image_tokens": 0,
        "cached_tokens": 0,
        "cached_tokens_details": {
            "text_tokens": 0,
            "audio_tokens": 0,
            "image_tokens": 0,
        },
    }
    assert usage["output_token_details"] == {"text_tokens": 2, "audio_tokens": 60}
    assert usage["total_tokens"] == 11 + 62


def test_the_whole_conversation_is_input_again_and_partly_cached() -> None:
    stage = Stage("rules: [{on: any, say: {text: one, duration_ms: 4000}}]")
    stage.send("response.create")
    stage.wait(5)
    stage.send("response.create")
    stage.wait(5)

    first, second = (e["response"]["usage"] for e in stage.of("response.done"))
    assert second["input_tokens"] == first["input_tokens"] + 80
    assert second["input_token_details"]["cached_tokens"] == 64


def test_rate_limits_are_told_after_done_by_default() -> None:
    stage = Stage("rules: [{on: any, say: one}]")
    stage.send("response.create")
    stage.wait(1)

    done = stage.types.index("response.done")
    assert stage.types[done + 1] == "rate_limits.updated"
    requests, tokens = stage.last("rate_limits.updated")["rate_limits"]
    used = stage.last("response.done")["response"]["usage"]["total_tokens"]
    assert (requests["name"], requests["remaining"]) == ("requests", 4_999)
    assert tokens["remaining"] == 800_000 - used


def test_beyond_a_rate_limit_responses_fail_until_the_budget_has_refilled() -> None:
    options = SessionOptions(rate_limits=(RateLimit("requests", 2),))
    stage = Stage("rules: [{on: any, say: one}]", options=options)
    for _ in range(3):
        stage.send("response.create")
        stage.wait(0.5)

    statuses = [e["response"]["status"] for e in stage.of("response.done")]
    assert statuses == ["completed", "completed", "failed"]
    details = stage.last("response.done")["response"]["status_details"]
    assert details["error"]["code"] == "rate_limit_exceeded"
    stage.wait(60)
    stage.send("response.create")
    stage.wait(0.5)
    assert stage.last("response.done")["response"]["status"] == "completed"


@pytest.mark.parametrize(
    ("position", "expected"),
    [("after_created", "response.created"), ("after_done", "response.done")],
)
def test_the_place_of_rate_limits_is_a_switch(position: Any, expected: str) -> None:
    stage = Stage("", options=SessionOptions(rate_limits_at=position))
    stage.send("response.create")
    stage.wait(2)

    place = stage.types.index("rate_limits.updated")
    assert stage.types[place - 1] == expected
    assert stage.types.count("rate_limits.updated") == 1

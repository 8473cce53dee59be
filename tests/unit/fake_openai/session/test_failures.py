"""Responses that end early or not at all: budgets, failures, silence."""

from typing import Any

import pytest

from fake_openai.wire.audio import decode_base64
from tests.support.realtime_stage import Stage


def test_the_token_budget_cuts_the_answer_and_says_so() -> None:
    script = 'rules: [{on: any, say: {text: "one two three four", duration_ms: 4000}}]'
    stage = Stage(script, transport="websocket")

    stage.send("response.create", response={"max_output_tokens": 40})
    stage.wait(3)

    response = stage.last("response.done")["response"]
    assert response["status"] == "incomplete"
    assert response["status_details"] == {
        "type": "incomplete",
        "reason": "max_output_tokens",
    }
    assert response["max_output_tokens"] == 40
    assert response["usage"]["output_tokens"] <= 41
    assert response["output"][0]["status"] == "incomplete"
    assert response["output"][0]["content"][0]["transcript"] == "one"


@pytest.mark.parametrize(
    ("fail", "status", "details"),
    [
        (
            "{code: quota, type: insufficient_quota, message: no money}",
            "failed",
            {
                "type": "failed",
                "error": {
                    "type": "insufficient_quota",
                    "code": "quota",
                    "message": "no money",
                },
            },
        ),
        (
            "{status: incomplete, after_ms: 400}",
            "incomplete",
            {"type": "incomplete", "reason": "content_filter"},
        ),
    ],
)
def test_a_planned_failure_is_told_in_response_done_only(
    fail: str, status: str, details: dict[str, Any]
) -> None:
    stage = Stage(f"rules: [{{on: any, say: one two three four, fail: {fail}}}]")

    stage.send("response.create")
    stage.wait(2)

    response = stage.last("response.done")["response"]
    assert (response["status"], response["status_details"]) == (status, details)
    assert "error" not in stage.types


def test_a_failure_after_some_audio_has_let_exactly_that_out() -> None:
    stage = Stage(
        "rules: [{on: any, say: one two three four, fail: {after_ms: 300}}]",
        transport="websocket",
    )

    stage.send("response.create")
    stage.wait(2)

    deltas = [d["delta"] for d in stage.of("response.output_audio.delta")]
    assert sum(decode_base64(d, "audio/pcm").size for d in deltas) == 300 * 24


def test_a_silent_rule_makes_no_response_at_all() -> None:
    stage = Stage("rules: [{on: any, silent: true}]")

    stage.send("response.create")
    stage.wait(2)

    assert stage.types == ["session.created"]


def test_a_failure_may_come_in_the_second_message() -> None:
    stage = Stage(
        "rules: [{on: any, say: [one two, three four], fail: {after_ms: 600}}]"
    )
    stage.send("response.create")
    stage.wait(2)

    response = stage.last("response.done")["response"]
    assert response["status"] == "failed"
    statuses = [item["status"] for item in response["output"]]
    texts = [item["content"][0]["transcript"] for item in response["output"]]
    assert (statuses, texts) == (["completed", "incomplete"], ["one two", "three"])

"""MCP tools against scripted servers (realtime-api.md §4.3 l)."""

from typing import Any

import pytest

from fake_openai.session.options import SessionOptions
from tests.support.realtime_stage import Stage, without_repeats

SERVERS = """
mcp_servers:
  - label: docs
    tools:
      - {name: search, read_only: true, output: {hits: 3, query: "{{ text }}"}}
      - {name: wipe, error: not allowed}
  - label: broken
    fails: true
rules:
  - on: {tool_result: search}
    say: "found {{ result.hits }}"
  - on: {tool_result: wipe, failed: true}
    say: it failed
  - on: approval
    say: very well
  - on: {text: wipe}
    call: {mcp: docs, name: wipe}
  - on: {text: find}
    call: {mcp: docs, name: search, arguments: {query: "{{ text }}"}}
  - on: any
    say: nothing to call
"""


def connected(**entry: Any) -> Stage:
    stage = Stage(SERVERS, options=SessionOptions(mcp_follow_up="service"))
    tool = {"type": "mcp", "server_label": "docs", "server_url": "https://x.test"}
    stage.update(tools=[tool | entry])
    stage.wait(0.1)
    return stage


def asked(stage: Stage, text: str) -> Stage:
    stage.forget()
    stage.type_text(text)
    stage.send("response.create")
    stage.wait(2)
    return stage


def test_tools_are_listed_when_a_session_names_a_server() -> None:
    stage = connected()

    assert stage.types[2:] == [
        "conversation.item.added",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "conversation.item.done",
    ]
    item = stage.last("conversation.item.done")["item"]
    assert (item["type"], item["server_label"]) == ("mcp_list_tools", "docs")
    assert [tool["name"] for tool in item["tools"]] == ["search", "wipe"]


@pytest.mark.parametrize("label", ["broken", "nobody"])
def test_listing_fails_at_a_server_that_is_broken_or_not_in_the_scenario(
    label: str,
) -> None:
    stage = connected(server_label=label)

    assert "mcp_list_tools.failed" in stage.types
    assert "mcp_list_tools.completed" not in stage.types


def test_a_server_is_listed_once() -> None:
    stage = connected()
    tool = {"type": "mcp", "server_label": "docs", "server_url": "https://x.test"}

    stage.update(tools=[tool])
    stage.wait(0.1)

    assert stage.types.count("mcp_list_tools.completed") == 1


def test_allowed_tools_limits_what_is_listed_and_called() -> None:
    stage = connected(allowed_tools=["wipe"], require_approval="never")
    listed = stage.last("conversation.item.done")["item"]["tools"]
    assert [tool["name"] for tool in listed] == ["wipe"]

    asked(stage, "find it")

    assert "response.mcp_call.completed" not in stage.types


def test_the_service_calls_the_tool_itself_and_goes_on_with_its_result() -> None:
    stage = asked(connected(require_approval="never"), "find it")

    kinds = without_repeats(stage.types)
    call = kinds[kinds.index("response.created") :]
    assert call[:11] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert call[11] == "response.created"
    item = stage.of("response.output_item.done")[0]["item"]
    assert item["output"] == '{"hits": 3, "query": "find it"}'
    assert item["arguments"] == '{"query": "find it"}'
    said = stage.last("response.output_audio_transcript.done")["transcript"]
    assert said == "found 3"


def test_by_default_the_client_asks_for_the_answer_to_a_tools_result() -> None:
    stage = Stage(SERVERS)
    tool = {"type": "mcp", "server_label": "docs", "server_url": "https://x.test"}
    stage.update(tools=[{**tool, "require_approval": "never"}])
    stage.wait(0.1)

    asked(stage, "find it")
    assert stage.types.count("response.created") == 1
    stage.send("response.create")
    stage.wait(2)

    assert stage.types.count("response.created") == 2
    said = stage.last("response.output_audio_transcript.done")["transcript"]
    assert said == "found 3"


def test_a_call_that_fails_says_why_in_the_item() -> None:
    stage = asked(connected(require_approval="never"), "wipe it")

    assert "response.mcp_call.failed" in stage.types
    item = stage.of("response.output_item.done")[0]["item"]
    assert item["error"] == {"type": "tool_execution_error", "message": "not allowed"}
    assert stage.last("response.output_audio_transcript.done")["transcript"] == (
        "it failed"
    )


def requested(stage: Stage) -> dict[str, Any]:
    item: dict[str, Any] = stage.last("response.done")["response"]["output"][-1]
    assert item["type"] == "mcp_approval_request"
    return item


def answer(stage: Stage, request: dict[str, Any], *, approve: bool) -> None:
    item = {
        "type": "mcp_approval_response",
        "approval_request_id": request["id"],
        "approve": approve,
    }
    stage.forget()
    stage.send("conversation.item.create", item=item)
    stage.wait(2)


def test_by_default_a_call_waits_for_approval_and_then_happens() -> None:
    stage = asked(connected(), "find it")
    request = requested(stage)
    assert request["arguments"] == '{"query": "find it"}'
    assert "response.mcp_call.in_progress" not in stage.types

    answer(stage, request, approve=True)

    done = [e["item"] for e in stage.of("response.output_item.done")]
    assert done[0]["type"] == "mcp_call"
    assert done[0]["approval_request_id"] == request["id"]
    assert stage.last("response.output_audio_transcript.done")["transcript"] == (
        "found 3"
    )


def test_a_refused_call_never_happens() -> None:
    stage = asked(connected(), "find it")

    answer(stage, requested(stage), approve=False)

    assert "response.mcp_call.in_progress" not in stage.types
    assert stage.last("response.output_audio_transcript.done")["transcript"] == (
        "very well"
    )


def test_an_approval_is_given_once() -> None:
    stage = asked(connected(), "find it")
    request = requested(stage)
    answer(stage, request, approve=True)

    answer(stage, request, approve=True)

    assert stage.error["param"] == "item.approval_request_id"


@pytest.mark.parametrize(
    ("approval", "waits"),
    [
        ("always", True),
        ("never", False),
        ({"never": {"tool_names": ["search"]}}, False),
        ({"never": {"read_only": True}}, False),
        ({"always": {"tool_names": ["wipe"]}}, False),
        ({"always": {"tool_names": ["search"]}}, True),
        (None, True),
    ],
)
def test_require_approval_decides_what_waits(approval: Any, waits: bool) -> None:
    stage = asked(connected(require_approval=approval), "find it")

    assert ("response.mcp_call.completed" not in stage.types) is waits


def test_a_scenario_that_always_calls_again_is_stopped() -> None:
    stage = Stage(
        """
timing: {mcp: 0, think: 0}
mcp_servers: [{label: docs, tools: [{name: search, output: x}]}]
rules: [{on: any, call: {mcp: docs, name: search}}]
""",
        options=SessionOptions(mcp_follow_up="service"),
    )
    tool = {"type": "mcp", "server_label": "docs", "require_approval": "never"}
    stage.update(tools=[tool])
    stage.wait(0.1)

    stage.send("response.create")
    stage.wait(2)

    assert stage.types.count("response.done") == 9

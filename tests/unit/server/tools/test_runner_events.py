"""What the agent runners write, in both dialects."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.tools import runner_events as ev


def nested(kind: str, **data: Any) -> str:
    return json.dumps({"type": kind, "timestamp": "2026-01-05T10:00:00", "data": data})


def claude(kind: str, **data: Any) -> str:
    return json.dumps({"type": kind, "source": "claude_code", "data": data})


@pytest.mark.parametrize(
    ("message", "events"),
    [
        (
            nested("textmessage", source="Engineer", content="I list the files."),
            [ev.Said("Engineer", "I list the files.")],
        ),
        (
            nested("textmessage", source="user", content="list the files"),
            [ev.RunStarted()],
        ),
        (
            nested(
                "toolcallrequestevent",
                source="Researcher",
                content=[
                    {"id": "1", "name": "web_search", "arguments": "{}"},
                    {"id": "2", "name": "read_file", "arguments": "{}"},
                ],
            ),
            [
                ev.ToolStarted("Researcher", "web_search", "1"),
                ev.ToolStarted("Researcher", "read_file", "2"),
            ],
        ),
        (
            nested(
                "toolcallexecutionevent",
                source="Researcher",
                content=[
                    {
                        "call_id": "1",
                        "name": "web_search",
                        "content": "no network",
                        "is_error": True,
                    }
                ],
            ),
            [ev.ToolEnded("web_search", "no network", True, "1")],
        ),
        (
            nested(
                "taskresult",
                stop_reason="TERMINATE",
                messages=[
                    {"source": "user", "content": "task"},
                    {"source": "Engineer", "content": "Four folders."},
                    {"source": "Engineer", "content": [{"not": "text"}]},
                    {"source": "Orchestrator", "content": "TERMINATE"},
                ],
            ),
            [ev.RunResult("Four folders.", success=True, is_last=False)],
        ),
        (
            nested("textmessage", source="O", content="Fine.\nNEXT AGENT: Engineer"),
            [ev.Said("O", "Fine.")],
        ),
        (
            nested("textmessage", source="O", content="TERMINATE"),
            [ev.Other("textmessage")],
        ),
        (
            nested("system", message="Agent run finished."),
            [ev.RunEnded(interrupted=False)],
        ),
        (
            nested("system", message="Agent run interrupted."),
            [ev.RunEnded(interrupted=True)],
        ),
        (
            nested("system", message="Initiating agent run with task: x…"),
            [ev.RunStarted()],
        ),
        (nested("error", message="Quota exceeded"), [ev.RunFailed("Quota exceeded")]),
        (nested("handoffmessage", content="x"), [ev.Other("handoffmessage")]),
        (
            claude(
                "TextMessage", source="ClaudeCode", role="assistant", content="On it."
            ),
            [ev.Said("ClaudeCode", "On it.")],
        ),
        (
            claude(
                "ToolCallRequestEvent",
                source="ClaudeCode",
                name="Bash",
                arguments={},
                id="toolu_1",
            ),
            [ev.ToolStarted("ClaudeCode", "Bash", "toolu_1")],
        ),
        (
            claude(
                "ToolCallExecutionEvent",
                name="tool",
                result="ok",
                is_error=False,
                id="toolu_1",
            ),
            [ev.ToolEnded("tool", "ok", False, "toolu_1")],
        ),
        (nested("warning", message="No such tool"), [ev.Warned("No such tool")]),
        (
            claude("TaskResult", outcome="success", message="Tests pass."),
            [ev.RunResult("Tests pass.", success=True, is_last=True)],
        ),
        (
            claude("TaskResult", outcome="error", message="Tests fail."),
            [ev.RunResult("Tests fail.", success=False, is_last=True)],
        ),
        (
            claude("Error", message="warning: deprecated", source="claude_stderr"),
            [ev.Complained("warning: deprecated")],
        ),
        (
            claude("system", message="Claude Code session initialized"),
            [ev.Other("system")],
        ),
    ],
)
def test_each_event_of_both_dialects(
    message: str, events: list[ev.RunnerEvent]
) -> None:
    assert ev.decode(message) == events


def test_several_blocks_of_text_are_one_text() -> None:
    blocks = [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]

    assert ev.decode(nested("textmessage", source="A", content=blocks)) == [
        ev.Said("A", "One.\nTwo.")
    ]


def test_a_huge_result_is_not_parsed_but_ends_the_run() -> None:
    """A result repeats the transcript; parsing megabytes would stop the audio."""
    messages = [{"source": "A", "content": "x" * (2 << 20)}]

    assert ev.decode(nested("taskresult", messages=messages)) == [
        ev.RunResult("", success=True, is_last=False)
    ]
    assert ev.decode(nested("textmessage", content="x" * (2 << 20))) == [
        ev.Other("too long")
    ]


@given(st.text(max_size=40))
def test_garbage_is_something_else(text: str) -> None:
    assert all(isinstance(e, ev.Other) for e in ev.decode(text))

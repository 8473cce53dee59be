"""What the Claude Code CLI writes, line by line."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.tools import runner_events as ev
from server.tools.claude_events import AGENT, Line, LineSplitter, decode


def line(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, "session_id": "s1", **fields}).encode()


def message(role: str, *blocks: Any, **fields: Any) -> bytes:
    return line(role, message={"role": role, "content": list(blocks)}, **fields)


TEXT = {"type": "text", "text": "I look."}


@pytest.mark.parametrize(
    ("raw", "events"),
    [
        (line("system", subtype="init", tools=[]), [ev.RunStarted()]),
        (message("assistant", TEXT), [ev.Said(AGENT, "I look.")]),
        (
            message(
                "assistant",
                {"type": "thinking", "thinking": "hm"},
                TEXT,
                {"type": "tool_use", "id": "t1", "name": "Read", "input": {}},
                {"type": "tool_use", "id": "t2", "name": "Bash", "input": {}},
            ),
            [
                ev.Said(AGENT, "I look."),
                ev.ToolStarted(AGENT, "Read", "t1"),
                ev.ToolStarted(AGENT, "Bash", "t2"),
            ],
        ),
        (message("assistant", TEXT, parent_tool_use_id="t1"), []),
        (
            message(
                "user",
                {"type": "tool_result", "tool_use_id": "t1", "content": "ok"},
                {
                    "type": "tool_result",
                    "tool_use_id": "t2",
                    "content": [{"type": "text", "text": "no"}],
                    "is_error": True,
                },
            ),
            [
                ev.ToolEnded("tool", "ok", False, "t1"),
                ev.ToolEnded("tool", "no", True, "t2"),
            ],
        ),
        (
            line("result", subtype="success", is_error=False, result="Done."),
            [ev.RunResult("Done.", success=True, is_last=True)],
        ),
        (
            line("result", subtype="error_max_turns", is_error=True),
            [
                ev.RunResult(
                    "Claude Code stopped: it needed more steps than it may take.",
                    success=False,
                    is_last=True,
                )
            ],
        ),
        (
            line("result", subtype="success", is_error=True, result="Not logged in"),
            [ev.RunResult("Not logged in", success=False, is_last=True)],
        ),
        (
            line(
                "result",
                subtype="success",
                result="Half.",
                permission_denials=[{"tool_name": "Edit"}, {"tool_name": "Bash"}],
            ),
            [
                ev.RunResult(
                    "Half.\n(It was not permitted to use: Bash, Edit.)",
                    success=True,
                    is_last=True,
                )
            ],
        ),
        (line("stream_event", event={}), [ev.Other("stream_event")]),
    ],
)
def test_each_kind_of_line(raw: bytes, events: list[ev.RunnerEvent]) -> None:
    assert decode(raw) == Line(tuple(events), "s1")


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_garbage_is_never_an_answer(raw: bytes) -> None:
    assert not any(
        isinstance(e, ev.RunResult | ev.Said | ev.RunFailed) for e in decode(raw).events
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "message", "content", "result", "permission_denials", "text"]
            ),
            inner
            | st.sampled_from(["assistant", "user", "result", "tool_use", "text"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_shape_of_a_line_breaks_it(value: Any) -> None:
    decode(json.dumps(value).encode())


@given(st.lists(st.binary(max_size=8).filter(lambda b: b"\n" not in b)), st.data())
def test_lines_survive_any_cut(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(part + b"\n" for part in parts)
    splitter, lines, at = LineSplitter(), [], 0
    while at < len(whole):
        size = data.draw(st.integers(1, 9))
        lines += splitter.feed(whole[at : at + size])
        at += size

    assert lines == [part for part in parts if part.strip()]


def test_a_line_without_end_costs_no_memory_and_is_left_out() -> None:
    splitter = LineSplitter(max_line_bytes=100)
    assert splitter.feed(b"a\n" + b"x" * 90) == [b"a"]
    for _ in range(50):
        assert splitter.feed(b"x" * 90) == []

    assert splitter.feed(b"x\nb\n") == [b"b"]
    assert splitter.n_skipped == 1

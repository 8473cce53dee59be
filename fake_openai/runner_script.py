"""What the scripted agents say and do, in both dialects of agent runners. PURE.

Two kinds of runner exist (docs: the older systems' agent WebSockets): a team of agents
with lower-case event types whose payload is the framework's event, and Claude Code with
CamelCase types. A script is a list of steps; the edge sends them with their pauses.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

Dialect = Literal["team", "claude"]
CLAUDE_AGENT: Final = "ClaudeCode"
DEFAULT_TASK: Final = "Say what you can do."
NOTICE_CHARS: Final = 100


@dataclass(frozen=True, slots=True)
class Step:
    """One event, and how long the agent worked for it."""

    pause_s: float
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """What an agent does for a kind of task."""

    pattern: str
    agent: str
    tool: str
    arguments: Mapping[str, Any]
    result: str
    answer: str


_TEAM_WORK: Final = (
    Work(
        r"\blist\b.*\bfiles\b|\bfiles\b.*\blist\b",
        "FileManager",
        "list_files",
        {"path": "."},
        "server\nweb\nsimulator\ntests",
        "The team found four folders: server, web, simulator, and tests.",
    ),
    Work(
        r"how many|count",
        "FileManager",
        "count_files",
        {"path": "."},
        "128",
        "There are one hundred and twenty eight files in the project.",
    ),
    Work(
        r"introduction|readme|write",
        "Engineer",
        "write_file",
        {"path": "README.md"},
        "wrote 3 sentences",
        "The team has written the introduction. It is three sentences long.",
    ),
    Work(
        r"deploy|release",
        "Engineer",
        "deploy",
        {"target": "test"},
        "deployed",
        "Every test has passed, and the new version is on the test server.",
    ),
    Work(
        r"weather",
        "Researcher",
        "web_search",
        {"q": "weather"},
        "4 degrees, rain",
        "In Oslo it is four degrees and raining.",
    ),
)
_CLAUDE_WORK: Final = (
    Work(
        r"\bfix\b",
        CLAUDE_AGENT,
        "Edit",
        {"file_path": "tests/test_call.py"},
        "edited 1 line",
        "Claude Code fixed the test. It had been waiting for the wrong event.",
    ),
    Work(
        r"dark mode|button|page",
        CLAUDE_AGENT,
        "Write",
        {"file_path": "web/app.js"},
        "wrote 12 lines",
        "The dark mode button is on the page now.",
    ),
    Work(
        r"test",
        CLAUDE_AGENT,
        "Bash",
        {"command": "make test"},
        "128 passed",
        "Claude Code ran the tests. All of them passed.",
    ),
)
_ANY_TEAM: Final = Work(
    r"", "Engineer", "think", {"about": "the task"}, "done", "It is done."
)
_ANY_CLAUDE: Final = Work(
    r"", CLAUDE_AGENT, "Bash", {"command": "ls"}, "ok", "It is done."
)


def dialect_of(agent: str) -> Dialect:
    """Which kind of runner an agent has."""
    return "claude" if agent == CLAUDE_AGENT else "team"


def greeting(dialect: Dialect) -> list[Step]:
    """What a runner says on connect."""
    if dialect == "team":
        return []
    data = {"message": "Claude Code session initialized", "working_dir": "/project"}
    return [Step(0, _claude("system", data))]


def run(dialect: Dialect, task: str) -> list[Step]:
    """Everything a run sends, from its acknowledgement to its end."""
    return _claude_run(task) if dialect == "claude" else _team_run(task)


def notice(dialect: Dialect, message: str, kind: str = "system") -> Mapping[str, Any]:
    """A `system`, `warning` or `error` event."""
    make = _claude if dialect == "claude" else _team
    return make(kind, {"message": message})


def _team_run(task: str) -> list[Step]:
    work = _find(_TEAM_WORK, task, _ANY_TEAM)
    fails = re.search(r"\bfail\b|\bcrash\b", task, re.IGNORECASE) is not None
    call = {
        "id": "call_1",
        "name": work.tool,
        "arguments": json.dumps(dict(work.arguments)),
    }
    result = {
        "call_id": "call_1",
        "name": work.tool,
        "content": "The tool failed." if fails else work.result,
        "is_error": fails,
    }
    started = f"Initiating agent run with task: {task[:NOTICE_CHARS]}..."
    steps = [
        Step(0.05, notice("team", started)),
        Step(0.05, _text("user", task)),
        Step(0.30, _text("Orchestrator", f"NEXT AGENT: {work.agent}")),
        Step(0.20, _tool_event("ToolCallRequestEvent", work.agent, [call])),
        Step(0.50, _tool_event("ToolCallExecutionEvent", work.agent, [result])),
    ]
    if fails:
        failed = "Error during agent run: the tool failed."
        return [
            *steps,
            Step(0.1, notice("team", failed, "error")),
            Step(0.0, notice("team", "Agent run interrupted.")),
        ]
    messages = [_text_data("user", task), _text_data(work.agent, work.answer)]
    done = {"messages": messages, "stop_reason": "Text 'TERMINATE' mentioned"}
    return [
        *steps,
        Step(0.30, _text(work.agent, work.answer)),
        Step(0.10, _text("Orchestrator", "TERMINATE")),
        Step(0.05, _team("taskresult", done)),
        Step(0.00, notice("team", "Agent run finished.")),
    ]


def _claude_run(task: str) -> list[Step]:
    work = _find(_CLAUDE_WORK, task, _ANY_CLAUDE)
    fails = re.search(r"\bcrash\b", task, re.IGNORECASE) is not None
    call = {
        "name": work.tool,
        "source": CLAUDE_AGENT,
        "arguments": dict(work.arguments),
        "id": "toolu_1",
    }
    result = {
        "name": "tool",
        "source": CLAUDE_AGENT,
        "result": work.result,
        "is_error": fails,
        "id": "toolu_1",
    }
    outcome = "error" if fails else "success"
    answer = "The tool failed." if fails else work.answer
    done = {
        "outcome": outcome,
        "message": answer,
        "duration_ms": 1_400,
        "usage": {"input_tokens": 900, "output_tokens": 60},
        "models_usage": None,
    }
    received = f"Message sent: {task[:NOTICE_CHARS]}"
    session = {"message": "init", "details": {"session_id": "scripted", "tools": []}}
    return [
        Step(0.05, notice("claude", received)),
        Step(0.10, _claude("SystemEvent", session)),
        Step(0.20, _claude_text("I am looking at the project.")),
        Step(0.20, _claude("ToolCallRequestEvent", call)),
        Step(0.60, _claude("ToolCallExecutionEvent", result)),
        Step(0.20, _claude_text(answer)),
        Step(0.05, _claude("TaskResult", done)),
    ]


def _find(known: tuple[Work, ...], task: str, other: Work) -> Work:
    found = (w for w in known if re.search(w.pattern, task, re.IGNORECASE))
    return next(found, other)


def _team(kind: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": kind, "timestamp": _now(), "data": data}


def _claude(kind: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "type": kind,
        "timestamp": _now(),
        "source": "claude_code",
        "data": data,
    }


def _text(source: str, content: str) -> Mapping[str, Any]:
    return _team("textmessage", _text_data(source, content))


def _text_data(source: str, content: str) -> Mapping[str, Any]:
    spent = {"prompt_tokens": 812, "completion_tokens": len(content.split())}
    return {
        "id": "message",
        "source": source,
        "models_usage": None if source == "user" else spent,
        "metadata": {},
        "created_at": _now(),
        "content": content,
        "type": "TextMessage",
    }


def _tool_event(
    name: str, source: str, content: list[Mapping[str, Any]]
) -> Mapping[str, Any]:
    data: dict[str, Any] = {
        "id": "event",
        "source": source,
        "models_usage": None,
        "metadata": {},
        "created_at": _now(),
        "content": content,
        "type": name,
    }
    return _team(name.lower(), data)


def _claude_text(content: str) -> Mapping[str, Any]:
    data: dict[str, Any] = {
        "content": content,
        "source": CLAUDE_AGENT,
        "role": "assistant",
        "raw": {},
    }
    return _claude("TextMessage", data)


def _now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat()

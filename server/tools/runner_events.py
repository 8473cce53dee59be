"""Events of the agent runners, both dialects, as typed values. PURE.

The nested runner writes types in lower case and puts tool calls into lists; the Claude
Code runner writes CamelCase and puts them at the top. Unknown events are `Other`.
Source: protocol notes A1.1 and A1.2.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from server import foreign_json


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The runner has begun with the task, or repeats it."""


@dataclass(frozen=True, slots=True)
class Said:
    """An agent wrote something."""

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """An agent uses a tool of its own."""

    source: str
    name: str
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """The agent's tool returned. Claude Code names every tool "tool": go by the id."""

    name: str
    result: str
    is_error: bool
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Warned:
    """Something is amiss, the run goes on."""

    message: str


@dataclass(frozen=True, slots=True)
class Complained:
    """One line of a process's standard error: noise, until the process dies of it."""

    message: str


@dataclass(frozen=True, slots=True)
class RunResult:
    """The run's result; `text` is the last thing that was said, if anything."""

    text: str
    success: bool
    is_last: bool
    """True when no further event of this run follows."""


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over."""

    interrupted: bool


@dataclass(frozen=True, slots=True)
class RunFailed:
    """The run cannot go on."""

    message: str


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else."""

    type: str


RunnerEvent: TypeAlias = (
    RunStarted
    | Said
    | ToolStarted
    | ToolEnded
    | Warned
    | Complained
    | RunResult
    | RunEnded
    | RunFailed
    | Other
)


MAX_PARSED_CHARS = 1 << 20
"""Parsing more would hold the event loop for longer than half a frame of audio. Only a
result is that long: it repeats the transcript, which is known by then."""
_TEAM_CONTROL = re.compile(r"^\s*NEXT AGENT:.*$|\bTERMINATE\b", re.MULTILINE)
"""How the agents of a team steer each other; nothing for human ears."""
_RESULT_HEAD = re.compile(r'\s*\{[^{}]{0,200}"type"\s*:\s*"(?i:taskresult)"')


def decode(text: str) -> list[RunnerEvent]:
    """The events in one message; several tool calls make several. Never raises."""
    if len(text) > MAX_PARSED_CHARS:
        is_result = _RESULT_HEAD.match(text) is not None
        return [RunResult("", True, is_last=False) if is_result else Other("too long")]
    try:
        envelope = foreign_json.loads(text)
    except ValueError:
        return [Other("not json")]
    if not isinstance(envelope, dict):
        return [Other("not an object")]
    kind = str(envelope.get("type", ""))
    data = envelope.get("data")
    data = data if isinstance(data, dict) else {}
    is_claude = envelope.get("source") == "claude_code" or kind != kind.lower()
    match kind.lower():
        case "textmessage":
            return _said(data)
        case "toolcallrequestevent":
            calls = _entries(data, "name")
            source = _text(data, "source")
            return [ToolStarted(source, _text(c, "name"), _call_id(c)) for c in calls]
        case "toolcallexecutionevent":
            return [_tool_ended(result) for result in _entries(data, "name")]
        case "taskresult":
            return [_claude_result(data) if is_claude else _nested_result(data)]
        case "system":
            return _system(_text(data, "message"), kind)
        case "warning":
            return [Warned(_text(data, "message"))]
        case "error" if is_claude:
            # One line of Claude Code's stderr each, not the end of anything.
            return [Complained(_text(data, "message"))]
        case "error":
            return [RunFailed(_text(data, "message") or "The agent run failed.")]
    return [Other(kind)]


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    return value if isinstance(value, str) else ""


def _call_id(entry: Mapping[str, Any]) -> str:
    return _text(entry, "id") or _text(entry, "call_id")


def _said(data: Mapping[str, Any]) -> list[RunnerEvent]:
    source = _text(data, "source")
    text = _without_control(_content_text(data.get("content")))
    if source == "user" or _text(data, "role") == "user":
        return [RunStarted()]  # the task, echoed
    if not text:
        return [Other("textmessage")]
    return [Said(source, text)]


def _without_control(text: str) -> str:
    return _TEAM_CONTROL.sub("", text).strip()


def _content_text(content: object) -> str:
    if isinstance(content, str):
        return content.strip()
    if isinstance(content, list):  # content blocks
        parts = [_text(b, "text") for b in content if isinstance(b, dict)]
        return "\n".join(part for part in parts if part).strip()
    return ""


def _entries(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """List-shaped content, or the fields at the top."""
    content = data.get("content")
    if isinstance(content, list):
        return [entry for entry in content if isinstance(entry, dict)]
    return [data] if key in data else []


def _tool_ended(result: Mapping[str, Any]) -> ToolEnded:
    text = _content_text(result.get("content")) or _content_text(result.get("result"))
    # A result names its call by `call_id`; its own `id` is another, where there is one.
    call_id = _text(result, "call_id") or _text(result, "id")
    is_error = result.get("is_error") is True
    return ToolEnded(_text(result, "name"), text, is_error, call_id)


def _nested_result(data: Mapping[str, Any]) -> RunResult:
    messages = data.get("messages")
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("source") != "user":
            text = _without_control(_text(message, "content"))
            if text:
                return RunResult(text, success=True, is_last=False)
    return RunResult("", success=True, is_last=False)


def _claude_result(data: Mapping[str, Any]) -> RunResult:
    success = _text(data, "outcome") != "error"
    return RunResult(_text(data, "message").strip(), success, is_last=True)


def _system(message: str, kind: str) -> list[RunnerEvent]:
    if message.startswith("Initiating agent run"):
        return [RunStarted()]
    if message.startswith("Agent run finished"):
        return [RunEnded(interrupted=False)]
    if message.startswith("Agent run interrupted"):
        return [RunEnded(interrupted=True)]
    return [Other(kind)]

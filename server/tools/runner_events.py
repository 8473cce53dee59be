"""Events of the agent runners, both dialects, as typed values. PURE.

The nested runner writes types in lower case and puts tool calls into lists; the Claude
Code runner writes CamelCase and puts them at the top. Unknown events are `Other`.
Source: protocol notes A1.1 and A1.2.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


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


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """The agent's tool returned."""

    name: str
    result: str
    is_error: bool


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
    | RunResult
    | RunEnded
    | RunFailed
    | Other
)


def decode(text: str) -> list[RunnerEvent]:
    """The events in one message; several tool calls make several. Never raises."""
    try:
        envelope = json.loads(text)
    except (ValueError, RecursionError):
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
            return [ToolStarted(_text(data, "source"), _text(c, "name")) for c in calls]
        case "toolcallexecutionevent":
            return [_tool_ended(result) for result in _entries(data, "name")]
        case "taskresult":
            return [_claude_result(data) if is_claude else _nested_result(data)]
        case "system":
            return _system(_text(data, "message"), kind)
        case "error" if not is_claude:
            return [RunFailed(_text(data, "message") or "The agent run failed.")]
    # A Claude `Error` is one line of stderr each, not the end of anything.
    return [Other(kind)]


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    return value if isinstance(value, str) else ""


def _said(data: Mapping[str, Any]) -> list[RunnerEvent]:
    source = _text(data, "source")
    text = _content_text(data.get("content"))
    if source == "user" or _text(data, "role") == "user":
        return [RunStarted()]  # the task, echoed
    if not text:
        return [Other("textmessage")]
    return [Said(source, text)]


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
    return ToolEnded(_text(result, "name"), text, result.get("is_error") is True)


def _nested_result(data: Mapping[str, Any]) -> RunResult:
    messages = data.get("messages")
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("source") != "user":
            text = _text(message, "content").strip()
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

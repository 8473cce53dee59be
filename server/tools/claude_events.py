"""Lines of the Claude Code CLI's streaming JSON output as runner events. PURE.

Source: the CLI's documented `--output-format stream-json`: a `system` init line, then
`assistant` and `user` messages with content blocks, then one `result` per request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server import foreign_json
from server.tools import runner_events as ev

AGENT = "Claude Code"
MAX_LINE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """What one line says."""

    events: tuple[ev.RunnerEvent, ...]
    session_id: str = ""
    """Names the conversation for `--resume`; may be empty."""


def decode(line: bytes) -> Line:
    """One line of standard output. Never raises."""
    try:
        fields = foreign_json.loads(line)
    except ValueError:
        return Line((ev.Other("not json"),))
    if not isinstance(fields, dict):
        return Line((ev.Other("not an object"),))
    return Line(tuple(_events(fields)), _text(fields, "session_id"))


def _events(fields: Mapping[str, Any]) -> list[ev.RunnerEvent]:
    kind = _text(fields, "type")
    # What a sub-agent of the CLI says is a step, not the answer.
    parent = _text(fields, "parent_tool_use_id")
    match kind:
        case "system" if fields.get("subtype") == "init":
            return [ev.RunStarted()]
        case "assistant":
            return [e for b in _blocks(fields) for e in _said(b, parent)]
        case "user":
            return [_returned(b) for b in _blocks(fields) if _is(b, "tool_result")]
        case "result":
            return [_result(fields)]
    return [ev.Other(kind)]


def _said(block: Mapping[str, Any], parent: str) -> list[ev.RunnerEvent]:
    if _is(block, "text") and _text(block, "text").strip() and not parent:
        return [ev.Said(AGENT, _text(block, "text").strip())]
    if _is(block, "tool_use"):
        return [ev.ToolStarted(AGENT, _text(block, "name"), _text(block, "id"))]
    return []


def _returned(block: Mapping[str, Any]) -> ev.RunnerEvent:
    content = block.get("content")
    if isinstance(content, list):
        parts = [_text(b, "text") for b in content if isinstance(b, dict)]
        content = "\n".join(part for part in parts if part)
    text = content if isinstance(content, str) else ""
    call_id = _text(block, "tool_use_id")
    return ev.ToolEnded("tool", text, block.get("is_error") is True, call_id)


_FAILURES = {
    "error_max_turns": "Claude Code stopped: it needed more steps than it may take.",
    "error_max_budget_usd": "Claude Code stopped: its budget is used up.",
    "error_during_execution": "Claude Code met an error while it worked.",
}


def _result(fields: Mapping[str, Any]) -> ev.RunResult:
    subtype = _text(fields, "subtype")
    failed = fields.get("is_error") is True or subtype.startswith("error")
    text = _text(fields, "result") or _text(fields, "error")
    text = text.strip() or (_FAILURES.get(subtype, "") if failed else "")
    if not failed:
        text += _denials(fields.get("permission_denials"))
    return ev.RunResult(text, success=not failed, is_last=True)


def _denials(denials: object) -> str:
    """What it was not permitted to do: the user should hear of it."""
    if not isinstance(denials, list) or not denials:
        return ""
    names = {_text(d, "tool_name") for d in denials if isinstance(d, dict)}
    listed = ", ".join(sorted(name for name in names if name)) or "some tools"
    return f"\n(It was not permitted to use: {listed}.)"


def _blocks(fields: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The content blocks of a message; a plain text is one block."""
    message = fields.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, list):
        return [block for block in content if isinstance(block, dict)]
    return []


def _is(block: Mapping[str, Any], kind: str) -> bool:
    return block.get("type") == kind


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    return value if isinstance(value, str) else ""


class LineSplitter:
    """Chunks of bytes into lines. A line that is too long is left out and counted."""

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max = max_line_bytes
        self._rest = bytearray()
        self._is_skipping = False
        self.n_skipped = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that are complete now, without their ends."""
        *complete, rest = chunk.split(b"\n")
        lines = []
        for part in complete:
            line = self._take(part)
            if line is not None:
                lines.append(line)
        self._keep(rest)
        return lines

    def _take(self, part: bytes) -> bytes | None:
        self._keep(part)
        line, self._rest = bytes(self._rest), bytearray()
        if self._is_skipping:
            self._is_skipping = False
            self.n_skipped += 1
            return None
        return line if line.strip() else None

    def _keep(self, part: bytes) -> None:
        if self._is_skipping:
            return
        if len(self._rest) + len(part) > self._max:
            self._rest.clear()
            self._is_skipping = True
        else:
            self._rest += part

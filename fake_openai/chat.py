"""Chat completions from the scenario: messages in, what the model would say. PURE."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fake_openai.api_error import ApiError
from fake_openai.scenario import Director, Scenario, Situation
from fake_openai.scenario.director import ToolResult

_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
_WORDS_PER_TOKEN: Final = 0.75


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What one completion says."""

    text: str | None
    tool_calls: tuple[tuple[str, str], ...]
    """(function, arguments) pairs."""
    think_ms: float
    prompt_tokens: int
    completion_tokens: int

    @property
    def finish_reason(self) -> str:
        """As OpenAI names it."""
        return "tool_calls" if self.tool_calls else "stop"

    @property
    def usage(self) -> dict[str, int]:
        """Estimated from the number of words."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


def answer(body: Mapping[str, Any], scenario: Scenario, *, seed: int) -> ChatAnswer:
    """What the scenario's model says to a chat request.

    Raises:
        ApiError: 400, a required field is missing or of the wrong type; or the
            scenario makes this answer fail.
    """
    messages = _messages(body)
    situation = _situation(messages, body.get("tools") or [])
    plan = Director(scenario, seed=seed + situation.turn).plan(situation)
    if plan.fail is not None and plan.fail.status == "failed":
        raise ApiError(500, plan.fail.message, code=plan.fail.code, kind=plan.fail.type)
    text = " ".join(line.text for line in plan.lines) or None
    calls = tuple((c.name, c.arguments) for c in plan.calls if c.mcp is None)
    words = sum(len(_content(m).split()) for m in messages)
    said = len((text or "").split()) + sum(len(a.split()) + 1 for _, a in calls)
    return ChatAnswer(
        text,
        calls,
        plan.think_ms,
        int(words / _WORDS_PER_TOKEN) + 3 * len(messages),
        int(said / _WORDS_PER_TOKEN) + 1,
    )


def _messages(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    if not isinstance(body.get("model"), str):
        raise ApiError(400, "you must provide a model parameter", param="model")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(
            400,
            "Missing required parameter: 'messages'.",
            code="missing_required_parameter",
            param="messages",
        )
    for index, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _ROLES:
            raise ApiError(
                400,
                f"Invalid value: '{role}'. Supported values are: 'system', "
                "'assistant', 'user', 'function', 'tool', and 'developer'.",
                code="invalid_value",
                param=f"messages[{index}].role",
            )
    return messages


def _situation(
    messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
) -> Situation:
    """What is new since the assistant last spoke."""
    last = max(
        (i for i, m in enumerate(messages) if m["role"] == "assistant"), default=-1
    )
    fresh = messages[last + 1 :]
    asked = [_content(m) for m in fresh if m["role"] == "user"]
    names = _call_names(messages)
    results = tuple(
        ToolResult(name, _content(m), arguments)
        for m in fresh
        if m["role"] == "tool"
        for name, arguments in [names.get(str(m.get("tool_call_id")), ("", "{}"))]
    )
    return Situation(
        text=asked[-1] if asked else None,
        results=results,
        system=tuple(_content(m) for m in fresh if m["role"] == "system" and last >= 0),
        instructions=next((_content(m) for m in messages if m["role"] == "system"), ""),
        offered=frozenset(_function_names(tools)),
        turn=sum(1 for m in messages if m["role"] == "assistant") + 1,
    )


def _call_names(messages: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Name and arguments of every tool call made so far, by call id."""
    found: dict[str, tuple[str, str]] = {}
    for message in messages:
        for call in message.get("tool_calls") or []:
            function = call.get("function") or {}
            found[str(call.get("id"))] = (
                str(function.get("name", "")),
                str(function.get("arguments", "{}")),
            )
    return found


def _function_names(tools: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str((tool.get("function") or {}).get("name", "")) for tool in tools]


def _content(message: Mapping[str, Any]) -> str:
    """The text of a message: a string, or the text parts of a list."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [p.get("text", "") for p in content if isinstance(p, dict)]
        return " ".join(str(part) for part in parts if part)
    return "" if content is None else json.dumps(content)

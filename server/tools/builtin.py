"""The five tools of the voice assistant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from server.tools.registry import Arguments, Policy, Report, Tool

Target: TypeAlias = Literal["team", "coding_agent"]

_TEXT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {
            "type": "string",
            "description": "The message, in full sentences.",
            "minLength": 1,
            "maxLength": 32_000,
        }
    },
    "required": ["text"],
    "additionalProperties": False,
}
TYPED_TOOL: Mapping[Target, str] = {
    "team": "send_to_nested",
    "coding_agent": "send_to_claude_code",
}
"""Which tool takes the text a user types for somebody other than the voice."""
POLICIES: Mapping[str, Policy] = {
    # A message to a team is the user's own wish in words; what the team may do is the
    # business of whoever runs it.
    "send_to_nested": "allow",
    # It edits files and runs commands on a real machine, and what it was asked for went
    # through speech recognition and a model before.
    "send_to_claude_code": "confirm",
    # Stopping must never wait for anything.
    "pause": "allow",
    "reset": "allow",
    "pause_claude_code": "allow",
}


class Agent(Protocol):
    """Somebody who takes a task in words and answers in words."""

    async def ask(self, text: str, report: Report) -> str:
        """Run a task to its end; cancelling stops it. Raises ToolError."""

    async def cancel(self) -> bool:
        """Stop what runs; False when there was nothing."""

    async def reset(self) -> bool:
        """Stop, and forget what was said."""

    async def close(self) -> None:
        """Free everything."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Times of the runs of agents."""

    timeout_s: float = 1_800.0
    background_after_s: float = 10.0
    policies: Mapping[str, Policy] = field(default_factory=lambda: POLICIES)


def builtin_tools(nested: Agent, claude: Agent, limits: RunLimits) -> list[Tool]:
    """Tools that talk to the two agents of one session."""

    async def send_to_nested(arguments: Arguments, report: Report) -> str:
        return await nested.ask(arguments["text"], report)

    async def send_to_claude_code(arguments: Arguments, report: Report) -> str:
        return await claude.ask(arguments["text"], report)

    async def pause(_: Arguments, __: Report) -> str:
        return _done(await nested.cancel(), "The agent team was told to stop.")

    async def reset(_: Arguments, __: Report) -> str:
        return _done(await nested.reset(), "The agent team starts afresh.")

    async def pause_claude_code(_: Arguments, __: Report) -> str:
        return _done(await claude.cancel(), "Claude Code was told to stop.")

    def policy(name: str) -> Policy:
        return limits.policies.get(name, POLICIES[name])

    def task(name: str, description: str, run: Any) -> Tool:
        return Tool(
            name,
            description,
            run,
            _TEXT,
            policy=policy(name),
            timeout_s=limits.timeout_s,
            background_after_s=limits.background_after_s,
        )

    def stop(name: str, description: str, run: Any) -> Tool:
        return Tool(name, description, run, policy=policy(name))

    return [
        task(
            "send_to_nested",
            "Give a task or a message to the agent team and get its answer.",
            send_to_nested,
        ),
        task(
            "send_to_claude_code",
            "Give a programming task to Claude Code and get its answer.",
            send_to_claude_code,
        ),
        stop("pause", "Stop what the agent team is doing now.", pause),
        stop("reset", "Stop the agent team and let it start afresh.", reset),
        stop(
            "pause_claude_code",
            "Stop what Claude Code is doing now.",
            pause_claude_code,
        ),
    ]


def _done(was_running: bool, message: str) -> str:
    return message if was_running else "Nothing was running."

"""The five tools of the voice assistant."""

from typing import Any

from server.tools.registry import Arguments, Tool, ToolRegistry
from server.tools.runner import Runner

_TEXT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "description": "The message, in full sentences."}
    },
    "required": ["text"],
    "additionalProperties": False,
}


def builtin_tools(nested: Runner, claude: Runner, *, timeout_s: float) -> ToolRegistry:
    """Tools that talk to the two runners of one session."""

    async def send_to_nested(arguments: Arguments) -> str:
        return await nested.ask(arguments["text"])

    async def send_to_claude_code(arguments: Arguments) -> str:
        return await claude.ask(arguments["text"])

    async def pause(_: Arguments) -> str:
        return _done(await nested.cancel(), "The agent team was told to stop.")

    async def reset(_: Arguments) -> str:
        return _done(await nested.reset(), "The agent team starts afresh.")

    async def pause_claude_code(_: Arguments) -> str:
        return _done(await claude.cancel(), "Claude Code was told to stop.")

    return ToolRegistry(
        [
            Tool(
                "send_to_nested",
                "Give a task or a message to the agent team and get its answer.",
                send_to_nested,
                _TEXT,
                timeout_s,
            ),
            Tool(
                "send_to_claude_code",
                "Give a programming task to Claude Code and get its answer.",
                send_to_claude_code,
                _TEXT,
                timeout_s,
            ),
            Tool("pause", "Stop what the agent team is doing now.", pause),
            Tool("reset", "Stop the agent team and let it start afresh.", reset),
            Tool(
                "pause_claude_code",
                "Stop what Claude Code is doing now.",
                pause_claude_code,
            ),
        ]
    )


def _done(was_running: bool, message: str) -> str:
    return message if was_running else "Nothing was running."

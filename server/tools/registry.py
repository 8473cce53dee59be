"""Tools by name, with the schema the model is given and the function that runs them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from server import foreign_json
from server.errors import ToolError
from server.tools.runner_events import RunnerEvent
from server.tools.schema import mismatch

Arguments: TypeAlias = Mapping[str, Any]
Report: TypeAlias = Callable[[RunnerEvent], None]
"""Takes what happens inside a call, for narration and the screen."""
Function: TypeAlias = Callable[[Arguments, Report], Awaitable[str]]
Policy: TypeAlias = Literal["allow", "confirm", "deny"]

NO_PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}
MAX_ARGUMENT_CHARS = 64_000


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool. `run` returns the result in words, or raises ToolError."""

    name: str
    description: str
    run: Function
    parameters: Mapping[str, Any] = field(default_factory=lambda: NO_PARAMETERS)
    policy: Policy = "confirm"
    """Whether a call runs at once, after somebody's yes, or never. What may change
    things is not allowed by default."""
    timeout_s: float = 30.0
    """Of the run, without the wait for a confirmation."""
    background_after_s: float | None = None
    """A call that takes longer goes on in the background: the model is told so, and
    gets the result as narration. None: the model waits."""
    max_result_chars: int = 8_000
    max_running: int = 4
    """Calls of this tool at once in one session; more are refused in words."""

    def schema(self) -> dict[str, Any]:
        """The entry of `session.tools`."""
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": dict(self.parameters),
        }


class ToolRegistry:
    """The tools of one session. Names are unique: the first one of a name stays."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            self._tools.setdefault(tool.name, tool)

    def schemas(self) -> list[dict[str, Any]]:
        """The `tools` of the session's configuration; what is denied is not offered."""
        return [t.schema() for t in self._tools.values() if t.policy != "deny"]

    def find(self, name: str) -> Tool:
        """The tool of that name.

        Raises:
            ToolError: there is none.
        """
        try:
            return self._tools[name]
        except KeyError:
            known = ", ".join(n for n, t in self._tools.items() if t.policy != "deny")
            message = f"There is no tool {name[:64]!r}. Known tools: {known}."
            raise ToolError(message, user_message=message) from None


def parse_arguments(tool: Tool, text: str) -> Arguments:
    """The arguments, which the model sends as a JSON string.

    Raises:
        ToolError: not a JSON object, or not what the tool's schema wants. The message
            is written for the model.
    """
    if len(text) > MAX_ARGUMENT_CHARS:
        raise _bad_arguments(tool, "they are too long")
    try:
        arguments = foreign_json.loads(text or "{}")
    except ValueError:
        raise _bad_arguments(tool, "they are not valid JSON") from None
    if not isinstance(arguments, dict):
        raise _bad_arguments(tool, "they are not an object")
    problem = mismatch(tool.parameters, arguments)
    if problem is not None:
        raise _bad_arguments(tool, problem)
    return arguments


def _bad_arguments(tool: Tool, why: str) -> ToolError:
    message = f"The arguments of {tool.name} cannot be used: {why}."
    return ToolError(message, user_message=message)

"""Tools by name, with the schema the model is given and the function that runs them."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from server.errors import ToolError

Arguments: TypeAlias = Mapping[str, Any]

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
    run: Callable[[Arguments], Awaitable[str]]
    parameters: Mapping[str, Any] = field(default_factory=lambda: NO_PARAMETERS)
    timeout_s: float = 30.0

    def schema(self) -> dict[str, Any]:
        """The entry of `session.tools`."""
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": dict(self.parameters),
        }


class ToolRegistry:
    """The tools of one session."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def schemas(self) -> list[dict[str, Any]]:
        """The `tools` of the session's configuration."""
        return [tool.schema() for tool in self._tools.values()]

    def find(self, name: str) -> Tool:
        """The tool of that name.

        Raises:
            ToolError: there is none.
        """
        try:
            return self._tools[name]
        except KeyError:
            known = ", ".join(self._tools)
            message = f"There is no tool {name!r}. Known tools: {known}."
            raise ToolError(message, user_message=message) from None


def parse_arguments(tool: Tool, text: str) -> Arguments:
    """The arguments, which the model sends as a JSON string.

    Raises:
        ToolError: not a JSON object, or a required argument is missing or of the
            wrong type. The message is written for the model.
    """
    if len(text) > MAX_ARGUMENT_CHARS:
        raise _bad_arguments(tool, "they are too long")
    try:
        arguments = json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise _bad_arguments(tool, "they are not valid JSON") from None
    if not isinstance(arguments, dict):
        raise _bad_arguments(tool, "they are not an object")
    for name in tool.parameters.get("required", ()):
        value = arguments.get(name)
        if tool.parameters["properties"][name].get("type") == "string" and not (
            isinstance(value, str) and value.strip()
        ):
            raise _bad_arguments(tool, f"{name!r} must be a text that is not empty")
    return arguments


def _bad_arguments(tool: Tool, why: str) -> ToolError:
    message = f"The arguments of {tool.name} cannot be used: {why}."
    return ToolError(message, user_message=message)

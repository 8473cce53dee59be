"""Tools of other Python packages: entry points of the group `voicebridge.tools`.

An entry point is a Tool, an iterable of them, or a function without arguments that
returns either. Only those the tools file names are loaded: installing a package must
not give the model new powers.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points

from server.errors import StartError
from server.tools.config import PythonToolConfig
from server.tools.registry import Tool

GROUP = "voicebridge.tools"


def load_python_tools(
    wanted: Sequence[PythonToolConfig], installed: Iterable[EntryPoint] | None = None
) -> list[Tool]:
    """The tools of all entries.

    Raises:
        StartError: one is not installed, breaks, or is not a tool.
    """
    if not wanted:
        return []
    found = entry_points(group=GROUP) if installed is None else installed
    by_name = {entry.name: entry for entry in found}
    tools = []
    for entry in wanted:
        if entry.name not in by_name:
            known = ", ".join(sorted(by_name)) or "none"
            raise StartError(
                f"python tool {entry.name!r} is not installed; installed: {known}"
            )
        for tool in _tools_of(by_name[entry.name]):
            policy = entry.policy or tool.policy
            tools.append(replace(tool, policy=policy))
    return tools


def _tools_of(entry: EntryPoint) -> list[Tool]:
    try:
        value = entry.load()
        if callable(value) and not isinstance(value, Tool):
            value = value()
        tools = [value] if isinstance(value, Tool) else list(value)
    except Exception as exc:
        # Somebody else's code; whatever is wrong with it, say which one it is.
        raise StartError(
            f"python tool {entry.name!r} ({entry.value}): {exc!r}"
        ) from exc
    if not all(isinstance(tool, Tool) for tool in tools):
        raise StartError(f"python tool {entry.name!r} ({entry.value}) is not a Tool")
    for tool in tools:
        try:
            json.dumps(tool.schema(), allow_nan=False)
        except (TypeError, ValueError):
            # It is part of every session's configuration, which would be refused.
            raise StartError(
                f"python tool {entry.name!r} ({entry.value}): the parameters of "
                f"{tool.name!r} are no JSON"
            ) from None
    return tools

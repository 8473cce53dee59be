"""What the tools file names, read and checked before anything is started."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from server.errors import StartError
from server.tools.builtin import POLICIES
from server.tools.config import ToolsConfig
from server.tools.entry_points import load_python_tools
from server.tools.mcp_server import name_of
from server.tools.registry import Policy, Tool
from server.tools.tool_file import load


@dataclass(frozen=True, slots=True)
class FurtherTools:
    """Beside the five that are built in."""

    config: ToolsConfig = field(default_factory=ToolsConfig)
    python: tuple[Tool, ...] = ()
    """Of installed packages, as the file names them."""


def read_further_tools(
    path: Path | None, policies: Mapping[str, Policy]
) -> FurtherTools:
    """The tools of a file, none without one.

    Args:
        path: the tools file.
        policies: `VOICEBRIDGE_TOOL_POLICIES`, over what each tool says itself.

    Raises:
        StartError: the file is bad, a Python tool cannot be loaded, or a policy is of
            no tool there can be: whoever denies `delet` means to deny something.
    """
    config = ToolsConfig() if path is None else load(path)
    tools = FurtherTools(config, tuple(load_python_tools(config.python)))
    known = {*POLICIES, *(entry.name for entry in config.http)}
    known |= {tool.name for tool in tools.python} | {*_named_mcp_tools(config)}
    for name in policies:
        if name not in known and not _may_be_listed(name, config):
            raise StartError(_unknown(name, known))
    return tools


def _named_mcp_tools(config: ToolsConfig) -> Iterator[str]:
    for server in config.mcp:
        for tool in server.tools:
            yield name_of(server.name, tool)


def _may_be_listed(name: str, config: ToolsConfig) -> bool:
    """Whether an MCP server may offer it: which tools it has it tells only later."""
    prefixes = (name_of(server.name, "") for server in config.mcp if not server.tools)
    return any(
        re.fullmatch(re.escape(prefix) + r"[A-Za-z0-9_-]+", name) for prefix in prefixes
    )


def _unknown(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return (
        f"VOICEBRIDGE_TOOL_POLICIES: unknown_tool: there is no tool {name[:64]!r}"
        f"{meant or '; there are ' + ', '.join(sorted(known))}"
    )

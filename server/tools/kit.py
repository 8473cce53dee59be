"""The further tools of this server, shared by its sessions."""

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

import aiohttp

from server.tools.further import FurtherTools
from server.tools.http_tool import http_tool
from server.tools.mcp_server import McpServer
from server.tools.registry import Policy, Tool, ToolRegistry

logger = logging.getLogger(__name__)

MAX_TOOLS = 128
MAX_SCHEMA_CHARS = 100_000
"""Of all tools of a session together: it is part of every session's configuration."""
LISTING_PATIENCE_S = 3.0
"""How long a session waits for servers that have only just been started."""


class ToolKit:
    """HTTP and Python tools, and MCP servers while `run` runs."""

    def __init__(
        self, tools: FurtherTools, client: aiohttp.ClientSession, *, timeout_s: float
    ) -> None:
        """
        Args:
            tools: what the tools file names.
            client: for HTTP tools; shared, the caller's to close, without cookies.
            timeout_s: of tools that have no time of their own.
        """
        config = tools.config
        self._fixed = [
            http_tool(entry, client, timeout_s=timeout_s) for entry in config.http
        ]
        self._fixed += tools.python
        self._servers = [McpServer(e, timeout_s=timeout_s) for e in config.mcp]

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the MCP servers running until `stop`."""
        async with asyncio.TaskGroup() as tasks:
            for server in self._servers:
                tasks.create_task(server.run(stop), name=f"mcp {server.name}")

    async def tools(self) -> list[Tool]:
        """All of them, as they are now. Waits a little for servers just started."""
        try:
            async with asyncio.timeout(LISTING_PATIENCE_S):
                for server in self._servers:
                    await server.wait_listed()
        except TimeoutError:
            logger.warning("a session begins without the tools of every mcp server")
        return [*self._fixed, *(t for s in self._servers for t in s.tools())]

    def readiness(self) -> dict[str, bool]:
        """Each MCP server, and whether its tools can be called now."""
        return {server.name: server.is_ready for server in self._servers}


def registry_of(
    builtin: Iterable[Tool], further: Iterable[Tool], policies: Mapping[str, Policy]
) -> ToolRegistry:
    """One session's tools: unique names, policies of the server, sizes in bounds.

    The built-in tools come first, so no server can take the place of `pause`.
    """
    chosen: dict[str, Tool] = {}
    left = MAX_SCHEMA_CHARS
    for tool in (*builtin, *further):
        size = len(json.dumps(tool.schema()))
        if tool.name in chosen:
            logger.warning("tool %s exists already and is left out", tool.name)
        elif len(chosen) >= MAX_TOOLS or size > left:
            logger.warning("tool %s is one too many and is left out", tool.name)
        else:
            left -= size
            policy = policies.get(tool.name, tool.policy)
            chosen[tool.name] = replace(tool, policy=policy)
    return ToolRegistry(chosen.values())

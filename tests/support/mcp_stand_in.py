"""MCP servers for tests, good and bad: `python mcp_stand_in.py <kind> [port]`."""

import asyncio
import json
import os
import sys
import time


def good(port: int | None) -> None:
    """A server of the official SDK, over stdio or streamable HTTP."""
    from mcp.server.mcpserver import Context, MCPServer
    from mcp.server.mcpserver.exceptions import ToolError

    server = MCPServer("stand-in")

    @server.tool()
    def echo(text: str) -> str:
        """Say the same."""
        return text

    @server.tool()
    async def work(steps: int, ctx: Context) -> str:
        """Report progress."""
        for n in range(steps):
            await ctx.report_progress(n + 1, steps, f"step {n + 1}")
        return "worked"

    @server.tool()
    def fail() -> str:
        """Always fails."""
        raise ToolError("no such file")

    @server.tool()
    def huge() -> str:
        """Far too much."""
        return "x" * (8 << 20)

    @server.tool()
    async def wait(seconds: float) -> str:
        """Take time."""
        await asyncio.sleep(seconds)
        return "waited"

    @server.tool()
    def die() -> str:
        """End the process."""
        os._exit(1)

    @server.tool()
    def environment() -> str:
        """Names of what it can see."""
        return json.dumps(sorted(os.environ))

    if port is None:
        server.run("stdio")
    else:
        server.run("streamable-http", port=port)


def main() -> None:
    kind = sys.argv[1]
    if kind == "good":
        good(int(sys.argv[2]) if len(sys.argv) > 2 else None)
    elif kind == "silent":
        time.sleep(600)
    elif kind == "dead":
        sys.exit(1)
    elif kind == "flood":  # a line without end
        while True:
            os.write(1, b"x" * 65_536)
    elif kind == "garbage":
        while True:
            os.write(
                1, b'{"jsonrpc":"2.0","id":1,"result":[[[[[[[[]]]]]]]]}\nnot json\n'
            )
            time.sleep(0.001)
    elif kind == "names":
        names(json.loads(sys.argv[2]))


def names(tools: list[dict[str, object]]) -> None:
    """A hand-written server with any list of tools."""
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        reply: dict[str, object] = {"jsonrpc": "2.0", "id": message["id"]}
        if message["method"] == "initialize":
            reply["result"] = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "names", "version": "1"},
            }
        elif message["method"] == "tools/list":
            reply["result"] = {"tools": tools}
        else:
            reply["error"] = {"code": -32601, "message": "unknown method"}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

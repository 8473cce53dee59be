"""MCP tools, against the servers that the scenario describes.

The service lists a server's tools when a session names it, calls them itself while a
response is generated, and asks for approval first where the session wants that.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fake_openai.scenario.director import PlannedCall
from fake_openai.scenario.models import McpServer, McpTool
from fake_openai.scenario.template import fill_all
from fake_openai.session.agenda import Script
from fake_openai.session.generation import Steps
from fake_openai.session.items import (
    mcp_approval_request,
    mcp_call,
    mcp_list_tools,
)
from fake_openai.session.parts import Parts
from fake_openai.session.response_stream import ResponseStream

Json = dict[str, Any]


class Mcp:
    """Listings, calls and approvals of one session."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        servers = parts.director.scenario.mcp_servers
        self._servers = {server.label: server for server in servers}
        self._listed: dict[str, Json] = {}
        self._ready: set[str] = set()
        self._pending: dict[str, PlannedCall] = {}
        self._approved: dict[str, str] = {}

    def offered(self, tools: list[Json]) -> frozenset[tuple[str, str]]:
        """(label, tool) pairs that a response with these tools may call."""
        pairs = set()
        for entry in tools:
            label = entry.get("server_label")
            if entry.get("type") == "mcp" and label in self._ready:
                for tool in self._allowed(entry):
                    pairs.add((label, tool.name))
        return frozenset(pairs)

    def tools_changed(self, tools: list[Json]) -> None:
        """List the tools of every server that is new in the session."""
        for entry in tools:
            label = entry.get("server_label")
            if entry.get("type") == "mcp" and self._listed.get(label or "") != entry:
                self._listed[str(label)] = entry
                steps = self._list(str(label), entry)
                Script(self._parts.agenda, steps).resume()

    def is_pending(self, approval_id: str) -> bool:
        """A call waits for this approval."""
        return approval_id in self._pending

    def take_pending(self, approval_id: str) -> PlannedCall | None:
        """The call that waits for this approval; it waits no longer."""
        return self._pending.pop(approval_id, None)

    def approve(self, approval_id: str, call: PlannedCall) -> None:
        """Let a call that waited go ahead when it comes up next."""
        self._approved[_key(call)] = approval_id

    def call_steps(
        self,
        stream: ResponseStream,
        call: PlannedCall,
        values: Mapping[str, Any],
        start_s: float,
    ) -> Steps:
        """One call within a response, or the request to approve it."""
        label = str(call.mcp)
        approval_id = self._approved.pop(_key(call), None)
        if approval_id is None and self._needs_approval(label, call.name):
            item_id = self._parts.outbox.new_id("mcpr")
            request = mcp_approval_request(item_id, label, call.name, call.arguments)
            stream.open_item(request)
            stream.close("completed")
            self._pending[item_id] = call
            return start_s, None
        item_id = self._parts.outbox.new_id("mcp")
        item = mcp_call(item_id, label, call.name, approval_id)
        stream.open_item(item)
        stream.mcp_arguments(call.arguments)
        stream.mcp_arguments_done()
        stream.mcp_call("in_progress")
        tool = self._tool(label, call.name)
        delay = self._parts.timing.mcp
        if tool is not None and tool.takes is not None:
            delay = tool.takes
        end_s = start_s + self._parts.delay_s(delay)
        yield end_s
        error = _error_of(tool, call.name)
        if error is None and tool is not None:
            item.body["output"] = _as_text(fill_all(tool.output, values))
        else:
            item.body["error"] = error
        stream.mcp_call("failed" if error is not None else "completed")
        stream.close("completed")
        return end_s, None

    def _list(self, label: str, entry: Json) -> Iterator[float]:
        outbox, conversation = self._parts.outbox, self._parts.conversation
        item = mcp_list_tools(outbox.new_id("mcpl"), label)
        previous = conversation.last_id
        conversation.add(item)
        outbox.emit(
            "conversation.item.added", previous_item_id=previous, item=item.public()
        )
        outbox.emit("mcp_list_tools.in_progress", item_id=item.id)
        yield self._parts.now_s + self._parts.delay_s(self._parts.timing.mcp)
        server = self._servers.get(label)
        if server is None or server.fails:
            outbox.emit("mcp_list_tools.failed", item_id=item.id)
        else:
            item.body["tools"] = [_listed(tool) for tool in self._allowed(entry)]
            self._ready.add(label)
            outbox.emit("mcp_list_tools.completed", item_id=item.id)
        if conversation.get(item.id) is not None:
            outbox.emit(
                "conversation.item.done",
                previous_item_id=conversation.previous_id(item.id),
                item=item.public(),
            )

    def _allowed(self, entry: Json) -> list[McpTool]:
        server = self._servers.get(entry["server_label"])
        tools = list(server.tools) if server is not None else []
        allowed = entry.get("allowed_tools")
        if isinstance(allowed, list):
            return [tool for tool in tools if tool.name in allowed]
        if isinstance(allowed, dict):
            return [tool for tool in tools if _passes(tool, allowed)]
        return tools

    def _needs_approval(self, label: str, name: str) -> bool:
        entry = self._listed.get(label, {})
        tool = self._tool(label, name)
        wanted = entry.get("require_approval") or "always"
        if isinstance(wanted, str):
            return wanted == "always"
        if tool is not None and "never" in wanted and _passes(tool, wanted["never"]):
            return False
        if tool is not None and "always" in wanted:
            return _passes(tool, wanted["always"])
        return True

    def _tool(self, label: str, name: str) -> McpTool | None:
        server: McpServer | None = self._servers.get(label)
        tools = server.tools if server is not None else ()
        return next((tool for tool in tools if tool.name == name), None)


def _key(call: PlannedCall) -> str:
    return f"{call.mcp}\n{call.name}\n{call.arguments}"


def _passes(tool: McpTool, tool_filter: Json) -> bool:
    names = tool_filter.get("tool_names")
    if names is not None and tool.name not in names:
        return False
    read_only = tool_filter.get("read_only")
    return read_only is None or tool.read_only == read_only


def _listed(tool: McpTool) -> Json:
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.input_schema,
        "annotations": {"readOnlyHint": tool.read_only},
    }


def _error_of(tool: McpTool | None, name: str) -> Json | None:
    if tool is None:
        message = f"Unknown tool: {name}"
        return {"type": "protocol_error", "code": -32602, "message": message}
    if tool.error is not None:
        return {"type": "tool_execution_error", "message": tool.error}
    return None


def _as_text(output: Any) -> str:
    return output if isinstance(output, str) else json.dumps(output)

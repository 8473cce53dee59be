"""What a response is about: read off the items that are fresh. Pure."""

from collections.abc import Iterable
from typing import Any

from fake_openai.scenario.director import Situation, ToolResult
from fake_openai.session.conversation import Conversation
from fake_openai.session.items import Item


def text_of(item: Item) -> str | None:
    """The words of a message, typed or heard; None if there are none."""
    if item.text is not None:
        return item.text
    texts = [part["text"] for part in item.content if part.get("text")]
    return " ".join(texts) if texts else None


def situation_of(
    items: Iterable[Item],
    conversation: Conversation,
    *,
    instructions: str,
    tools: list[dict[str, Any]],
    tool_choice: Any,
    turn: int,
    silence: bool = False,
    offered_mcp: frozenset[tuple[str, str]] = frozenset(),
) -> Situation:
    """The situation that these items make.

    Of several user messages the last counts, and of everything else what came after it:
    a replayed history does not answer for what the user says now.
    """
    said: Item | None = None
    results: list[ToolResult] = []
    system: list[str] = []
    approval: bool | None = None
    for item in items:
        if item.role == "user":
            said, results, system = item, [], []
        elif item.kind == "function_call_output":
            results.append(_result(item, conversation))
        elif item.kind == "mcp_call":
            results.append(_mcp_result(item))
        elif item.kind == "mcp_approval_response":
            approval = bool(item.body["approve"])
        elif item.role == "system":
            system.append(text_of(item) or "")
    return Situation(
        text=None if said is None else text_of(said) or "",
        spoken=said is not None and bool(said.heard_samples),
        recognised=said is None or said.recognised,
        utterance_id=None if said is None else said.utterance_id,
        results=tuple(results),
        system=tuple(system),
        instructions=instructions,
        silence=silence,
        approval=approval,
        offered=_offered(tools, tool_choice),
        offered_mcp=frozenset() if tool_choice == "none" else offered_mcp,
        turn=turn,
    )


def _result(item: Item, conversation: Conversation) -> ToolResult:
    call = conversation.function_call(item.body["call_id"])
    name = "" if call is None else str(call.body["name"])
    arguments = "{}" if call is None else str(call.body["arguments"])
    return ToolResult(name, str(item.body["output"]), arguments)


def _mcp_result(item: Item) -> ToolResult:
    error = item.body.get("error")
    output = item.body.get("output") or ""
    if error is not None:
        output = f'{{"error": "{error["type"]}"}}'
    return ToolResult(str(item.body["name"]), str(output), item.body["arguments"])


def _offered(tools: list[dict[str, Any]], tool_choice: Any) -> frozenset[str]:
    names = {tool["name"] for tool in tools if tool.get("type") == "function"}
    if tool_choice == "none":
        return frozenset()
    if isinstance(tool_choice, dict) and tool_choice.get("type") == "function":
        return frozenset(names & {tool_choice["name"]})
    return frozenset(names)

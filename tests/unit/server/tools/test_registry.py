"""What tools there are, who may use them, and what the model is told of them."""

from server.tools.builtin import POLICIES, TYPED_TOOL, RunLimits, builtin_tools
from server.tools.registry import NO_PARAMETERS, Tool, ToolRegistry, parse_arguments
from tests.support.odd_tools import TOOLS, echo


def test_a_tool_without_parameters_takes_an_empty_string() -> None:
    assert parse_arguments(Tool("x", "", echo), "") == {}
    assert NO_PARAMETERS["additionalProperties"] is False


def test_a_tool_is_not_allowed_unless_somebody_says_so() -> None:
    assert Tool("x", "", echo).policy == "confirm"


def test_a_denied_tool_is_not_offered_to_the_model() -> None:
    assert "forbidden" not in {s["name"] for s in TOOLS.schemas()}


def test_the_five_tools_have_schemas_the_model_can_read() -> None:
    registry = ToolRegistry(builtin_tools(None, None, RunLimits()))  # type: ignore[arg-type]

    schemas = {s["name"]: s for s in registry.schemas()}

    assert set(schemas) == set(POLICIES)
    assert all(s["type"] == "function" and s["description"] for s in schemas.values())
    assert schemas["send_to_nested"]["parameters"]["required"] == ["text"]
    assert set(TYPED_TOOL.values()) < set(schemas)
    assert registry.find("send_to_claude_code").policy == "confirm"
    assert registry.find("pause").policy == "allow"

"""Tools run beside the call; their outputs always come, once, in words."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from server.errors import ToolError
from server.tools.builtin import builtin_tools
from server.tools.executor import MAX_RUNNING, ToolExecutor
from server.tools.registry import NO_PARAMETERS, Tool, ToolRegistry, parse_arguments

TEXT = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
}


async def echo(arguments: Mapping[str, Any]) -> str:
    return str(arguments["text"])


async def refuse(_: Mapping[str, Any]) -> str:
    raise ToolError("internal detail", user_message="It is closed today.")


async def break_down(_: Mapping[str, Any]) -> str:
    raise RuntimeError("secret path /etc")


async def for_ever(_: Mapping[str, Any]) -> str:
    await asyncio.Event().wait()
    raise AssertionError


TOOLS = ToolRegistry(
    [
        Tool("echo", "", echo, TEXT),
        Tool("refuse", "", refuse),
        Tool("break_down", "", break_down),
        Tool("for_ever", "", for_ever, timeout_s=0.01),
        Tool("really_for_ever", "", for_ever, timeout_s=1e6),
    ]
)


async def run(*calls: tuple[str, str]) -> dict[str, tuple[dict[str, Any], bool]]:
    """Submit calls (name, arguments), wait for as many outputs."""
    outputs: dict[str, tuple[dict[str, Any], bool]] = {}
    stop = asyncio.Event()

    def deliver(call_id: str, output: str, success: bool) -> None:
        assert call_id not in outputs
        outputs[call_id] = (json.loads(output), success)
        if len(outputs) == len(calls):
            stop.set()

    executor = ToolExecutor(TOOLS, deliver)
    for n, (name, arguments) in enumerate(calls):
        executor.submit(f"c{n}", name, arguments)
    await asyncio.wait_for(executor.run(stop), 5)
    return outputs


@pytest.mark.parametrize(
    ("name", "arguments", "output"),
    [
        ("echo", '{"text": "hi"}', {"success": True, "result": "hi"}),
        ("refuse", "", {"success": False, "error": "It is closed today."}),
        ("break_down", "{}", {"success": False, "error": "The tool failed."}),
        (
            "for_ever",
            "{}",
            {"success": False, "error": "for_ever took too long and was stopped."},
        ),
    ],
)
async def test_every_way_a_tool_can_end_is_an_output_in_words(
    name: str, arguments: str, output: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert await run((name, arguments)) == {"c0": (output, output["success"])}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("{", "not valid JSON"),
        ("[]", "not an object"),
        ("{}", "'text' must be"),
        ('{"text": 5}', "'text' must be"),
        ('{"text": "  "}', "'text' must be"),
        ('{"text": "' + "x" * 70_000 + '"}', "too long"),
    ],
)
async def test_arguments_that_cannot_be_used_are_explained(
    arguments: str, why: str
) -> None:
    output, success = (await run(("echo", arguments)))["c0"]

    assert not success
    assert why in output["error"]


async def test_an_unknown_tool_names_the_known_ones() -> None:
    output, success = (await run(("fly", "{}")))["c0"]

    assert not success
    assert "echo" in output["error"]


async def test_more_calls_than_allowed_are_refused_at_once() -> None:
    calls = [("for_ever", "{}")] * (MAX_RUNNING + 1)

    outputs = await run(*calls)

    assert "Too many" in outputs[f"c{MAX_RUNNING}"][0]["error"]


async def test_the_end_of_the_session_cancels_what_still_runs() -> None:
    stop = asyncio.Event()
    outputs: list[str] = []
    executor = ToolExecutor(TOOLS, lambda *output: outputs.append(output[0]))
    executor.submit("c0", "really_for_ever", "{}")
    running = asyncio.create_task(executor.run(stop))
    await asyncio.sleep(0)

    stop.set()
    await asyncio.wait_for(running, 5)
    executor.submit("c1", "echo", '{"text": "late"}')

    assert outputs == []


def test_a_tool_without_parameters_takes_an_empty_string() -> None:
    assert parse_arguments(Tool("x", "", echo), "") == {}
    assert NO_PARAMETERS["additionalProperties"] is False


def test_the_five_tools_have_schemas_the_model_can_read() -> None:
    registry = builtin_tools(None, None, timeout_s=1)  # type: ignore[arg-type]

    schemas = {s["name"]: s for s in registry.schemas()}

    assert set(schemas) == {
        "send_to_nested",
        "send_to_claude_code",
        "pause",
        "reset",
        "pause_claude_code",
    }
    assert all(s["type"] == "function" and s["description"] for s in schemas.values())
    assert schemas["send_to_nested"]["parameters"]["required"] == ["text"]

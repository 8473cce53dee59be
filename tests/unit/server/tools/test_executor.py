"""Tools run beside the call; their outputs always come, once, in words."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import ToolError, ToolStoppedError
from server.tools import runner_events as ev
from server.tools.builtin import POLICIES, TYPED_TOOL, RunLimits, builtin_tools
from server.tools.executor import MAX_RUNNING, ExecutorLimits, ToolExecutor
from server.tools.narration import Pace
from server.tools.registry import (
    NO_PARAMETERS,
    Arguments,
    Report,
    Tool,
    ToolRegistry,
    parse_arguments,
)
from tests.support.tool_door import MemoryDoor
from tests.support.virtual_time import run_virtually, virtual_time

TEXT = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1}},
    "required": ["text"],
}


async def echo(arguments: Arguments, _: Report) -> str:
    return str(arguments["text"])


async def half_a_character(_: Arguments, report: Report) -> str:
    report(ev.Said("Worker\ud800", "\udc00"))
    await asyncio.sleep(5)
    return "a\ud800b"


async def refuse(*_: Any) -> str:
    raise ToolError("internal detail", user_message="It is closed today.")


async def break_down(*_: Any) -> str:
    raise RuntimeError("secret path /etc")


async def for_ever(*_: Any) -> str:
    await asyncio.Event().wait()
    raise AssertionError


async def stop(*_: Any) -> str:
    raise ToolStoppedError


async def work(arguments: Arguments, report: Report) -> str:
    """Says what it does every 3 s for as long as `text` says."""
    for n in range(int(arguments["text"]) // 3):
        await asyncio.sleep(3)
        report(ev.Said("Worker", f"step {n + 1}"))
    return "All done."


def tool(name: str, run: Any, **options: Any) -> Tool:
    return Tool(name, "", run, **{"policy": "allow", **options})


TOOLS = ToolRegistry(
    [
        tool("echo", echo, parameters=TEXT),
        tool("refuse", refuse),
        tool("half_a_character", half_a_character),
        tool("break_down", break_down),
        tool("for_ever", for_ever, timeout_s=10),
        tool("single", for_ever, max_running=1),
        tool("stopped", stop),
        tool("delete", echo, parameters=TEXT, policy="confirm"),
        tool("forbidden", echo, parameters=TEXT, policy="deny"),
        tool("short", echo, parameters=TEXT, max_result_chars=10),
        tool("work", work, parameters=TEXT, timeout_s=3_600.0, background_after_s=10.0),
    ]
)
LIMITS = ExecutorLimits(
    confirm_timeout_s=60.0,
    pace=Pace(first_after_s=4, interval_s=5, update_after_s=30),
)


@asynccontextmanager
async def running() -> AsyncIterator[tuple[ToolExecutor, MemoryDoor]]:
    door, ended = MemoryDoor(), asyncio.Event()
    executor = ToolExecutor(TOOLS, door, LIMITS)
    task = asyncio.create_task(executor.run(ended))
    await asyncio.sleep(0)
    try:
        yield executor, door
    finally:
        ended.set()
        await task


async def output_of(name: str, arguments: str) -> dict[str, Any]:
    async with running() as (executor, door):
        executor.submit("c0", name, arguments)
        await door.until(lambda: "c0" in door.outputs, timeout_s=3_600)
        return door.outputs["c0"]


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
        (
            "short",
            '{"text": "0123456789ab"}',
            {"success": True, "result": "0123456789 … (shortened)"},
        ),
        (
            "forbidden",
            '{"text": "x"}',
            {
                "success": False,
                "error": "This server does not allow that tool. It was not done.",
                "denied": True,
            },
        ),
    ],
)
@virtual_time
async def test_every_way_a_tool_can_end_is_an_output_in_words(
    name: str, arguments: str, output: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert await output_of(name, arguments) == output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("{", "not valid JSON"),
        ('{"text": NaN}', "not valid JSON"),
        ("[]", "not an object"),
        ("{}", "'text' is missing"),
        ('{"text": 5}', "'text' must be of type string"),
        ('{"text": ""}', "'text' must be at least 1"),
        ('{"text": "' + "x" * 70_000 + '"}', "too long"),
    ],
)
@virtual_time
async def test_arguments_that_cannot_be_used_are_explained(
    arguments: str, why: str
) -> None:
    output = await output_of("echo", arguments)

    assert not output["success"]
    assert why in output["error"]


@virtual_time
async def test_whatever_a_tool_says_can_be_sent_on() -> None:
    """A surrogate by itself would end the socket to the model, or to a process."""
    async with running() as (executor, door):
        executor.submit("c0", "half_a_character", "{}")
        await door.until(lambda: "c0" in door.outputs, timeout_s=60)

    assert door.outputs["c0"]["result"] == "a\ufffdb"
    told = [n.text for n in door.notes] + [s.detail for s in door.statuses]
    assert "Worker\ufffd: \ufffd" in " ".join(told)
    assert [text.encode() for text in told]


@virtual_time
async def test_an_unknown_tool_names_the_known_ones() -> None:
    output = await output_of("fly", "{}")

    assert not output["success"]
    assert "echo" in output["error"]
    assert "forbidden" not in output["error"]


@virtual_time
async def test_more_calls_than_allowed_are_refused_at_once() -> None:
    async with running() as (executor, door):
        for n in range(MAX_RUNNING + 1):
            name, arguments = (
                ("for_ever", "{}") if n % 2 else ("delete", '{"text":"x"}')
            )
            executor.submit(f"c{n}", name, arguments)
        await asyncio.sleep(0)

        assert list(door.outputs) == [f"c{MAX_RUNNING}"]
        assert "Too many" in door.outputs[f"c{MAX_RUNNING}"]["error"]


@virtual_time
async def test_a_tool_has_a_limit_of_its_own() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "single", "{}")
        executor.submit("c1", "single", "{}")

        assert door.outputs == {
            "c1": {"success": False, "error": "single is running 1 times already."}
        }


@virtual_time
async def test_the_end_of_the_session_cancels_what_still_runs() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "single", "{}")
        executor.submit("c1", "delete", '{"text": "x"}')
        await asyncio.sleep(0)

    executor.submit("c2", "echo", '{"text": "late"}')
    executor.submit_typed("echo", "late")
    await asyncio.sleep(3_600)
    assert door.outputs == {}


@virtual_time
async def test_calls_that_come_before_the_session_is_open_are_run_then() -> None:
    door, ended = MemoryDoor(), asyncio.Event()
    executor = ToolExecutor(TOOLS, door, LIMITS)
    executor.submit("c0", "echo", '{"text": "early"}')
    task = asyncio.create_task(executor.run(ended))
    await door.until(lambda: door.outputs)
    ended.set()
    await task

    assert door.outputs["c0"]["result"] == "early"


@virtual_time
async def test_a_call_that_is_delivered_twice_runs_once() -> None:
    """The door to a worker may say a thing again after it was cut."""
    async with running() as (executor, door):
        executor.submit("c0", "echo", '{"text": "one"}')
        executor.submit("c0", "echo", '{"text": "two"}')
        await door.until(lambda: door.outputs)
        executor.submit("c0", "echo", '{"text": "three"}')
        await asyncio.sleep(100)

        assert door.outputs == {"c0": {"success": True, "result": "one"}}
        assert len(door.records) == 1


# --- confirmation


@virtual_time
async def test_a_dangerous_tool_waits_for_a_yes() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "delete", '{"text": "everything"}')
        await asyncio.sleep(30)
        assert door.outputs == {}
        asked = door.statuses[-1]
        assert asked.state == "awaiting_confirmation"
        assert asked.arguments == '{"text": "everything"}'
        assert asked.expires_s == 60
        assert [n.speak for n in door.notes] == [True]
        assert door.notes[0].text.startswith("[CONFIRMATION_NEEDED] delete")

        assert executor.confirm("c0", True, "Ann") is True
        await door.until(lambda: door.outputs)

        assert door.outputs["c0"]["success"] is True
        assert door.states("c0") == ["awaiting_confirmation", "progress", "finished"]
        assert door.records[0].waited_s == pytest.approx(30)


@virtual_time
async def test_a_no_is_told_the_model_in_words() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "delete", '{"text": "x"}')
        await asyncio.sleep(0)
        executor.confirm("c0", False, "Ann")
        await door.until(lambda: door.outputs)

        assert door.outputs["c0"]["denied"] is True
        assert "must not be done" in door.outputs["c0"]["error"]
        assert door.states("c0")[-1] == "denied"
        assert door.records[0].end == "denied"


@virtual_time
async def test_no_answer_is_a_no() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "delete", '{"text": "x"}')
        await asyncio.sleep(59.9)
        assert door.outputs == {}
        await asyncio.sleep(0.2)

        assert "Nobody approved" in door.outputs["c0"]["error"]
        assert executor.confirm("c0", True, "late") is False


@virtual_time
async def test_the_first_answer_counts_and_strangers_do_not() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "delete", '{"text": "x"}')
        executor.submit("c1", "single", "{}")
        await asyncio.sleep(0)

        assert executor.awaiting_confirmation == ("c0",)
        assert executor.confirm("nobody", True, "x") is False
        assert executor.confirm("c1", True, "x") is False
        assert executor.confirm("c0", False, "x") is True
        assert executor.confirm("c0", True, "x") is False
        await door.until(lambda: door.outputs)
        assert door.outputs["c0"]["denied"] is True


@virtual_time
async def test_bad_arguments_are_refused_before_anybody_is_asked() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "delete", "{}")
        await door.until(lambda: door.outputs)

        assert door.states("c0") == ["failed"]
        assert door.notes == []


# --- runs that take long


@virtual_time
async def test_a_quick_run_is_its_output_and_nothing_else() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "work", '{"text": "3"}')
        await asyncio.sleep(3_600)

        assert door.outputs["c0"] == {"success": True, "result": "All done."}
        assert door.notes == []
        assert door.states("c0") == ["progress", "finished"]


@virtual_time
async def test_a_long_run_frees_the_model_and_tells_its_end_once() -> None:
    async with running() as (executor, door):
        executor.submit("c0", "work", '{"text": "60"}')
        await asyncio.sleep(9.9)
        assert door.outputs == {}
        await asyncio.sleep(0.2)
        assert door.outputs["c0"]["status"] == "running"
        await asyncio.sleep(3_600)

        end = door.notes[-1]
        assert end.text == "[RUN_FINISHED] work, run 1: All done."
        assert [n.text.split()[0] for n in door.notes[:-1]] == (
            ["[RUN_PROGRESS]"] * (len(door.notes) - 1)
        )
        spoken = [n for n in door.notes if n.speak]
        assert len(spoken) == 2, "one update and the end"
        assert spoken[-1] is end
        assert door.states("c0")[-1] == "finished"
        assert door.records[0].in_background


@virtual_time
async def test_progress_on_the_screen_is_at_most_once_a_second() -> None:
    async def chatty(_: Arguments, report: Report) -> str:
        for n in range(100):
            await asyncio.sleep(0.1)
            report(ev.Said("A", str(n)))
        return "ok"

    door, ended = MemoryDoor(), asyncio.Event()
    executor = ToolExecutor(ToolRegistry([tool("chatty", chatty)]), door)
    task = asyncio.create_task(executor.run(ended))
    executor.submit("c0", "chatty", "{}")
    await door.until(lambda: door.outputs, timeout_s=60)
    ended.set()
    await task

    progress = [s.detail for s in door.statuses if s.state == "progress"]
    assert 9 <= len(progress) <= 12
    assert all(len(detail) <= 200 for detail in progress)


@virtual_time
async def test_what_the_user_stopped_needs_no_words_of_its_own() -> None:
    """`pause` has an output that is spoken; the run it stops has none."""
    async with running() as (executor, door):
        executor.submit("c0", "stopped", "{}")
        await door.until(lambda: door.outputs)

        assert door.spoken == {"c0": False}
        assert door.records[0].end == "stopped"


# --- text typed for an agent


@virtual_time
async def test_typed_text_runs_the_tool_and_its_end_is_narrated() -> None:
    async with running() as (executor, door):
        executor.submit_typed("work", "3")
        await door.until(lambda: any(n.speak for n in door.notes))

        assert [n.text for n in door.notes] == [
            "[TYPED] work, run 1: 3",
            "[RUN_FINISHED] work, run 1: All done.",
        ]
        assert door.outputs == {}
        assert door.states("typed_1") == ["started", "progress", "finished"]


@virtual_time
async def test_typed_text_needs_no_second_yes_but_a_denied_tool_stays_denied() -> None:
    async with running() as (executor, door):
        executor.submit_typed("delete", "x")
        executor.submit_typed("forbidden", "x")
        await door.until(lambda: len(door.records) == 2)

        assert [r.end for r in door.records] == ["finished", "denied"]
        assert door.notes[-1].text.startswith("[RUN_FAILED] forbidden")


# --- whatever happens


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["submit", "typed", "confirm", "sleep", "again", "sleep", "submit"]
            ),
            st.integers(0, 9),
            st.sampled_from(
                ["echo", "refuse", "break_down", "for_ever", "delete", "work", "fly"]
            ),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_every_call_ends_exactly_once(
    steps: list[tuple[str, int, str, bool]],
) -> None:
    """MemoryDoor refuses a second output of a call and a second note of a key."""

    async def play() -> None:
        async with running() as (executor, door):
            submitted = []
            for n, (step, number, name, yes) in enumerate(steps):
                if step == "submit":
                    submitted.append(f"c{n}")
                    arguments = json.dumps({"text": str(number * 9)})
                    executor.submit(f"c{n}", name, arguments)
                elif step == "again" and submitted:
                    executor.submit(submitted[number % len(submitted)], name, "{}")
                elif step == "typed" and name not in ("fly",):
                    executor.submit_typed(name, str(number))
                elif step == "confirm":
                    for call_id in executor.awaiting_confirmation[:1]:
                        executor.confirm(call_id, yes, "x")
                else:
                    await asyncio.sleep(number)
            await asyncio.sleep(10_000)

            assert sorted(door.outputs) == sorted(submitted)
            background = [
                c for c, o in door.outputs.items() if o.get("status") == "running"
            ]
            ends = [n for n in door.notes if n.key.endswith(":end")]
            typed = [n for n in door.notes if n.key.endswith(":typed")]
            assert len(ends) == len(background) + len(typed)
            assert len(door.records) == len(submitted) + len(typed)

    run_virtually(play())


# --- the tools themselves


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

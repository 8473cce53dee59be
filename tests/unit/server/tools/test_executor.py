"""Tools run beside the call; their outputs always come, once, in words."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.tools.executor import MAX_RUNNING, ToolExecutor
from tests.support.odd_tools import LIMITS, TOOLS, running
from tests.support.tool_door import MemoryDoor
from tests.support.virtual_time import run_virtually, virtual_time


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
async def test_what_a_tool_has_no_number_for_is_null() -> None:
    output = await output_of("not_a_number", "{}")

    assert json.loads(output["result"]) == {"mean": None, "worst": [None, 2]}


@virtual_time
async def test_a_tool_whose_helper_was_cancelled_has_failed_and_says_so() -> None:
    output = await output_of("cancel_itself", "{}")

    assert output == {"success": False, "error": "The tool failed."}


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

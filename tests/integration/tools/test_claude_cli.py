"""Claude Code as a child process: a real process stands in for the CLI."""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from server.errors import ToolError, ToolStoppedError
from server.tools import claude_cli
from server.tools import runner_events as ev
from server.tools.claude_cli import ClaudeCli, ClaudeCommand
from tests.support import claude_stand_in
from tests.support.waiting import eventually

STAND_IN = (sys.executable, claude_stand_in.__file__)


class Follower:
    """What was reported."""

    def __init__(self) -> None:
        self.events: list[ev.RunnerEvent] = []

    def __call__(self, event: ev.RunnerEvent) -> None:
        self.events.append(event)

    def said(self, pattern: str) -> str:
        """The group of the first thing said that matches; empty if none."""
        for event in self.events:
            if isinstance(event, ev.Said) and (m := re.search(pattern, event.text)):
                return m.group(1)
        return ""


@pytest.fixture
async def claude(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ClaudeCli]:
    monkeypatch.setattr(claude_cli, "GRACE_S", 0.3)
    command = ClaudeCommand(STAND_IN, tmp_path, allowed_tools=("Read", "Bash(ls:*)"))
    cli = ClaudeCli(command, asyncio.Semaphore(2))
    yield cli
    await cli.close()


def is_alive(pid: str) -> bool:
    with suppress(ProcessLookupError):
        os.kill(int(pid), 0)
        # A zombie that init has not collected is dead enough.
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    return False


async def test_a_request_runs_to_its_result_with_its_steps_reported(
    claude: ClaudeCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-agents")
    monkeypatch.setenv("VOICEBRIDGE_API_KEYS", "me:secret")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "its-own")
    follower = Follower()

    answer = await claude.ask("work hard", follower)

    assert answer.startswith("Done: work hard ")
    seen: dict[str, Any] = json.loads(answer.removeprefix("Done: work hard "))
    assert seen["argv"] == [
        "--print",
        "--verbose",
        *("--input-format", "stream-json", "--output-format", "stream-json"),
        *("--permission-mode", "default", "--allowedTools", "Read,Bash(ls:*)"),
    ]
    assert seen["cwd"] == str(tmp_path)
    assert "ANTHROPIC_API_KEY" in seen["env"]
    assert not [n for n in seen["env"] if n.startswith(("OPENAI", "VOICEBRIDGE"))]
    assert follower.events == [
        ev.RunStarted(),
        ev.Said("Claude Code", "I look."),
        ev.ToolStarted("Claude Code", "Read", "t1"),
        ev.ToolStarted("Claude Code", "Bash", "t2"),
        ev.ToolEnded("tool", "three lines", False, "t1"),
        ev.ToolEnded("tool", "exit 1", True, "t2"),
        ev.Said("Claude Code", "I have looked."),
        ev.RunResult(answer, success=True, is_last=True),
    ]


async def test_the_second_request_goes_on_with_the_conversation(
    claude: ClaudeCli,
) -> None:
    await claude.ask("work", Follower())
    second = await claude.ask("work", Follower())
    await claude.reset()
    third = await claude.ask("work", Follower())

    assert f'"--resume", "{claude_stand_in.SESSION}"' in second
    assert "--resume" not in third


async def test_a_conversation_that_cannot_be_resumed_is_not_tried_for_ever(
    claude: ClaudeCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    await claude.ask("work", Follower())
    monkeypatch.setenv("STAND_IN_FORGETS", "1")

    with pytest.raises(ToolError) as failed:
        await claude.ask("work", Follower())
    assert "No conversation found" in failed.value.user_message
    assert (await claude.ask("work", Follower())).startswith("Done")


async def test_a_process_that_dies_says_its_last_words(claude: ClaudeCli) -> None:
    with pytest.raises(ToolError) as failed:
        await claude.ask("die", Follower())

    assert "exit status 3" in failed.value.user_message
    assert "out of tokens" in failed.value.user_message


async def test_garbage_between_the_lines_is_passed_over(claude: ClaudeCli) -> None:
    assert await claude.ask("garbage", Follower()) == "after garbage"


async def test_what_it_was_not_permitted_is_said(claude: ClaudeCli) -> None:
    assert "not permitted to use: Edit" in await claude.ask("refuse", Follower())


async def test_a_failed_result_is_an_error_in_words(claude: ClaudeCli) -> None:
    with pytest.raises(ToolError) as failed:
        await claude.ask("budget", Follower())

    assert "more steps" in failed.value.user_message


async def test_24_megabytes_of_output_are_read_without_holding_up_the_loop(
    claude: ClaudeCli,
) -> None:
    busy_ms: list[float] = []

    async def watch() -> None:
        """CPU time between two looks: a busy machine does not count."""
        before_s = time.thread_time()
        while True:
            await asyncio.sleep(0.005)
            now_s = time.thread_time()
            busy_ms.append((now_s - before_s) * 1000)
            before_s = now_s

    watching = asyncio.create_task(watch())
    answer = await claude.ask("huge", Follower())
    watching.cancel()

    assert len(answer) <= 8_100
    assert max(busy_ms) < 60, sorted(busy_ms)[-10:]


@pytest.mark.parametrize("kind", ["hang", "stubborn", "children"])
async def test_pausing_ends_the_process_and_all_it_started(
    claude: ClaudeCli, kind: str
) -> None:
    follower = Follower()
    asking = asyncio.create_task(claude.ask(kind, follower))
    await eventually(lambda: follower.said(r"pid (\d+)") != "")

    assert await claude.cancel() is True
    with pytest.raises(ToolStoppedError):
        await asking

    for pattern in (r"pid (\d+)", r"child (\d+)"):
        pid = follower.said(pattern)
        if pid:
            await eventually(lambda p=pid: not is_alive(p))
    assert "--resume" in await claude.ask("work", Follower())


async def test_pausing_a_process_that_is_only_being_started_stops_it_too(
    claude: ClaudeCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing would ask it to stop later, and it would do all it was asked for."""
    starting, may_start = asyncio.Event(), asyncio.Event()
    really_start = asyncio.create_subprocess_exec

    async def start_slowly(*args: Any, **kwargs: Any) -> Any:
        child = await really_start(*args, **kwargs)
        starting.set()
        await may_start.wait()
        return child

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_slowly)
    follower = Follower()
    asking = asyncio.create_task(claude.ask("work", follower))
    await starting.wait()

    assert await claude.cancel() is True
    may_start.set()
    with pytest.raises(ToolStoppedError):
        await asking

    assert follower.said("(.+)") == "", "it was given its work all the same"


async def test_pausing_drops_the_requests_that_wait(claude: ClaudeCli) -> None:
    follower = Follower()
    first = asyncio.create_task(claude.ask("hang", follower))
    second = asyncio.create_task(claude.ask("work", Follower()))
    await eventually(lambda: follower.said(r"pid (\d+)") != "")

    await claude.cancel()

    results = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(r) for r in results] == [ToolStoppedError, ToolStoppedError]


async def test_a_timeout_leaves_no_process_behind(claude: ClaudeCli) -> None:
    follower = Follower()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await claude.ask("stubborn", follower)

    pid = follower.said(r"pid (\d+)")
    assert pid
    await eventually(lambda: not is_alive(pid))


async def test_nothing_to_pause_is_said() -> None:
    cli = ClaudeCli(ClaudeCommand(STAND_IN, Path()), asyncio.Semaphore(1))

    assert await cli.cancel() is False


async def test_a_command_that_does_not_exist_is_said(tmp_path: Path) -> None:
    cli = ClaudeCli(ClaudeCommand(("/no/such/claude",), tmp_path), asyncio.Semaphore(1))

    with pytest.raises(ToolError) as failed:
        await cli.ask("work", Follower())
    assert "cannot be started" in failed.value.user_message


async def test_more_processes_than_allowed_wait_for_their_turn(tmp_path: Path) -> None:
    slots = asyncio.Semaphore(1)
    command = ClaudeCommand(STAND_IN, tmp_path)
    first, second = ClaudeCli(command, slots), ClaudeCli(command, slots)
    follower = Follower()

    answers = await asyncio.gather(
        first.ask("work", Follower()), second.ask("work", follower)
    )

    assert all(answer.startswith("Done") for answer in answers)
    assert isinstance(follower.events[0], ev.Warned | ev.RunStarted)

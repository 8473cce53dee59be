"""Runs the tool calls of one session beside its audio."""

import asyncio
import json
import logging
from dataclasses import dataclass, field

from server import foreign_json
from server.errors import ToolError, ToolStoppedError
from server.tools.call import Call
from server.tools.door import Door, End
from server.tools.narration import Pace, confirmation
from server.tools.registry import Arguments, Tool, ToolRegistry, parse_arguments
from server.tools.run import Answered, Failed, Outcome

logger = logging.getLogger(__name__)

MAX_RUNNING = 8
"""More calls at once than this are refused in words."""
MAX_REMEMBERED_CALLS = 1_024
NOT_APPROVED = "A person decided that this must not be done. It was not done."
NOT_ANSWERED = "Nobody approved it in time. It was not done; ask the user first."
DENIED = "This server does not allow that tool. It was not done."


@dataclass(frozen=True, slots=True)
class ExecutorLimits:
    """Times of a session's tools."""

    confirm_timeout_s: float = 60.0
    """Without an answer by then a call is denied."""
    pace: Pace = field(default_factory=Pace)


class _Stopped(Exception):
    """Makes the task group cancel what is left. Never leaves ToolExecutor.run."""


class _Denied(Exception):
    """Why a call must not run, in words for the model."""


class ToolExecutor:
    """Turns calls into outputs. `run` owns the tasks; leaving it cancels them."""

    def __init__(
        self, registry: ToolRegistry, door: Door, limits: ExecutorLimits | None = None
    ) -> None:
        self._registry = registry
        self._door = door
        self._limits = limits or ExecutorLimits()
        self._seen: dict[str, None] = {}
        """Ids of calls, oldest first; bounded."""
        self._calls: dict[str, Call] = {}
        """What is running or waits for a confirmation; bounded by MAX_RUNNING."""
        self._early: list[Call] = []
        """Calls that came before `run`; part of `_calls`."""
        self._questions: dict[str, asyncio.Future[bool]] = {}
        self._n_runs = 0
        self._has_stopped = False
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Accept calls until `stop`, then cancel those still running."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for call in self._early:
                    self._start(call, tasks)
                self._early.clear()
                await stop.wait()
                raise _Stopped
        except* _Stopped:
            pass
        finally:
            self._tasks = None
            self._has_stopped = True
            for call in self._calls.values():
                call.abandon()

    def submit(self, call_id: str, name: str, arguments: str) -> None:
        """Start one call; its output is delivered exactly once.

        A call id that was seen before is ignored.
        """
        if self._has_stopped or call_id in self._seen:
            return
        self._remember(call_id)
        try:
            tool = self._registry.find(name)
        except ToolError as exc:
            unknown = Tool(name[:64], "", _never)
            call = self._make(call_id, unknown, arguments, is_typed=False)
            call.end(Failed(exc.user_message), "failed")
            return
        self._admit(self._make(call_id, tool, arguments, is_typed=False))

    def submit_typed(self, name: str, text: str) -> None:
        """Give a tool the text a user typed for it; the result is narrated."""
        if self._has_stopped:
            return
        tool = self._registry.find(name)
        arguments = json.dumps({"text": text}, ensure_ascii=False)
        call_id = f"typed_{self._n_runs + 1}"
        call = self._make(call_id, tool, arguments, is_typed=True)
        call.announce_typed(text)
        self._admit(call)

    def confirm(self, call_id: str, approve: bool, by: str) -> bool:
        """Somebody's yes or no; False when nothing waits for it (any more)."""
        question = self._questions.get(call_id)
        if question is None or question.done():
            return False
        call = self._calls[call_id]
        logger.info("tool %s approved=%s", call.tool.name, approve)
        if approve:
            call.show("progress", f"Approved by {by}.")
        question.set_result(approve)
        return True

    @property
    def awaiting_confirmation(self) -> tuple[str, ...]:
        """Ids of the calls that wait for somebody's yes."""
        return tuple(self._questions)

    def _make(
        self, call_id: str, tool: Tool, arguments: str, *, is_typed: bool
    ) -> Call:
        self._n_runs += 1
        return Call(
            call_id,
            f"run {self._n_runs}",
            tool,
            arguments,
            door=self._door,
            pace=self._limits.pace,
            is_typed=is_typed,
        )

    def _admit(self, call: Call) -> None:
        n_same = sum(c.tool.name == call.tool.name for c in self._calls.values())
        if len(self._calls) >= MAX_RUNNING:
            call.end(Failed("Too many tools are running already."), "failed")
        elif n_same >= call.tool.max_running:
            words = f"{call.tool.name} is running {n_same} times already."
            call.end(Failed(words), "failed")
        else:
            self._calls[call.call_id] = call
            if self._tasks is None:
                self._early.append(call)
            else:
                self._start(call, self._tasks)

    def _start(self, call: Call, tasks: asyncio.TaskGroup) -> None:
        tasks.create_task(self._attend(call), name=f"tool {call.tool.name}")

    async def _attend(self, call: Call) -> None:
        try:
            outcome, how = await self._result_of(call)
        except asyncio.CancelledError:
            call.abandon()
            raise
        finally:
            del self._calls[call.call_id]
        call.end(outcome, how)

    async def _result_of(self, call: Call) -> tuple[Outcome, End]:
        tool = call.tool
        try:
            arguments = parse_arguments(tool, call.arguments)
            await self._check_policy(call)
            return Answered(await self._run_tool(call, arguments)), "finished"
        except _Denied as exc:
            return Failed(str(exc)), "denied"
        except ToolStoppedError as exc:
            return Failed(exc.user_message), "stopped"
        except ToolError as exc:
            return Failed(exc.user_message), "failed"
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Something the tool waited for was cancelled, not the tool: the model
            # still waits for an output.
            logger.warning("tool %s gave up", tool.name)
            return Failed(ToolError.user_message), "failed"
        except TimeoutError:
            return Failed(f"{tool.name} took too long and was stopped."), "timeout"
        except Exception:
            # A bug in a tool ends its call, not the conversation.
            logger.exception("tool %s broke", tool.name)
            return Failed(ToolError.user_message), "failed"

    async def _run_tool(self, call: Call, arguments: Arguments) -> str:
        call.begin()
        async with asyncio.timeout(call.tool.timeout_s):
            result = await call.tool.run(arguments, call.report)
        return result if isinstance(result, str) else foreign_json.dumps(result)

    async def _check_policy(self, call: Call) -> None:
        """Wait for what the tool's policy wants.

        Raises:
            _Denied: it must not run.
        """
        policy = call.tool.policy
        if policy == "deny":
            raise _Denied(DENIED)
        # Who typed it into the session has asked for exactly this.
        if policy == "allow" or call.is_typed:
            return
        timeout_s = self._limits.confirm_timeout_s
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        question: asyncio.Future[bool] = loop.create_future()
        self._questions[call.call_id] = question
        call.show(
            "awaiting_confirmation",
            f"May {call.tool.name} be done?",
            arguments=call.arguments,
            expires_s=timeout_s,
        )
        self._door.narrate(
            confirmation(call.call_id, call.tool.name, call.arguments, timeout_s)
        )
        try:
            async with asyncio.timeout(timeout_s):
                if not await question:
                    raise _Denied(NOT_APPROVED)
        except TimeoutError:
            raise _Denied(NOT_ANSWERED) from None
        finally:
            del self._questions[call.call_id]
            call.waited_s = loop.time() - asked_s

    def _remember(self, call_id: str) -> None:
        self._seen[call_id] = None
        while len(self._seen) > MAX_REMEMBERED_CALLS:
            self._seen.pop(next(iter(self._seen)))


async def _never(*_: object) -> str:
    raise AssertionError("an unknown tool is not run")

"""Claude Code as a child process, driven in its streaming JSON mode.

One process per request: it holds memory only while it works, and nothing of one request
can be taken for the next. `--resume` carries the conversation over. The CLI keeps its
own permissions: what is not allowed by its mode and rules it refuses by itself, because
nobody sits in front of it.
"""

import asyncio
import json
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from server.errors import ToolError, ToolStoppedError
from server.tools import claude_events
from server.tools.registry import Report
from server.tools.run import Answered, Failed, Outcome, Run
from server.tools.runner_events import Complained, Other, Warned

logger = logging.getLogger(__name__)

PermissionMode: TypeAlias = Literal["default", "acceptEdits", "plan", "dontAsk"]
"""`bypassPermissions` is missing on purpose."""

GRACE_S = 2.0
"""Between asking it to stop and SIGINT, SIGINT and SIGTERM, SIGTERM and SIGKILL."""
EXIT_GRACE_S = 5.0
"""How long it may take to exit after its result."""
CHUNK_BYTES = 64 << 10
MAX_STDERR_CHARS = 2_000
PRIVATE = ("OPENAI_", "VOICEBRIDGE_", "ENABLE_BACKEND_WEBRTC", "OTEL_")
"""Variables of this server that are nobody's business, least of all an agent's."""


@dataclass(frozen=True, slots=True)
class ClaudeCommand:
    """How to start it."""

    argv: Sequence[str]
    """The command, e.g. `("claude",)`."""
    working_dir: Path
    permission_mode: PermissionMode = "default"
    allowed_tools: Sequence[str] = ()
    """The CLI's permission rules, e.g. `Read` or `Bash(git status:*)`."""

    def arguments(self, session_id: str) -> list[str]:
        """The whole command line; session_id is empty for a new conversation."""
        arguments = [
            *self.argv,
            "--print",
            "--verbose",
            *("--input-format", "stream-json"),
            *("--output-format", "stream-json"),
            *("--permission-mode", self.permission_mode),
        ]
        if self.allowed_tools:
            arguments += ["--allowedTools", ",".join(self.allowed_tools)]
        if session_id:
            arguments += ["--resume", session_id]
        return arguments


def child_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment without this server's own settings and keys."""
    return {k: v for k, v in environ.items() if not k.startswith(PRIVATE)}


class ClaudeCli:
    """The coding agent of one session. Not for use by several sessions."""

    def __init__(self, command: ClaudeCommand, slots: asyncio.Semaphore) -> None:
        """
        Args:
            command: how to start it.
            slots: how many processes may work at once, shared by all sessions.
        """
        self._command = command
        self._slots = slots
        self._session_id = ""
        self._one_run = asyncio.Lock()
        self._process: _Process | None = None
        self._n_waiting = 0
        self._n_stops = 0
        self._n_resets = 0

    async def ask(self, text: str, report: Report) -> str:
        """Run one request to its end. Cancelling it ends the process.

        Raises:
            ToolError: in words for the model; ToolStoppedError after `cancel`.
        """
        n_stops = self._n_stops
        self._n_waiting += 1
        if self._slots.locked():
            report(Warned("Claude Code is busy elsewhere; the request waits."))
        try:
            async with self._one_run, self._slots:
                if n_stops != self._n_stops:
                    raise ToolStoppedError
                outcome = await self._run(text, report)
        finally:
            self._n_waiting -= 1
        if n_stops != self._n_stops:
            raise ToolStoppedError
        if isinstance(outcome, Answered):
            return outcome.text
        raise ToolError("the request failed", user_message=outcome.reason)

    async def cancel(self) -> bool:
        """Stop the request and those that wait; False when there was nothing."""
        was_busy = self._n_waiting > 0
        self._n_stops += 1
        if self._process is not None:
            await self._process.interrupt()
        return was_busy

    async def reset(self) -> bool:
        """Stop, and begin a new conversation with the next request."""
        self._n_resets += 1
        self._session_id = ""
        return await self.cancel()

    async def close(self) -> None:
        """Stop. The process is gone when the request that started it has returned."""
        await self.cancel()

    async def _run(self, text: str, report: Report) -> Outcome:
        n_stops, n_resets = self._n_stops, self._n_resets
        process = _Process(report)
        try:
            await process.start(self._command, self._session_id)
        except (OSError, ValueError) as exc:
            message = "Claude Code cannot be started on this server."
            raise ToolError(repr(exc), user_message=message) from exc
        self._process = process
        try:
            if n_stops != self._n_stops:  # while there was no process to say it to
                raise ToolStoppedError
            outcome = await process.work(text)
        finally:
            self._process = None
            await process.end()
            was_stopped = n_stops != self._n_stops
            # A conversation that cannot be resumed must not fail for ever.
            if n_resets == self._n_resets and (process.session_id or not was_stopped):
                self._session_id = process.session_id
        return outcome


class _Process:
    """One child process and one request."""

    def __init__(self, report: Report) -> None:
        self.session_id = ""
        self._report = report
        self._run = Run(first_on_socket=True)
        self._complaint = ""
        self._child: asyncio.subprocess.Process | None = None
        self._errors: asyncio.Task[None] | None = None

    async def start(self, command: ClaudeCommand, session_id: str) -> None:
        """Start it; raises what the system raises."""
        self._child = await asyncio.create_subprocess_exec(
            *command.arguments(session_id),
            cwd=command.working_dir,
            env=child_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # its own children end with it
        )
        self._errors = asyncio.create_task(self._read_errors(), name="claude stderr")

    async def work(self, text: str) -> Outcome:
        """Give it the request and read until its result, or its end."""
        content = [{"type": "text", "text": text}]
        message = {"role": "user", "content": content}
        await self._send({"type": "user", "message": message})
        child = self._started()
        assert child.stdout is not None
        lines = claude_events.LineSplitter()
        while chunk := await child.stdout.read(CHUNK_BYTES):
            for raw in lines.feed(chunk):
                outcome = self._handle(claude_events.decode(raw))
                if outcome is not None:
                    return outcome
        return await self._gone()

    async def interrupt(self) -> None:
        """Ask it to stop, then insist; returns when it is certain to end."""
        request = {"subtype": "interrupt"}
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await self._send(
                    {
                        "type": "control_request",
                        "request_id": "stop",
                        "request": request,
                    }
                )
        if not await self._exits(GRACE_S):
            await self._insist()

    async def end(self) -> None:
        """After the request, however it ended: nothing of the process is left."""
        child = self._started()
        try:
            if child.stdin is not None:
                child.stdin.close()  # the end of its input is the end of its work
            if not self._run.has_ended or not await self._exits(EXIT_GRACE_S):
                await self._insist()
        finally:
            self._signal(signal.SIGKILL)  # and whatever it has started
            await child.wait()
            if self._errors is not None:
                self._errors.cancel()
                await asyncio.wait({self._errors})
            # Closes the pipes, also those somebody else holds the other end of.
            child._transport.close()  # type: ignore[attr-defined]

    async def _insist(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            if await self._exits(GRACE_S):
                return

    async def _exits(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await self._started().wait()
        except TimeoutError:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._started().pid, number)

    async def _send(self, message: Mapping[str, object]) -> None:
        stdin = self._started().stdin
        if stdin is None or stdin.is_closing():
            return
        try:
            stdin.write(json.dumps(message).encode() + b"\n")
            await stdin.drain()
        except (ConnectionError, OSError):
            logger.debug("claude does not read any more")

    def _handle(self, line: claude_events.Line) -> Outcome | None:
        self.session_id = line.session_id or self.session_id
        for event in line.events:
            if isinstance(event, Other):
                continue
            self._report(event)
            outcome = self._run.feed(event)
            if outcome is not None:
                return outcome
        return None

    async def _gone(self) -> Outcome:
        """Its output ended without a result."""
        if self._errors is not None:
            await asyncio.wait({self._errors}, timeout=EXIT_GRACE_S)
        status = await self._started().wait() if await self._exits(EXIT_GRACE_S) else 0
        logger.info("claude ended without a result, status %s", status)
        words = f"Claude Code ended without a result (exit status {status})."
        if self._complaint:
            words += f" Its last words: {self._complaint[-200:]}"
        return Failed(words)

    async def _read_errors(self) -> None:
        stderr = self._started().stderr
        assert stderr is not None
        tail = b""
        while chunk := await stderr.read(CHUNK_BYTES):
            tail = (tail + chunk)[-MAX_STDERR_CHARS:]
            text = tail.decode("utf-8", "replace").strip()
            self._complaint = text.rpartition("\n")[2].strip()
            if self._complaint:
                self._report(Complained(self._complaint))

    def _started(self) -> asyncio.subprocess.Process:
        assert self._child is not None, "the process was not started"
        return self._child

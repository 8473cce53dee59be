"""One open socket to an agent runner, and the run that goes on over it."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import aiohttp

from server.tools import runner_events as ev
from server.tools.run import CANCELLED, Failed, Outcome, Run

CLOSE_TIMEOUT_S = 1.0
PROBE_TIMEOUT_S = 2.0
"""How long a socket that was idle may take to answer a ping."""
RESULT_GRACE_S = 1.0
"""Between a run's result and the line that says it is finished."""
STALE_RUN_TIMEOUT_S = 2.0
"""How long a new message waits for a cancelled run to say that it is over."""


class NotSentError(Exception):
    """The socket was gone before the message could be sent; nothing has happened."""


class RunnerLink:
    """Reads its socket in a task of its own, so that it also lives when idle."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """
        Args:
            socket: open, with `autoping=False`; this object closes it.
        """
        self._socket = socket
        self._run: Run | None = None
        self._report: Callable[[ev.RunnerEvent], None] | None = None
        self._outcome: asyncio.Future[Outcome] | None = None
        self._n_runs = 0
        self._is_closing = False
        self._pong = asyncio.Event()
        self._idle = asyncio.Event()
        """No run is waited for by us."""
        self._idle.set()
        self._stale_over = asyncio.Event()
        """No run that we gave up goes on at the runner."""
        self._stale_over.set()
        self._reading = asyncio.create_task(self._read(), name="runner socket")

    @property
    def is_open(self) -> bool:
        """Whether the runner is still there."""
        return not self._reading.done()

    @property
    def is_running(self) -> bool:
        """Whether somebody waits for the end of a run."""
        return not self._idle.is_set()

    async def is_usable(self) -> bool:
        """Whether the next run can begin here: alive, and done with the last one.

        A socket may be dead without our knowing, and a message must not be sent twice
        to find out.
        """
        if not self.is_open:
            return False
        if self._n_runs == 0:
            return True
        try:
            async with asyncio.timeout(STALE_RUN_TIMEOUT_S):
                await self._stale_over.wait()
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                self._pong.clear()
                await self._socket.ping(b"probe")
                await self._pong.wait()
        except (TimeoutError, aiohttp.ClientError, ConnectionError):
            return False
        return self.is_open

    async def wait_idle(self, timeout_s: float) -> bool:
        """Wait for the end of the run; False when it does not come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        return self._idle.is_set()

    async def send(
        self, kind: Literal["user_message", "cancel"], **fields: str
    ) -> None:
        """Send one command; raises what aiohttp raises."""
        command = {"type": kind, **fields}
        await self._socket.send_str(json.dumps(command, ensure_ascii=False))

    async def run(self, text: str, report: Callable[[ev.RunnerEvent], None]) -> Outcome:
        """One run from its message to its end.

        Raises:
            NotSentError: the message has certainly not arrived.
        """
        self._run = run = Run(first_on_socket=self._n_runs == 0)
        self._n_runs += 1
        self._report = report
        self._outcome = asyncio.get_running_loop().create_future()
        self._idle.clear()
        try:
            try:
                await self.send("user_message", data=text)
            except (aiohttp.ClientError, ConnectionError) as exc:
                run.has_ended = True
                raise NotSentError from exc
            return await self._outcome
        finally:
            self._run = self._outcome = self._report = None
            self._idle.set()
            if not run.has_ended and self.is_open:
                self._stale_over.clear()

    async def close(self) -> None:
        """Close the socket and wait for its task."""
        self._is_closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._socket.close()
        self._reading.cancel()
        await asyncio.wait({self._reading})

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    for event in ev.decode(message.data):
                        self._handle(event)
                elif message.type is aiohttp.WSMsgType.PONG:
                    self._pong.set()
                elif message.type is aiohttp.WSMsgType.PING:
                    await self._socket.pong(message.data)
        except (aiohttp.ClientError, ConnectionError):
            pass  # as good as the end of the socket
        finally:
            self._break_off()

    def _handle(self, event: ev.RunnerEvent) -> None:
        if self._run is None or self._report is None:
            is_end = isinstance(event, ev.RunEnded | ev.RunFailed)
            if is_end or (isinstance(event, ev.RunResult) and event.is_last):
                self._stale_over.set()
            return
        had_result = self._run.has_result
        outcome = self._run.feed(event)
        if self._run.has_begun:
            self._report(event)
        if outcome is not None:
            self._settle(outcome)
        elif self._run.has_result and not had_result:
            asyncio.get_running_loop().call_later(
                RESULT_GRACE_S, self._settle_late, self._run
            )

    def _settle(self, outcome: Outcome) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(outcome)

    def _settle_late(self, run: Run) -> None:
        """The closing line did not come: the result is good enough."""
        if self._run is run:
            run.has_ended = True
            self._settle(run.settle())

    def _break_off(self) -> None:
        run = self._run
        self._stale_over.set()
        if run is None:
            return
        if run.has_result:
            self._settle(run.settle())
        else:
            self._settle(Failed(CANCELLED if self._is_closing else run.broken()))

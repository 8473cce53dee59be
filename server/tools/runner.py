"""One agent runner over its WebSocket: a message in, the final answer out.

The socket opens with the first message and stays, because an agent remembers only on
one socket; it is opened again after any loss. One run at a time: a second message waits
for the first, as the runner itself would make it wait.
"""

import asyncio
import json
import logging
from contextlib import suppress
from typing import Literal

import aiohttp

from server.errors import ToolError
from server.tools import runner_events as ev
from server.tools.run import BROKEN, CANCELLED, Answered, Failed, Outcome, Run

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 16 << 20
"""A run's result repeats its whole transcript."""
HEARTBEAT_S = 20.0
CLOSE_TIMEOUT_S = 1.0
RESULT_GRACE_S = 1.0
"""Between a run's result and the line that says it is finished."""
STALE_RUN_TIMEOUT_S = 2.0
"""How long a new message waits for a cancelled run to say that it is over."""


class _Link:
    """One open socket, read by a task of its own so that it also lives when idle."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._run: Run | None = None
        self._outcome: asyncio.Future[Outcome | None] | None = None
        self._n_runs = 0
        self._is_closing = False
        self._stale_over = asyncio.Event()
        self._stale_over.set()
        self._reading = asyncio.create_task(self._read(), name="runner socket")

    @property
    def is_open(self) -> bool:
        """Whether the runner is still there."""
        return not self._reading.done()

    @property
    def is_fresh(self) -> bool:
        """Whether no run was ever started here."""
        return self._n_runs == 0

    async def wait_until_idle(self) -> bool:
        """Wait for a run that was given up; False when it does not end."""
        try:
            async with asyncio.timeout(STALE_RUN_TIMEOUT_S):
                await self._stale_over.wait()
        except TimeoutError:
            return False
        return True

    async def send(
        self, kind: Literal["user_message", "cancel"], **fields: str
    ) -> None:
        """Send one command; raises what aiohttp raises."""
        command = {"type": kind, **fields}
        await self._socket.send_str(json.dumps(command, ensure_ascii=False))

    async def run(self, text: str) -> Outcome | None:
        """One run; None when the socket broke before anything came back."""
        self._run = run = Run(first_on_socket=self.is_fresh)
        self._n_runs += 1
        self._outcome = asyncio.get_running_loop().create_future()
        try:
            await self.send("user_message", data=text)
            return await self._outcome
        except (aiohttp.ClientError, ConnectionError):
            return None
        finally:
            self._run = self._outcome = None
            if not run.has_ended:
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
        finally:
            self._break_off()

    def _handle(self, event: ev.RunnerEvent) -> None:
        if self._run is None:
            if isinstance(event, ev.RunEnded | ev.RunFailed):
                self._stale_over.set()
            return
        had_result = self._run.has_result
        outcome = self._run.feed(event)
        if outcome is not None:
            self._settle(outcome)
        elif self._run.has_result and not had_result:
            asyncio.get_running_loop().call_later(
                RESULT_GRACE_S, self._settle_late, self._run
            )

    def _settle(self, outcome: Outcome | None) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(outcome)

    def _settle_late(self, run: Run) -> None:
        """The closing line did not come: the result is good enough."""
        if self._run is run:
            self._settle(run.settle())

    def _break_off(self) -> None:
        run = self._run
        if run is None:
            self._stale_over.set()
        elif run.has_result:
            self._settle(run.settle())
        else:
            nothing_came = run.n_events == 0 and not self._is_closing
            reason = CANCELLED if self._is_closing else BROKEN
            self._settle(None if nothing_came else Failed(reason))


class Runner:
    """One runner of one session. Not for use by several sessions."""

    def __init__(
        self,
        client: aiohttp.ClientSession,
        url: str | None,
        *,
        title: str,
        connect_timeout_s: float,
        survives_cancel: bool = True,
    ) -> None:
        """
        Args:
            client: shared, the caller's to close.
            url: None when the runner is not configured.
            title: for messages to the model, e.g. "agent team".
            connect_timeout_s: bound of opening the socket.
            survives_cancel: False for a runner that is of no use after a cancel.
        """
        self._client = client
        self._url = url
        self._title = title
        self._connect_timeout_s = connect_timeout_s
        self._survives_cancel = survives_cancel
        self._link: _Link | None = None
        self._one_run = asyncio.Lock()

    async def ask(self, text: str) -> str:
        """Send one message and wait for the end of the run it starts.

        Cancelling it (a timeout) cancels the run.

        Raises:
            ToolError: in words for the model.
        """
        async with self._one_run:
            try:
                outcome = await self._run(text)
            except asyncio.CancelledError:
                await self.cancel()
                raise
        if isinstance(outcome, Answered):
            return outcome.text
        raise ToolError("the run failed", user_message=outcome.reason)

    async def cancel(self) -> bool:
        """Cancel the run, if any; False when there is no open socket."""
        link = self._link
        if link is None or not link.is_open:
            return False
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await link.send("cancel")
        except (TimeoutError, aiohttp.ClientError, ConnectionError):
            logger.debug("cancel not delivered")
        if not self._survives_cancel:
            await self.close()
        return True

    async def reset(self) -> bool:
        """Cancel and forget: the next message starts on a fresh socket."""
        was_open = await self.cancel()
        await self.close()
        return was_open

    async def close(self) -> None:
        """Close the socket. Safe to call at any time."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _run(self, text: str) -> Answered | Failed:
        link = await self._connected()
        was_fresh = link.is_fresh
        outcome = await link.run(text)
        if outcome is None and not was_fresh:
            # An old socket may be dead without our knowing: once more on a new one.
            await self.close()
            outcome = await (await self._connected()).run(text)
        return outcome or Failed(BROKEN)

    async def _connected(self) -> _Link:
        if self._url is None:
            message = f"The {self._title} is not configured on this server."
            raise ToolError(message, user_message=message)
        link = self._link
        if link is not None and link.is_open and await link.wait_until_idle():
            return link
        await self.close()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                socket = await self._client.ws_connect(
                    self._url, max_msg_size=MAX_MESSAGE_BYTES, heartbeat=HEARTBEAT_S
                )
        except TimeoutError as exc:
            raise self._unreachable("it did not answer in time") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise self._unreachable("the connection failed") from exc
        self._link = _Link(socket)
        return self._link

    def _unreachable(self, why: str) -> ToolError:
        message = f"The {self._title} cannot be reached: {why}."
        return ToolError(message, user_message=message)

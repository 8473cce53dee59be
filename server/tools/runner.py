"""One agent runner over its WebSocket: a message in, the final answer out.

The socket opens with the first message and stays, because an agent remembers only on
one socket; it is opened again after any loss. One run at a time: a second message waits
for the first, as the runner itself would make it wait. A message that may have arrived
is never sent again: the runner has no run ids, and doing a thing twice is worse than
saying that it is not known how far it came.
"""

import asyncio
import logging

import aiohttp

from server.errors import ToolError, ToolStoppedError
from server.tools.registry import Report
from server.tools.run import BROKEN, CANCELLED, Answered, Failed, Outcome
from server.tools.runner_link import CLOSE_TIMEOUT_S, NotSentError, RunnerLink

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 16 << 20
"""A run's result repeats its whole transcript."""
HEARTBEAT_S = 20.0
CANCEL_GRACE_S = 3.0
"""How long a runner may take to end a cancelled run before its socket is closed."""
FIRST_RETRY_S = 0.25
"""Doubled with each attempt to connect."""


def unreported(_: object) -> None:
    """A report for a run nobody follows."""


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
            connect_timeout_s: bound of opening the socket, all attempts together.
            survives_cancel: False for a runner that is of no use after a cancel.
        """
        self._client = client
        self._url = url
        self._title = title
        self._connect_timeout_s = connect_timeout_s
        self._survives_cancel = survives_cancel
        self._link: RunnerLink | None = None
        self._one_run = asyncio.Lock()
        self._n_waiting = 0
        self._n_stops = 0
        self._was_unreachable = False

    @property
    def is_busy(self) -> bool:
        """Whether a run goes on, or waits for its turn."""
        return self._n_waiting > 0

    async def ask(self, text: str, report: Report = unreported) -> str:
        """Send one message and wait for the end of the run it starts.

        Cancelling it (a timeout) cancels the run.

        Raises:
            ToolError: in words for the model; ToolStoppedError after `cancel`.
        """
        n_stops = self._n_stops
        self._n_waiting += 1
        try:
            async with self._one_run:
                outcome = await self._run(text, report, n_stops)
        finally:
            self._n_waiting -= 1
        if isinstance(outcome, Answered):
            return outcome.text
        if n_stops != self._n_stops and outcome.reason == CANCELLED:
            raise ToolStoppedError
        raise ToolError("the run failed", user_message=outcome.reason)

    async def cancel(self) -> bool:
        """Stop the run and those that wait for it; False when there was nothing.

        A run that does not end soon costs its socket.
        """
        was_busy = self.is_busy
        self._n_stops += 1
        link = self._link
        if link is None or not await self._send_cancel():
            return was_busy
        if not self._survives_cancel or not await link.wait_idle(CANCEL_GRACE_S):
            await self.close()
        return was_busy

    async def reset(self) -> bool:
        """Stop and forget: the next message starts on a fresh socket.

        Returns:
            False when there was nothing to stop and nothing to forget.
        """
        had_socket = self._link is not None
        was_busy = await self.cancel()
        await self.close()
        return was_busy or had_socket

    async def close(self) -> None:
        """Close the socket. Safe to call at any time."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _send_cancel(self) -> bool:
        link = self._link
        if link is None or not link.is_open:
            return False
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await link.send("cancel")
        except (TimeoutError, aiohttp.ClientError, ConnectionError):
            logger.debug("cancel not delivered")
        return True

    async def _run(self, text: str, report: Report, n_stops: int) -> Outcome:
        for _ in range(2):
            if n_stops != self._n_stops:  # while it waited for its turn
                raise ToolStoppedError
            link = await self._connected()
            if n_stops != self._n_stops:  # while there was no socket to say it on
                raise ToolStoppedError
            try:
                return await link.run(text, report)
            except NotSentError:
                await self.close()
            except asyncio.CancelledError:
                await self._send_cancel()
                raise
        return Failed(BROKEN)

    async def _connected(self) -> RunnerLink:
        if self._url is None:
            message = f"The {self._title} is not configured on this server."
            raise ToolError(message, user_message=message)
        link = self._link
        if link is not None and await link.is_usable():
            return link
        await self.close()
        socket = await self._connect(self._url)
        self._link = RunnerLink(socket)
        return self._link

    async def _connect(self, url: str) -> aiohttp.ClientWebSocketResponse:
        """Open a socket, trying again with growing pauses.

        What could not be reached just now is tried once only: the model shall be able
        to say so at once.
        """
        retry_s = FIRST_RETRY_S
        try:
            async with asyncio.timeout(self._connect_timeout_s) as deadline:
                while True:
                    try:
                        socket = await self._client.ws_connect(
                            url,
                            max_msg_size=MAX_MESSAGE_BYTES,
                            heartbeat=HEARTBEAT_S,
                            autoping=False,
                        )
                    except (aiohttp.ClientError, OSError) as exc:
                        ends_s = deadline.when() or 0.0
                        now_s = asyncio.get_running_loop().time()
                        if self._was_unreachable or now_s + retry_s >= ends_s:
                            raise self._unreachable("the connection failed") from exc
                        await asyncio.sleep(retry_s)
                        retry_s *= 2
                    else:
                        self._was_unreachable = False
                        return socket
        except TimeoutError as exc:
            raise self._unreachable("it did not answer in time") from exc

    def _unreachable(self, why: str) -> ToolError:
        self._was_unreachable = True
        message = f"The {self._title} cannot be reached: {why}."
        return ToolError(message, user_message=message)

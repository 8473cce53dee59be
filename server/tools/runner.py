"""One agent runner over its WebSocket: a message in, the final answer out.

The socket opens with the first message and stays, because an agent remembers only on
one socket; it is opened again after any loss. One run at a time: a second message waits
for the first, as the runner itself would make it wait.
"""

import asyncio
import json
import logging
from typing import Literal

import aiohttp

from server.errors import ToolError
from server.tools import runner_events as ev

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 16 << 20
"""A run's result repeats its whole transcript."""
MAX_ANSWER_CHARS = 8_000
HEARTBEAT_S = 20.0
CLOSE_TIMEOUT_S = 1.0
RESULT_GRACE_S = 1.0
"""Between a run's result and the line that says it is finished."""

Socket = aiohttp.ClientWebSocketResponse


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
        self._socket: Socket | None = None
        self._one_run = asyncio.Lock()

    async def ask(self, text: str) -> str:
        """Send one message and wait for the end of the run it starts.

        Cancelling it (a timeout) cancels the run.

        Raises:
            ToolError: in words for the model.
        """
        async with self._one_run:
            socket = await self._connected()
            try:
                await socket.send_str(_command("user_message", text))
                return await self._collect(socket)
            except asyncio.CancelledError:
                await self.cancel()
                raise
            except (aiohttp.ClientError, ConnectionError) as exc:
                raise self._broken() from exc

    async def cancel(self) -> bool:
        """Cancel the run, if any; False when there is no open socket."""
        socket = self._socket
        if socket is None or socket.closed:
            return False
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await socket.send_str(_command("cancel"))
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
        socket, self._socket = self._socket, None
        if socket is not None and not socket.closed:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await socket.close()
            except TimeoutError:
                logger.debug("runner socket did not close in time")

    async def _connected(self) -> Socket:
        if self._url is None:
            message = f"The {self._title} is not configured on this server."
            raise ToolError(message, user_message=message)
        if self._socket is not None and not self._socket.closed:
            return self._socket
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                self._socket = await self._client.ws_connect(
                    self._url, max_msg_size=MAX_MESSAGE_BYTES, heartbeat=HEARTBEAT_S
                )
        except TimeoutError as exc:
            raise self._unreachable("it did not answer in time") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise self._unreachable("the connection failed") from exc
        return self._socket

    async def _collect(self, socket: Socket) -> str:
        """Read until the run ends; the last thing said is the answer."""
        answer = ""
        has_result = False
        while True:
            wait_s = RESULT_GRACE_S if has_result else None
            try:
                message = await socket.receive(wait_s)
            except TimeoutError:
                return _shortened(answer)
            if message.type is not aiohttp.WSMsgType.TEXT:
                if has_result:
                    return _shortened(answer)
                raise self._broken()
            for event in ev.decode(message.data):
                match event:
                    case ev.Said():
                        answer = event.text
                    case ev.RunResult(text, success, is_last):
                        answer = text or answer
                        has_result = True
                        if not success:
                            raise self._failed(answer)
                        if is_last:
                            return _shortened(answer)
                    case ev.RunEnded(interrupted):
                        if interrupted:
                            raise self._failed("The run was cancelled.")
                        return _shortened(answer)
                    case ev.RunFailed(reason):
                        raise self._failed(reason)

    def _unreachable(self, why: str) -> ToolError:
        message = f"The {self._title} cannot be reached: {why}."
        return ToolError(message, user_message=message)

    def _broken(self) -> ToolError:
        message = f"The connection to the {self._title} broke off during the run."
        return ToolError(message, user_message=message)

    def _failed(self, reason: str) -> ToolError:
        return ToolError("the run failed", user_message=_shortened(reason))


def _command(kind: Literal["user_message", "cancel"], data: str | None = None) -> str:
    fields = {"type": kind} if data is None else {"type": kind, "data": data}
    return json.dumps(fields, ensure_ascii=False)


def _shortened(text: str) -> str:
    if len(text) <= MAX_ANSWER_CHARS:
        return text
    return text[:MAX_ANSWER_CHARS] + " … (shortened)"

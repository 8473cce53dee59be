"""One WebSocket as a call sees it: an outbox and the task that empties it."""

import asyncio
import contextlib
from collections import deque
from typing import Final

from aiohttp import web

from fake_openai.beta_shape import BetaDialect
from fake_openai.http_edge import drop_connection

MAX_QUEUED_BYTES: Final = 64 * 1024 * 1024
"""A client that stops reading is dropped when this much waits for it."""
CLOSE_TIMEOUT_S: Final = 3.0


class SocketConnection:
    """One WebSocket as a `Connection`: an outbox and the task that empties it."""

    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        dialect: BetaDialect | None = None,
    ) -> None:
        self._request = request
        self._socket = socket
        self.dialect = dialect
        self._outbox: deque[str] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._close: tuple[int, str, bool] | None = None

    def send(self, text: str) -> None:
        """Queue one event. A client too slow to read is dropped with 1008."""
        if self.dialect is None:
            self._queue(text)
            return
        for translated in self.dialect.outgoing(text):
            self._queue(translated)

    def _queue(self, text: str) -> None:
        if self._close is not None:
            return
        self._queued_bytes += len(text)
        if self._queued_bytes > MAX_QUEUED_BYTES:
            self._outbox.clear()
            self.close(1008, "too_slow", abrupt=True)
            return
        self._outbox.append(text)
        self._wake.set()

    def close(self, code: int, reason: str, *, abrupt: bool = False) -> None:
        """Close after what is queued; abrupt: at once, without a close frame."""
        if self._close is None:
            self._close = (code, reason, abrupt)
            self._wake.set()

    async def write(self) -> None:
        """Send what is queued until closed. Run beside the reader."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._flush()
                if self._close is not None:
                    await self._say_goodbye(*self._close)
                    return
        except (ConnectionError, RuntimeError):
            return  # The reader sees the same and ends the connection.

    async def _flush(self) -> None:
        while self._outbox and not (self._close is not None and self._close[2]):
            text = self._outbox.popleft()
            self._queued_bytes -= len(text)
            await self._socket.send_str(text)

    async def _say_goodbye(self, code: int, reason: str, abrupt: bool) -> None:
        if abrupt:
            drop_connection(self._request)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._socket.close(code=code, message=reason.encode()[:123])

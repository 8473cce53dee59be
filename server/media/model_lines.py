"""The lines of one model leg: the one in use, its successor, those to be closed.

Whether and when a line is replaced is decided by the leg; here they are opened beside
the one in use, exchanged, and closed. `run` owns the tasks for that.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Protocol

from server.errors import BridgeError, ModelLostError
from server.media.model_line import LineOwner, ModelLine, OpenLine
from server.realtime.config import SessionConfig

logger = logging.getLogger(__name__)

MAX_ATTEMPT_S = 6.0
"""One attempt to replace a lost session; a new one starts with a new path."""


class LinesOwner(LineOwner, Protocol):
    """The model leg, as its lines see it. Plain calls on the event loop."""

    def on_line_open(self, line: ModelLine) -> None:
        """A line that was wanted is there: to be the successor, or to be retired."""

    def on_no_line(self, exc: Exception, config: SessionConfig) -> None:
        """A line that was wanted could not be had with this configuration."""


class ModelLines:
    """Opens lines to the model, one after the other. `run` beside, then `close`."""

    def __init__(
        self,
        config: SessionConfig,
        open_line: OpenLine,
        owner: LinesOwner,
        *,
        connect_timeout_s: float,
    ) -> None:
        self.config = config
        """What the newest line is asked to be."""
        self._open_line = open_line
        self._owner = owner
        self._connect_timeout_s = connect_timeout_s
        self.current = ModelLine(config, open_line, owner)
        self.successor: ModelLine | None = None
        self._retired: list[ModelLine] = []
        self._closing: list[ModelLine] = []
        """Being closed; a task that is cancelled in between leaves it to `close`."""
        self._wake = asyncio.Event()
        self._is_wanted = False
        self._lost_before = 0

    @property
    def lost_packets(self) -> int:
        """Audio packets of the model that never came, on any line so far."""
        return self._lost_before + self.current.lost_packets

    async def run(self) -> None:
        """Open and close lines as needed, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._retired:
                    line = self._retired.pop()
                    self._closing.append(line)
                    tasks.create_task(self._close(line))
                if self._is_wanted:
                    self._is_wanted = False
                    tasks.create_task(self._connect())

    def want_another(self) -> None:
        """Open a line as `config` says; `on_line_open` or `on_no_line` follows."""
        self._is_wanted = True
        self._wake.set()

    def exchange(self) -> ModelLine:
        """The successor takes over; the line before it, which is not retired yet."""
        assert self.successor is not None
        old = self.current
        self._lost_before += old.lost_packets
        self.current, self.successor = self.successor, None
        return old

    def drop_successor(self) -> None:
        """It is not wanted any more."""
        if self.successor is not None:
            self.retire(self.successor)
            self.successor = None

    def retire(self, line: ModelLine) -> None:
        """Close a line soon; nothing is heard of it from now on."""
        line.fail(ModelLostError("replaced"))
        self._retired.append(line)
        self._wake.set()

    async def close(self) -> None:
        """Free every line, in bounded time. Safe to call twice."""
        lines = [self.current, *self._retired, *self._closing]
        if self.successor is not None:
            lines.append(self.successor)
        self._retired.clear()
        self._closing.clear()
        await asyncio.gather(*(_quietly(line.close()) for line in lines))

    async def _close(self, line: ModelLine) -> None:
        await _quietly(line.close())
        if line in self._closing:
            self._closing.remove(line)

    async def _connect(self) -> None:
        config = self.config
        line = ModelLine(config, self._open_line, self._owner)
        timeout_s = self._connect_timeout_s
        try:
            async with asyncio.timeout(2 * timeout_s):
                await line.open(min(timeout_s, MAX_ATTEMPT_S))
        except (BridgeError, TimeoutError) as exc:
            self.retire(line)
            self._owner.on_no_line(exc, config)
            return
        except BaseException:
            self._retired.append(line)  # `close` frees it
            raise
        self._owner.on_line_open(line)


async def _quietly(closing: Coroutine[Any, Any, None]) -> None:
    try:
        await closing
    except Exception:
        # A line that cannot be closed must not end the conversation.
        logger.exception("a line to the model did not close cleanly")

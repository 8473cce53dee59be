"""The owner of a process' background tasks: what it starts, it awaits."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

logger = logging.getLogger(__name__)

STOP_TIMEOUT_S: Final = 5.0


class TaskOwner:
    """Starts tasks that outlive the callback they are started from.

    A task that fails is logged: nobody else would ever look at it. `stop` cancels what
    still runs and waits for it, at most STOP_TIMEOUT_S.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Run `work` until it ends or `stop` is called."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def settle(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Wait for what was started to end by itself."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=timeout_s)

    async def stop(self) -> None:
        """Cancel and await everything."""
        for task in tuple(self._tasks):
            task.cancel()
        await self.settle()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            logger.error("task %s failed", task.get_name(), exc_info=problem)

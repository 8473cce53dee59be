"""What waits too long in memory, or piles up there, on its way into the spill file.

The file blocks, so it has a thread of its own, where one thing is done at a time.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial as bind
from typing import TypeVar

from server.store.figures import WriterLimits
from server.store.memory import Memory
from server.store.records import Record
from server.store.spill import Spill

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Overflow:
    """Owns the spill file and its thread. `run` moves what does not get away."""

    def __init__(
        self,
        memory: Memory,
        spill: Spill,
        *,
        limits: WriterLimits,
        spilled: Callable[[Sequence[Record]], None],
    ) -> None:
        """
        Args:
            memory: where the records come from.
            spill: where they go.
            limits: how long they may wait before.
            spilled: told of all that is fsynced.
        """
        self._memory = memory
        self._spill = spill
        self._limits = limits
        self._spilled = spilled
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spill")
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self.lock = asyncio.Lock()
        """Held while memory moves to the file: nothing younger may overtake it."""
        self.has_failed = False
        """The file could not be written when it was needed last."""

    @property
    def is_empty(self) -> bool:
        """Nothing waits in the spill file."""
        return self._spill.is_empty

    def wake(self) -> None:
        """There is something new to look at."""
        self._wake.set()

    async def run(self) -> None:
        """Move what waits too long, until cancelled."""
        while True:
            wait_s = self._seconds_to_spill(self._loop.time())
            if wait_s is not None and wait_s <= 0:
                await self.spill()
                wait_s = self._limits.slow_s if self.has_failed else 0.0
            await wait_and_clear(self._wake, wait_s)

    def _seconds_to_spill(self, now_s: float) -> float | None:
        oldest_at_s = self._memory.oldest_at_s
        if oldest_at_s is None:
            return None
        if self._memory.buffer.is_crowded:
            return 0.0
        # Behind a backlog nothing goes to the database directly: keep the order.
        patience_s = self._limits.slow_s if self.is_empty else self._limits.linger_s
        return oldest_at_s + patience_s - now_s

    async def spill(self) -> None:
        """Everything in memory goes to the file, what is on its way included."""
        async with self.lock:
            records = self._memory.move()
            if not records:
                return
            try:
                await self._on_disk(bind(self._spill.append, records))
            except OSError as exc:
                self._memory.not_moved(self._loop.time())
                if not self.has_failed:
                    logger.error("the spill file cannot be written: %s", exc.strerror)
                self.has_failed = True
                return
            except BaseException:
                # Written or not, twice is better than never.
                self._memory.not_moved(self._loop.time())
                raise
            self.has_failed = False
            self._memory.moved()
        self._spilled(records)

    async def peek(self, n_max: int) -> list[Record]:
        """The oldest records in the file. Hold the lock.

        Raises:
            OSError: the disk cannot be read.
        """
        if self.is_empty:
            return []
        return await self._on_disk(bind(self._spill.peek, n_max))

    async def advance(self) -> None:
        """What `peek` gave last is safe elsewhere. Takes the lock.

        Raises:
            OSError: an emptied file cannot be removed.
        """
        async with self.lock:
            await self._on_disk(self._spill.advance)

    async def refuse(self, record: Record) -> None:
        """Keep a record the database will never take out of the others' way."""
        await self._on_disk(bind(self._spill.refuse, record))

    def close(self) -> int:
        """The last resort, for one who was cancelled: the disk, without ceremony.

        Returns:
            How many records are lost.
        """
        self._disk.shutdown()
        left = self._memory.move()
        try:
            if left:
                self._spill.append(left)
        except OSError as exc:
            logger.critical("%d records are lost: %s", len(left), exc.strerror)
            return len(left)
        self._memory.moved()
        return 0

    async def _on_disk(self, call: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._disk, call)


async def wait_and_clear(event: asyncio.Event, timeout_s: float | None) -> None:
    """Until the event or the time; then the event is clear."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
    event.clear()

"""Records on their way from a call to the database, off the audio path.

`record` only appends to memory. One task writes batches; another moves what waits too
long, or piles up, into the spill file (see `Overflow`), from where it is written later
in the same order. Whoever wants to know waits in `store` until the record is safe:
committed, or fsynced in the spill file.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from server.errors import InvalidRequestError, StartError, StoreUnavailableError
from server.store.database import Written
from server.store.delivery import Delivery, Sink
from server.store.events import StoredEvent
from server.store.figures import WriterCounters, WriterLimits
from server.store.memory import Memory
from server.store.overflow import Overflow, wait_and_clear
from server.store.receipts import Receipt, Receipts
from server.store.records import EventRecord, Record
from server.store.spill import Spill

logger = logging.getLogger(__name__)


class Writer:
    """`run` owns the tasks; `record` and `store` belong to the same event loop."""

    def __init__(
        self,
        sink: Sink,
        spill: Spill,
        *,
        publish: Callable[[Sequence[StoredEvent]], None],
        limits: WriterLimits | None = None,
    ) -> None:
        self._sink = sink
        self._publish = publish
        self._limits = limits or WriterLimits()
        self._delivery = Delivery(
            sink,
            delivered=self._delivered,
            put_aside=self._put_aside,
            timeout_s=self._limits.batch_timeout_s,
        )
        self._loop = asyncio.get_running_loop()
        self._memory = Memory(self._limits.buffer)
        self._buffer = self._memory.buffer
        self._overflow = Overflow(
            self._memory, spill, limits=self._limits, spilled=self._spilled
        )
        self._receipts = Receipts()
        self._idle_waiters: list[asyncio.Future[None]] = []
        self._drain_wake = asyncio.Event()
        self._is_stopping = False
        self._is_prepared = False
        self._is_doubtful = False
        """What is in memory may be in the database already."""
        self._retry_s = 0.0
        self.counters = WriterCounters()
        self.is_well = False
        """The last thing the database was asked for, it did."""
        self.prepared = asyncio.Event()
        """Set once the tables are known to be there."""
        self.attempted = asyncio.Event()
        """Set once the database was asked for the first time, whatever it said."""
        self.start_error: StartError | None = None

    @property
    def n_waiting(self) -> int:
        """Records in memory."""
        return len(self._memory)

    @property
    def coalesced(self) -> int:
        """Partial records that a newer one made needless."""
        return self._buffer.coalesced

    @property
    def disk_failed(self) -> bool:
        """The spill file could not be written when it was needed last."""
        return self._overflow.has_failed

    @property
    def has_backlog(self) -> bool:
        """Records wait in the spill file."""
        return not self._overflow.is_empty

    def record(self, record: Record) -> None:
        """Remember a record. Never waits, never raises."""
        self.counters.recorded += 1
        was_empty = not self._buffer.n_waiting
        had_none_to_come = self._buffer.next_due_s is None
        if not self._buffer.add(record, self._loop.time()):
            if not self.counters.lost:
                logger.critical("records are being lost: no database, no disk")
            self.counters.lost += 1
            return
        if self._buffer.n_waiting and was_empty:
            self._drain_wake.set()
            self._overflow.wake()
        elif had_none_to_come and self._buffer.next_due_s is not None:
            self._drain_wake.set()
        elif self._buffer.n_waiting >= self._limits.batch_records:
            self._drain_wake.set()
            if self._buffer.is_crowded:
                self._overflow.wake()

    async def store(self, record: EventRecord) -> Receipt:
        """Remember an event and wait until it is safe.

        Raises:
            StoreUnavailableError: neither database nor disk took it in time. It is not
                forgotten: it may still be written later, so repeat it with its id.
        """
        receipt = self._receipts.awaited(record)
        if receipt is None:
            receipt = self._receipts.expect(record)
            lost = self.counters.lost
            self.record(record)
            if self.counters.lost != lost:
                self._receipts.refuse(record, StoreUnavailableError("no room"))
            self._drain_wake.set()
        try:
            async with asyncio.timeout(self._limits.ack_timeout_s):
                return await asyncio.shield(receipt)
        except TimeoutError:
            raise StoreUnavailableError("neither database nor disk in time") from None

    async def flush(self, timeout_s: float) -> None:
        """Wait until everything recorded so far is in the database.

        Raises:
            StoreUnavailableError: it did not get there in time.
        """
        self._buffer.release_partials(self._loop.time())
        if not self.n_waiting and not self.has_backlog:
            return
        idle: asyncio.Future[None] = self._loop.create_future()
        self._idle_waiters.append(idle)
        self._drain_wake.set()
        try:
            async with asyncio.timeout(timeout_s):
                await idle
        except TimeoutError:
            raise StoreUnavailableError("the database is behind") from None
        finally:
            if idle in self._idle_waiters:
                self._idle_waiters.remove(idle)

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop`; then write or spill what is left."""
        try:
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(self._watch(stop), name="store stop")
                spiller = tasks.create_task(self._overflow.run(), name="store spill")
                await self._keep_draining()
                watch.cancel()
                spiller.cancel()
            self._buffer.release_partials(self._loop.time())
            await self._overflow.spill()
        finally:
            self._buffer.release_partials(self._loop.time())
            self.counters.lost += self._overflow.close()
            self._receipts.close(StoreUnavailableError("shutting down"))

    # --- to the database

    async def _keep_draining(self) -> None:
        closes_at_s: float | None = None
        while True:
            if self._is_stopping and closes_at_s is None:
                closes_at_s = self._loop.time() + self._limits.close_timeout_s
                self._buffer.release_partials(self._loop.time())
            now_s = self._loop.time()
            self._buffer.mature(now_s)
            if self._memory.is_moving:
                async with self._overflow.lock:
                    continue  # now it is known where they are
            if closes_at_s is not None and (
                now_s > closes_at_s or not (self.has_backlog or self._buffer.n_waiting)
            ):
                return
            if self._is_prepared and not self.has_backlog:
                if not self._buffer.n_waiting:
                    self._settle_idle()
                    await wait_and_clear(self._drain_wake, self._seconds_to(now_s))
                    continue
                if (linger_s := self._linger_s(now_s)) > 0:
                    await wait_and_clear(self._drain_wake, linger_s)
                    continue
            try:
                async with asyncio.timeout_at(closes_at_s):
                    await self._drain_once()
                self._retry_s = 0.0
                continue
            except TimeoutError:
                await self._recover("timeout")
            except StartError as exc:
                # Tables of a newer program: nothing to wait for, but calls go on.
                self.start_error = exc
                await self._recover(exc.code)
            except (SQLAlchemyError, OSError) as exc:
                await self._recover(type(exc).__name__)
            except Exception as exc:
                # A bug here or in a driver must not end the recording of calls.
                logger.exception("a batch of records could not be written")
                await self._recover(type(exc).__name__)
            if closes_at_s is not None:
                return  # the spill file is for the next run
            await self._pause(self._retry_s)

    def _seconds_to(self, now_s: float) -> float | None:
        due_s = self._buffer.next_due_s
        return None if due_s is None else max(0.0, due_s - now_s)

    def _linger_s(self, now_s: float) -> float:
        oldest_at_s = self._buffer.oldest_at_s
        if (
            oldest_at_s is None
            or self._receipts
            or self._idle_waiters
            or self._is_stopping
            or self._buffer.n_waiting >= self._limits.batch_records
        ):
            return 0.0
        return oldest_at_s + self._limits.linger_s - now_s

    async def _drain_once(self) -> None:
        if not self._is_prepared:
            async with asyncio.timeout(self._limits.prepare_timeout_s):
                await self._sink.prepare()
            self._is_prepared = self.is_well = True
            self.start_error = None
            self.prepared.set()
            self.attempted.set()
            return
        n_max = self._limits.batch_records
        # While the memory moves to the file, nothing younger may overtake it.
        async with self._overflow.lock:
            from_file = await self._overflow.peek(n_max)
            batch = from_file or self._memory.send(n_max, self._loop.time())
        if from_file:
            await self._delivery.write(from_file, may_repeat=True)
            await self._overflow.advance()
        elif batch:
            # Only what somebody waits for came with an id from outside.
            may_repeat = bool(self._receipts) or self._is_doubtful
            await self._delivery.write(batch, may_repeat=may_repeat)
            self._memory.arrived(batch)
            self._is_doubtful = self._is_doubtful and self._buffer.n_waiting > 0

    def _delivered(self, records: Sequence[Record], written: Written) -> None:
        self.is_well = True
        self.counters.batches += 1
        self.counters.written += len(records)
        if written.events:
            self._publish(written.events)
        self._receipts.written(written)

    async def _put_aside(self, record: Record) -> None:
        self.counters.refused += 1
        await self._overflow.refuse(record)
        self._receipts.refuse(record, InvalidRequestError("This event cannot be kept."))

    def _spilled(self, records: Sequence[Record]) -> None:
        self.counters.spilled += len(records)
        self._receipts.spilled(records)
        self._drain_wake.set()

    async def _recover(self, reason: str) -> None:
        """The database failed: keep what is in memory safe."""
        self.counters.failures += 1
        self.attempted.set()
        if self.is_well or not self._retry_s:
            logger.warning("the database does not take records (%s)", reason)
        self.is_well = False
        await self._overflow.spill()
        if self._memory.in_flight:  # the disk fails as well
            self._memory.came_back()
            self._is_doubtful = True
        self._retry_s = min(
            max(self._retry_s * 2, self._limits.retry_first_s), self._limits.retry_max_s
        )

    async def _pause(self, seconds: float) -> None:
        """Wait out the time; only the end of the program cuts it short."""
        ends_at_s = self._loop.time() + seconds
        while not self._is_stopping:
            left_s = ends_at_s - self._loop.time()
            if left_s <= 0:
                return
            await wait_and_clear(self._drain_wake, left_s)

    # --- those who wait

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._is_stopping = True
        self._drain_wake.set()

    def _settle_idle(self) -> None:
        for idle in self._idle_waiters:
            if not idle.done():
                idle.set_result(None)

"""The store of one server: its parts, made and ended together."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from server.errors import StoreUnavailableError
from server.store.changes import Changes
from server.store.database import Database
from server.store.engine import Engines, make_engines, parse_url
from server.store.figures import WriterLimits
from server.store.follow import Step, follow
from server.store.live import LiveHub
from server.store.place import Place, claim
from server.store.queries import Queries
from server.store.retention import Retention
from server.store.spill import Spill
from server.store.writer import Writer

logger = logging.getLogger(__name__)

START_PATIENCE_S = 10.0
"""So long a start waits for the database; then calls go on without it."""
PING_TIMEOUT_S = 2.0
RECHECK_SQLITE_S = 15.0
RECHECK_POSTGRES_S = 2.0
"""How often a live reader looks for what other servers wrote; SQLite rarely has any."""
TIDY_RETRY_S = 5.0
TIDY_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """Where the store is, and what it keeps."""

    data_dir: Path
    database_url: str | None = None
    """None is an SQLite file in the data folder."""
    retention_days: int | None = None
    """None keeps everything."""
    writer: WriterLimits | None = None


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """How the store is, for readiness and metrics."""

    status: Literal["ok", "degraded", "down"]
    """Degraded: records wait in the spill file. Down: records may get lost, or the
    tables cannot be used by this program at all."""
    database: Literal["sqlite", "postgresql"]
    reachable: bool
    waiting: int
    backlog: bool
    counters: dict[str, int]

    @property
    def is_ready(self) -> bool:
        """Calls can be served: everything recorded is safe somewhere."""
        return self.status != "down"

    def as_json(self) -> dict[str, Any]:
        """For /readyz."""
        return asdict(self)


class Store:
    """Made by `open_store`."""

    def __init__(self, config: StoreConfig, place: Place, engines: Engines) -> None:
        self.place = place
        self.hub = LiveHub()
        self.queries = Queries(engines)
        self.writer = Writer(
            Database(engines, now_ms=now_ms),
            Spill(place.spill_dir),
            publish=self.hub.publish,
            limits=config.writer,
        )
        self.changes = Changes(
            engines, self.writer, self.hub, place.recordings_dir, now_ms=now_ms
        )
        self._engines = engines
        self._began_ms = now_ms()
        self._retention = (
            Retention(
                engines, place.recordings_dir, config.retention_days, now_ms=now_ms
            )
            if config.retention_days is not None
            else None
        )

    @property
    def recordings_dir(self) -> Path:
        """The folder of recordings."""
        return self.place.recordings_dir

    def follow(
        self, owner: str, conversation_id: str, after: int
    ) -> AsyncGenerator[Step, None]:
        """Every event after a number, once and in order, for ever."""
        recheck_s = RECHECK_SQLITE_S if self._engines.is_sqlite else RECHECK_POSTGRES_S
        return follow(
            self.hub, self.queries, owner, conversation_id, after, recheck_s=recheck_s
        )

    async def health(self) -> StoreHealth:
        """Ask the database, in bounded time."""
        reachable = True
        try:
            async with asyncio.timeout(PING_TIMEOUT_S):
                await self.queries.ping()
        except (TimeoutError, StoreUnavailableError):
            reachable = False
        writer = self.writer
        status: Literal["ok", "degraded", "down"] = "ok"
        if not reachable or not writer.is_well or writer.has_backlog:
            status = "degraded"
        nowhere = writer.disk_failed and not (reachable and writer.is_well)
        if writer.start_error is not None or nowhere:
            status = "down"
        return StoreHealth(
            status,
            "sqlite" if self._engines.is_sqlite else "postgresql",
            reachable,
            writer.n_waiting,
            writer.has_backlog,
            {**asdict(writer.counters), "coalesced": writer.coalesced},
        )

    async def tidy(self) -> None:
        """Once after a start: write what an earlier run left, then close its books.

        Raises:
            StoreUnavailableError: not now.
        """
        await self.writer.prepared.wait()
        # First what it had to say itself: a session may have ended well.
        await self.writer.flush(TIDY_TIMEOUT_S)
        nodes = (self.place.node, *self.place.left_behind)
        marked = await self.changes.mark_interrupted(
            nodes, self.place.boot, before_ms=self._began_ms
        )
        if marked:
            logger.warning("%d sessions of an earlier run were interrupted", marked)

    async def housekeep(self) -> None:
        """`tidy`, then retention for ever; cancel to end it."""
        while True:
            try:
                await self.tidy()
                break
            except StoreUnavailableError:
                await asyncio.sleep(TIDY_RETRY_S)
        if self._retention is not None:
            await self._retention.run()


@asynccontextmanager
async def open_store(config: StoreConfig) -> AsyncIterator[Store]:
    """A running store. A database that is away delays the start, and no more.

    Raises:
        StartError: the data folder cannot be used, the URL is bad, or the tables are
            of a newer program.
    """
    engines = make_engines(parse_url(config.database_url, config.data_dir))
    place = await asyncio.to_thread(claim, config.data_dir)
    stop = asyncio.Event()
    try:
        store = Store(config, place, engines)
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(store.writer.run(stop), name="store writer")
            try:
                await _wait_for_tables(store.writer)
                if store.writer.start_error is None:
                    keeping = tasks.create_task(store.housekeep(), name="store tidy")
                    try:
                        yield store
                    finally:
                        keeping.cancel()
            finally:
                stop.set()
                await asyncio.wait([writing])
        if store.writer.start_error is not None:
            raise store.writer.start_error
    finally:
        place.release()
        await engines.dispose()


async def _wait_for_tables(writer: Writer) -> None:
    try:
        async with asyncio.timeout(START_PATIENCE_S):
            await writer.attempted.wait()
    except TimeoutError:
        pass
    if not writer.prepared.is_set():
        logger.error("the database is away: calls go on, records wait in a file")


def now_ms() -> int:
    """The wall clock, UTC."""
    return time.time_ns() // 1_000_000

"""Database URLs and engines: SQLite or PostgreSQL, ready to use."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from server.errors import StartError

SQLITE_FILE = "voicebridge.sqlite3"
BUSY_TIMEOUT_S = 5.0
"""So long a statement waits for another process that is writing."""
CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 15.0
READERS = 4
POSTGRES_POOL = 5
WAL_LIMIT_BYTES = 16 * 1024 * 1024

_SQLITE_PRAGMAS = (
    # Readers never wait for the writer.
    "PRAGMA journal_mode=WAL",
    # A commit is on the disk when it returns, so an acknowledged event outlives a
    # pulled plug too, which is how boards are switched off. The writer batches: the
    # price is one fsync for everything that came meanwhile, in a thread.
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    # What is erased is overwritten, not only unlinked.
    "PRAGMA secure_delete=ON",
    f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}",
)


@dataclass(frozen=True, slots=True)
class Engines:
    """Two ways to one database: SQLite has one writer at a time, PostgreSQL many."""

    write: AsyncEngine
    read: AsyncEngine

    @property
    def is_sqlite(self) -> bool:
        """True for the embedded database."""
        return self.write.dialect.name == "sqlite"

    async def dispose(self) -> None:
        """Close every connection."""
        await self.write.dispose()
        if self.read is not self.write:
            await self.read.dispose()


def parse_url(text: str | None, data_dir: Path) -> URL:
    """The URL of the database; None is the SQLite file in the data folder.

    Raises:
        StartError: it is no URL, or of a database we do not know. Never says it.
    """
    if text is None:
        return URL.create("sqlite+aiosqlite", database=str(data_dir / SQLITE_FILE))
    try:
        url = make_url(text)
    except ArgumentError:
        raise StartError("VOICEBRIDGE_DATABASE_URL is not a database URL") from None
    backend = url.drivername.partition("+")[0]
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise StartError("VOICEBRIDGE_DATABASE_URL: SQLite needs a file")
        return url.set(drivername="sqlite+aiosqlite")
    if backend in ("postgres", "postgresql"):
        return _for_asyncpg(url)
    raise StartError(
        "VOICEBRIDGE_DATABASE_URL: sqlite:///… and postgresql://… are supported"
    )


def _for_asyncpg(url: URL) -> URL:
    query = dict(url.query)
    # libpq's name for what asyncpg calls ssl, with the same values.
    if "sslmode" in query and "ssl" not in query:
        query["ssl"] = query["sslmode"]
    query.pop("sslmode", None)
    return url.set(drivername="postgresql+asyncpg", query=query)


def make_engines(url: URL) -> Engines:
    """Engines for a parsed URL. Nothing is connected yet.

    Raises:
        StartError: the driver is not installed.
    """
    try:
        if url.get_backend_name() == "sqlite":
            return Engines(_sqlite(url, writes=True), _sqlite(url, writes=False))
        engine = create_async_engine(
            url,
            pool_size=POSTGRES_POOL,
            max_overflow=POSTGRES_POOL,
            pool_pre_ping=True,
            pool_timeout=CONNECT_TIMEOUT_S,
            connect_args={
                "timeout": CONNECT_TIMEOUT_S,
                "command_timeout": COMMAND_TIMEOUT_S,
            },
            hide_parameters=True,
        )
    except ModuleNotFoundError as exc:
        raise StartError(
            f"this database needs the package {exc.name}: install voicebridge[postgres]"
        ) from None
    return Engines(engine, engine)


def _sqlite(url: URL, *, writes: bool) -> AsyncEngine:
    engine = create_async_engine(
        url,
        # One connection writes, so that this process never waits for its own lock.
        pool_size=1 if writes else READERS,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_S * 2,
        connect_args={"timeout": BUSY_TIMEOUT_S},
        hide_parameters=True,  # what people said does not belong into errors
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: Any, _record: object) -> None:
        # The driver would begin transactions late and unasked: we say it ourselves.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            cursor.execute(pragma)
        if not writes:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

    @event.listens_for(engine.sync_engine, "begin")
    def say_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine

"""Brings the tables of a database up to this version, one process at a time."""

import asyncio
import fcntl
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from server.errors import StartError

HEAD = "0001"
"""The newest migration, so that a start with nothing to do loads no Alembic."""
LOCK_TIMEOUT_S = 60.0
_LOCK_POLL_S = 0.05
_ADVISORY_LOCK = int.from_bytes(
    hashlib.sha256(b"voicebridge migrations").digest()[:8], "big", signed=True
)
_SCRIPTS = Path(__file__).resolve().parent / "migrations"


async def current(engine: AsyncEngine) -> str | None:
    """The version of the tables; None when there are none yet."""
    async with engine.connect() as connection:
        return await connection.run_sync(_version)


async def upgrade(engine: AsyncEngine) -> bool:
    """Bring the tables to HEAD; False when they were there already.

    Raises:
        StartError: they belong to a newer version of this program.
        SQLAlchemyError, OSError: the database cannot be used now.
    """
    if await current(engine) == HEAD:
        return False
    async with _alone(engine), engine.begin() as connection:
        return await connection.run_sync(_upgrade)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


def _upgrade(connection: Connection) -> bool:
    found = _version(connection)
    if found == HEAD:  # somebody else was quicker
        return False
    # Slow to load, and needed only when there is something to do.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {s.revision for s in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StartError(
            f"the database is of version {found}, which is newer than this program "
            f"({HEAD}): use the newer program"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return True


@asynccontextmanager
async def _alone(engine: AsyncEngine) -> AsyncIterator[None]:
    """No other process migrates the same database meanwhile."""
    if engine.dialect.name == "sqlite":
        async with _file_lock(Path(f"{engine.url.database}.lock")):
            yield
    else:
        async with engine.connect() as connection, _advisory_lock(connection):
            yield


@asynccontextmanager
async def _file_lock(path: Path) -> AsyncIterator[None]:
    with path.open("a") as handle:
        async with asyncio.timeout(LOCK_TIMEOUT_S):
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    # flock has no timeout of its own, and migrations are rare.
                    await asyncio.sleep(_LOCK_POLL_S)
        yield


@asynccontextmanager
async def _advisory_lock(connection: AsyncConnection) -> AsyncIterator[None]:
    key = {"key": _ADVISORY_LOCK}
    await connection.execute(text("SELECT pg_advisory_lock(:key)"), key)
    try:
        yield
    finally:
        await connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
        await connection.commit()

"""Every test here runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from server.app import create_app
from server.settings import load_settings
from server.store import writer
from server.store.engine import SQLITE_FILE, make_engines, parse_url
from server.store.figures import WriterLimits
from server.store.migrate import upgrade
from server.store.store import Store, StoreConfig, open_store
from tests.support.lacking import lacking
from tests.support.postgres import Cluster, NoPostgresError, running_cluster
from tests.support.stores import Api


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL; without one these tests are skipped, and fail in CI."""
    try:
        with running_cluster() as cluster:
            yield cluster
    except NoPostgresError as exc:
        lacking(f"PostgreSQL is not tested: {exc}")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The URL of an empty database; None means the embedded one."""
    if request.param == "sqlite":
        yield None
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    url = cluster.new_database()
    yield url
    cluster.drop(url)


@pytest.fixture
def empty_config(empty_url: str | None, tmp_path: Path) -> StoreConfig:
    """A store whose tables are not there yet."""
    return StoreConfig(tmp_path / "store", empty_url)


@pytest.fixture(scope="session")
def tables_in_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with tables and nothing in them."""
    folder = tmp_path_factory.mktemp("tables")
    asyncio.run(_make_tables(parse_url(None, folder)))
    return folder / SQLITE_FILE


@pytest.fixture(scope="session")
def tables_in_postgres(cluster: Cluster) -> str:
    """The same in PostgreSQL: its URL."""
    url = cluster.new_database()
    asyncio.run(_make_tables(parse_url(url, Path())))
    return url


async def _make_tables(url: URL) -> None:
    engines = make_engines(url)
    await upgrade(engines.write)
    await engines.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreConfig]:
    """A store with its tables: making them takes longer than most tests."""
    folder = tmp_path / "store"
    if request.param == "sqlite":
        folder.mkdir()
        shutil.copy(request.getfixturevalue("tables_in_sqlite"), folder)
        yield StoreConfig(folder)
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    url = cluster.new_database(request.getfixturevalue("tables_in_postgres"))
    yield StoreConfig(folder, url)
    cluster.drop(url)


@pytest.fixture
async def store(config: StoreConfig) -> AsyncIterator[Store]:
    """A running store."""
    async with open_store(config) as store:
        yield store


@pytest.fixture
async def api(
    config: StoreConfig, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    """The routes of a server without voice, for two owners."""
    # On a busy machine a commit takes its time, and an answer is 202 then.
    monkeypatch.setattr(writer, "WriterLimits", lambda: WriterLimits(slow_s=60.0))
    settings = load_settings(
        env_file=None,
        enable_backend_webrtc=False,
        data_dir=config.data_dir,
        database_url=config.database_url,
        api_keys="ada:ada-key-000000000000,bob:bob-key-000000000000",
        requests_per_s=10_000.0,
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield Api(app)

"""Every test here runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from server.store.store import Store, StoreConfig, open_store
from tests.support.postgres import IS_CI, Cluster, NoPostgresError, running_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL; without one these tests are skipped, and fail in CI."""
    try:
        with running_cluster() as cluster:
            yield cluster
    except NoPostgresError as exc:
        if IS_CI:
            pytest.fail(f"PostgreSQL is not tested: {exc}")
        pytest.skip(f"PostgreSQL IS NOT TESTED: {exc}")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The URL of an empty database; None means the embedded one."""
    if request.param == "sqlite":
        yield None
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    url = cluster.new_database()
    yield url
    cluster.drop(url)


@pytest.fixture
def config(database_url: str | None, tmp_path: Path) -> StoreConfig:
    """Where the test's store is."""
    return StoreConfig(tmp_path / "store", database_url)


@pytest.fixture
async def store(config: StoreConfig) -> AsyncIterator[Store]:
    """A running store."""
    async with open_store(config) as store:
        yield store

"""A PostgreSQL of one's own: a throw-away cluster in a temporary folder."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

URL_VARIABLE = "VOICEBRIDGE_TEST_POSTGRES_URL"
# Read at import: the fixture that scrubs the environment comes later.
GIVEN_URL = os.environ.get(URL_VARIABLE)
START_TIMEOUT_S = 30
SETTINGS = (
    # It is thrown away: nothing needs to outlive a crash.
    *("-c", "fsync=off"),
    *("-c", "synchronous_commit=off"),
    *("-c", "full_page_writes=off"),
    *("-c", "listen_addresses="),
    *("-c", "max_connections=60"),
    *("-c", "shared_buffers=16MB"),
)


class NoPostgresError(Exception):
    """This machine has no PostgreSQL to start."""


class Cluster:
    """A running server; every test gets a database of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def new_database(self, template_url: str | None = None) -> str:
        """Create a database, empty or as another one is; its URL."""
        name = f"vb_{uuid.uuid4().hex}"
        template = _name_of(template_url) if template_url else "template0"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        head, _, query = self.url.partition("?")
        return f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{query}" if query else "")

    def drop(self, url: str) -> None:
        """Throw a database away, whoever is in it."""
        self.execute(f'DROP DATABASE IF EXISTS "{_name_of(url)}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        """Run one statement as the superuser."""

        async def run() -> None:
            connection = await asyncpg.connect(self.url, timeout=10)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        # Tests have a loop of their own: this is not inside it.
        with asyncio.Runner() as runner:
            runner.run(run())


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """The server the environment names, or one that lives as long as the block.

    Raises:
        NoPostgresError: neither is there.
    """
    if GIVEN_URL:
        yield Cluster(GIVEN_URL)
        return
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="vb-pg-"))
    try:
        account = _account()
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        _run(programs / "initdb", folder, account)
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", folder / "data", "-k", folder, *SETTINGS],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                **_as(account),
            )
        try:
            _wait_until_ready(programs / "pg_isready", folder, server)
            yield Cluster(f"postgresql://postgres@/postgres?host={folder}")
        finally:
            server.terminate()
            try:
                server.wait(timeout=5)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _name_of(url: str) -> str:
    return url.partition("?")[0].rsplit("/", 1)[1]


def _programs() -> Path:
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parent.parent.name),
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise NoPostgresError(
            "no PostgreSQL: apt-get install postgresql, or set " + URL_VARIABLE
        )
    return Path(on_path).resolve().parent


def _account() -> pwd.struct_passwd | None:
    """Who runs the server: PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoPostgresError("no account but root's to run PostgreSQL as")


def _as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": ()}


def _run(initdb: Path, folder: Path, account: pwd.struct_passwd | None) -> None:
    subprocess.run(
        [
            initdb,
            *("-D", folder / "data", "-U", "postgres", "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--no-sync"),
        ],
        check=True,
        capture_output=True,
        cwd=folder,
        **_as(account),
    )


def _wait_until_ready(
    pg_isready: Path, folder: Path, server: subprocess.Popen[bytes]
) -> None:
    for _ in range(START_TIMEOUT_S * 10):
        if server.poll() is not None:
            raise RuntimeError((folder / "log").read_text())
        done = subprocess.run(
            [pg_isready, "-q", "-h", folder, "-U", "postgres"], check=False
        )
        if done.returncode == 0:
            return
        try:
            server.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            continue
    raise RuntimeError("PostgreSQL does not become ready")

"""Serves the pages of these tests, from another origin than the fake's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web


@asynccontextmanager
async def serving(folder: Path, **more: Path) -> AsyncIterator[str]:
    """A folder at `/`, others under their names; yields `http://127.0.0.1:port`."""
    app = web.Application()
    for name, where in more.items():
        app.router.add_static(f"/{name}", where)
    app.router.add_static("/", folder)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()

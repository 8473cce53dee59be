"""Waiting for something that another process or peer does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def eventually(
    condition: Callable[[], bool], *, timeout_s: float = 30.0, every_s: float = 0.02
) -> None:
    """Wait until a condition holds; TimeoutError when it does not."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(every_s)

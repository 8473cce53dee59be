"""The media process's side of the socket, without a process."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from server.workers import codec
from server.workers.serve import _Front


class Host:
    """A media host that never gets to what it is asked."""

    async def remove_client(self, *_: str) -> None:
        await asyncio.Event().wait()


async def test_a_command_that_is_taken_back_at_once_leaves_nothing() -> None:
    """Both lines in one reading: its task is cancelled before it has begun."""
    reader = asyncio.StreamReader()
    arguments = {"session_id": "s", "client_id": "c", "reason": "removed"}
    for number in range(3):
        call = {"call": "remove_client", "id": number, "args": arguments}
        reader.feed_data(codec.to_line(call) + codec.to_line({"cancel": number}))
    reader.feed_eof()
    front = _Front(reader, cast(Any, None), cast(Any, None))

    async with asyncio.TaskGroup() as tasks:
        await front._read(cast(Any, Host()), tasks)

    assert front._calls == {}

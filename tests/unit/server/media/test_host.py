"""The door of the media room, when it closes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.errors import CapacityError
from server.media.host import MediaHost


async def test_a_session_asked_for_as_the_host_ends_is_refused_in_words() -> None:
    """A request may already be past everybody who would have said so."""
    nothing: Any = None
    host = MediaHost(nothing, policy=nothing, limits=nothing, emit=nothing)
    stop = asyncio.Event()
    stop.set()
    await host.run(stop)

    with pytest.raises(CapacityError) as refused:
        await host.open(nothing, nothing)

    assert refused.value.http_status == 503
    assert refused.value.user_message == "The server is shutting down."

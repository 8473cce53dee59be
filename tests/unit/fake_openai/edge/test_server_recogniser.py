"""The server asks a recogniser that may break."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from fake_openai.server import FakeServer
from fake_openai.session.requests import RecogniseRequest
from fake_openai.speech.protocols import Pcm, Recognition


class Broken:
    def recognise(self, pcm: Pcm) -> Recognition:
        raise RuntimeError("out of memory")


async def test_a_recogniser_that_raises_still_ends_the_wait_for_its_words() -> None:
    """Else nothing would ever be answered in that call again."""
    heard: list[tuple[str, Recognition]] = []
    speech = SimpleNamespace(recogniser=Broken())
    server: Any = SimpleNamespace(_ears=None, speech=speech)
    call: Any = SimpleNamespace(recognised=lambda *said: heard.append(said))
    request = RecogniseRequest("item_1", np.zeros(2_400, np.int16))

    await FakeServer._recognise(server, call, request)

    ((item_id, found),) = heard
    assert (item_id, found.failed) == ("item_1", True)

"""What a session knows from before; a store that fails costs the past, not the call."""

import asyncio
import json
from typing import Any

from server.errors import StoreUnavailableError
from server.sessions.background import Background, read_background
from server.sessions.prompt import Remembered
from server.store.events import StoredEvent
from tests.support.virtual_time import virtual_time


def stored(seq: int, kind: str, **data: Any) -> StoredEvent:
    return StoredEvent(
        "me", "c", seq, str(seq), None, None, 0, "voice", kind, json.dumps(data)
    )


class Past:
    """A store that has something, breaks, or hangs."""

    def __init__(self, *, trouble: str = "") -> None:
        self.trouble = trouble
        self.asked: dict[str, Any] = {}

    async def memory_text(self, owner: str) -> str:
        if self.trouble == "breaks":
            raise RuntimeError("the database is away")
        if self.trouble == "hangs":
            await asyncio.Event().wait()
        return f"{owner} likes tea"

    async def newest_events(
        self, owner: str, conversation_id: str, limit: int, **more: Any
    ) -> list[StoredEvent]:
        self.asked = {"owner": owner, "conversation_id": conversation_id, **more}
        return [
            stored(
                1, "transcript", role="user", item_id="a", text="Hello.", final=True
            ),
            stored(2, "tool", name="pause", status="finished", detail="Done."),
        ]


class Pending:
    """A writer that has written everything, or is behind."""

    def __init__(self, past: Past, *, is_behind: bool = False) -> None:
        self._past = past
        self._is_behind = is_behind
        self.was_flushed = False

    async def flush(self, timeout_s: float) -> None:
        assert not self._past.asked, "what is written after the reading is not read"
        self.was_flushed = True
        if self._is_behind:
            await asyncio.sleep(timeout_s)
            raise StoreUnavailableError("the database is behind")


@virtual_time
async def test_memory_and_history_of_this_owner_are_read() -> None:
    past = Past()

    pending = Pending(past)

    background = await read_background(past, pending, "ann", "c1")

    assert pending.was_flushed
    assert background == Background(
        "ann likes tea",
        (Remembered("User", "Hello."), Remembered("pause", "finished: Done.")),
    )
    assert past.asked["owner"] == "ann"
    assert past.asked["conversation_id"] == "c1"


@virtual_time
async def test_a_store_that_breaks_or_hangs_is_done_without() -> None:
    for trouble in ("breaks", "hangs"):
        past = Past(trouble=trouble)
        background = await read_background(past, Pending(past), "ann", "c1")
        assert background == Background()


@virtual_time
async def test_a_writer_that_is_behind_costs_the_last_words_only() -> None:
    past = Past()
    background = await read_background(past, Pending(past, is_behind=True), "a", "c1")
    assert [line.text for line in background.history] == ["Hello.", "finished: Done."]

"""A door of the tools that writes down everything that goes through it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from server.tools.door import Record, Status
from server.tools.narration import Note


class MemoryDoor:
    """Everything the tools of a session said, in order."""

    def __init__(self) -> None:
        self.outputs: dict[str, dict[str, Any]] = {}
        self.spoken: dict[str, bool] = {}
        self.statuses: list[Status] = []
        self.notes: list[Note] = []
        self.records: list[Record] = []
        self._changed = asyncio.Event()

    def output(self, call_id: str, output: str, *, speak: bool) -> None:
        """An output; a second one of the same call fails the test."""
        assert call_id not in self.outputs, f"two outputs of {call_id}"
        self.outputs[call_id] = json.loads(output)
        self.spoken[call_id] = speak
        self._changed.set()

    def status(self, status: Status) -> None:
        """A status."""
        self.statuses.append(status)
        self._changed.set()

    def narrate(self, note: Note) -> None:
        """A note; a second one of the same key fails the test."""
        assert note.key not in {n.key for n in self.notes}, f"told twice: {note.key}"
        self.notes.append(note)
        self._changed.set()

    def record(self, record: Record) -> None:
        """A record."""
        self.records.append(record)
        self._changed.set()

    def states(self, call_id: str) -> list[str]:
        """The states of one call, in order."""
        return [s.state for s in self.statuses if s.call_id == call_id]

    async def until(self, condition: Any, timeout_s: float = 5.0) -> None:
        """Wait until something that went through makes a condition true."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

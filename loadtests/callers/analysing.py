"""The owner's end of the analysing process: parcels in, results out. EDGE (asyncio)."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from loadtests.callers.wire import Broken, Event, Result, WireError, decode_event
from simulator.parcel import Parcel, pack

MAX_WAITING = 64
"""Conversations that may wait to be analysed. When there are so many, `take` waits, and
so does whoever wants to say that the next call is over."""
END_TIMEOUT_S = 5.0
NICENESS = 19
NICENESS_VARIABLE = "VOICEBRIDGE_ANALYSIS_NICENESS"
"""A smaller number lets the analysis get on where others keep the machine busy, at the
price of calls that may hear it."""
MAX_LINE_BYTES = 8 * 1024 * 1024


def niceness() -> int:
    """How far the analysis steps back, 0 to 19."""
    given = os.environ.get(NICENESS_VARIABLE, "")
    return min(19, int(given)) if given.isdecimal() else NICENESS


class Analyst:
    """Starts the process and owns it, from `__aenter__` to `__aexit__`."""

    def __init__(self, say: Callable[[Event], None], keep: Path | None = None) -> None:
        """Args:
        say: gets a `Result` or `Broken` for every conversation taken.
        keep: folder for the sound and the timeline of each call.
        """
        self._say = say
        self._keep = keep
        self._waiting: set[int] = set()
        self._room = asyncio.Semaphore(MAX_WAITING)
        self._idle = asyncio.Event()
        self._idle.set()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="voicebridge-calls-")
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "loadtests.callers.analysis"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MAX_LINE_BYTES,
        )
        # It steps back further by itself; but importing costs a second of CPU already.
        os.setpriority(os.PRIO_PROCESS, self._process.pid, niceness())
        self._reader = asyncio.create_task(self._read(), name="analyst")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        for ask in (None, process.terminate, process.kill):
            if process.returncode is None and ask is not None:
                with suppress(ProcessLookupError):
                    ask()
            with suppress(TimeoutError):
                async with asyncio.timeout(END_TIMEOUT_S):
                    await process.wait()
                    break
        if self._reader is not None:
            await self._reader
        if self._folder is not None:
            self._folder.cleanup()

    async def take(
        self,
        number: int,
        parcels: list[Parcel],
        *,
        fake_url: str | None,
        doubts: list[list[str]],
        was_abandoned: bool,
    ) -> None:
        """Accept a finished conversation; returns at once while there is room."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._folder is not None
        await self._room.acquire()
        self._waiting.add(number)
        self._idle.clear()
        path = Path(self._folder.name) / f"{number}.calls"
        try:
            # Not on the loop: the callers' frames are due every 20 ms.
            await asyncio.to_thread(lambda: path.write_bytes(pack(parcels)))
        except OSError as exc:
            self._done(Broken(number, f"a finished call cannot be kept: {exc}"))
            return
        order = {
            "id": number,
            "parcel": str(path),
            "fake_url": fake_url,
            "keep": str(self._keep) if self._keep else None,
            "doubts": doubts,
            "was_abandoned": was_abandoned,
        }
        if self._process.returncode is None and number in self._waiting:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
        else:
            self._done(Broken(number, "the analysing process has ended"))

    async def wait_idle(self) -> None:
        """Until nothing waits to be analysed."""
        await self._idle.wait()

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            try:
                event = decode_event(line)
            except WireError:
                break
            if isinstance(event, Result | Broken):
                self._done(event)
        for number in list(self._waiting):
            self._done(Broken(number, "the analysing process has ended"))

    def _done(self, event: Result | Broken) -> None:
        if event.id in self._waiting:
            self._waiting.discard(event.id)
            self._room.release()
            if not self._waiting:
                self._idle.set()
            self._say(event)

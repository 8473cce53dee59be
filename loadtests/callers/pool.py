"""Calling processes, and calls spread over them. EDGE (threads, or gevent's greenlets).

Plain `threading` and `subprocess`: where Locust has patched them, a thread here is a
greenlet and waiting lets the others run. Nothing here imports asyncio or aiortc.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from loadtests.callers.wire import (
    Broken,
    Event,
    HangUp,
    Over,
    PlaceCall,
    Ready,
    Result,
    Talking,
    WireError,
    decode_event,
    encode,
)

START_TIMEOUT_S = 110.0
"""Importing and decoding the speech takes seconds on a small board."""
END_TIMEOUT_S = 10.0


class PoolError(RuntimeError):
    """The calling processes cannot do what is asked."""


@dataclass(slots=True)
class PlacedCall:
    """One conversation that was ordered."""

    id: int
    process: _Process
    is_talking: threading.Event = field(default_factory=threading.Event)
    """Set when it is connected, and when it never will be."""
    is_over: threading.Event = field(default_factory=threading.Event)
    """Set when everybody has hung up."""
    was_connected: bool = False

    def hang_up(self) -> None:
        """End it now. The result follows as usual."""
        self.process.tell(HangUp(self.id))


class CallerPool:
    """Owns its processes and their reading threads, from `__enter__` to `__exit__`."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        n_processes: int = 1,
        on_result: Callable[[Result | Broken], None],
        log: Path | None = None,
    ) -> None:
        """Args:
        arguments: of `python -m loadtests.callers`.
        n_processes: how many; each can hold dozens of calls.
        on_result: gets what every conversation was like, on a reading thread.
        log: file for what the processes say on stderr; None leaves it on ours.
        """
        if n_processes < 1:
            raise ValueError("a pool needs a process")
        self._arguments = tuple(arguments)
        self._n_processes = n_processes
        self._on_result = on_result
        self._log = log
        self._ids = itertools.count(1)
        self._changed = threading.Condition()
        self._open: dict[int, PlacedCall] = {}
        """Conversations whose result is not known yet."""
        self._processes: list[_Process] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start every process and wait until all can take calls.

        Raises:
            PoolError: one does not.
        """
        for _ in range(self._n_processes):
            process = _Process(self._arguments, self._log, self._on_event)
            process.on_end = self._on_end
            self._processes.append(process)
            process.start()
        deadline_s = time.monotonic() + START_TIMEOUT_S
        for process in self._processes:
            process.is_up.wait(max(0.0, deadline_s - time.monotonic()))
            if not process.is_ready:
                self.close()
                raise PoolError("a calling process did not start, see its output")

    @property
    def pids(self) -> list[int]:
        """Of the calling processes and their analysts."""
        return [pid for process in self._processes for pid in process.pids]

    @property
    def n_waiting(self) -> int:
        """Conversations under way, or not analysed yet."""
        with self._changed:
            return len(self._open)

    def place(self, scenario: str, seconds: float, *, number: int = 0) -> PlacedCall:
        """Begin a conversation on the process that has the fewest.

        Raises:
            PoolError: no process lives any more.
        """
        with self._changed:
            alive = [p for p in self._processes if p.is_alive]
            if not alive:
                raise PoolError("no calling process is alive")
            busy = [call.process for call in self._open.values()]
            process = min(alive, key=busy.count)
            call = PlacedCall(next(self._ids), process)
            self._open[call.id] = call
        process.tell(PlaceCall(call.id, scenario, seconds, number))
        return call

    def hang_up_all(self) -> None:
        """End every conversation that lives."""
        for process in self._processes:
            process.tell(HangUp())

    def drain(self, timeout_s: float) -> int:
        """Hang up everything and wait for the results.

        Returns:
            How many results did not come in time.
        """
        self.hang_up_all()
        return self.wait_for_results(timeout_s)

    def wait_for_results(self, timeout_s: float) -> int:
        """Wait until nothing is open; how many results did not come in time."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open, timeout_s)
            return len(self._open)

    def close(self) -> None:
        """End the processes: nicely, then by force. Idempotent."""
        for process in self._processes:
            process.end()
        self._processes.clear()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Ready):
            return
        with self._changed:
            call = self._open.get(event.id)
        if call is None:
            return
        if isinstance(event, Talking):
            call.was_connected = True
            call.is_talking.set()
        elif isinstance(event, Over):
            call.was_connected = event.is_connected
            call.is_talking.set()
            call.is_over.set()
        else:
            self._finish(call, event)

    def _finish(self, call: PlacedCall, event: Result | Broken) -> None:
        try:
            self._on_result(event)
        finally:
            call.is_talking.set()
            call.is_over.set()
            with self._changed:
                self._open.pop(call.id, None)
                self._changed.notify_all()

    def _on_end(self, process: _Process) -> None:
        with self._changed:
            lost = [call for call in self._open.values() if call.process is process]
        for call in lost:
            self._finish(call, Broken(call.id, "the calling process has ended"))


class _Process:
    """One `python -m loadtests.callers` and the thread that reads it."""

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path | None,
        on_event: Callable[[Event], None],
    ) -> None:
        self._command = [sys.executable, "-m", "loadtests.callers", *arguments]
        self._log = log
        self._on_event = on_event
        self.on_end: Callable[[_Process], None] = lambda process: None
        self._popen: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._writing = threading.Lock()
        self.is_up = threading.Event()
        """Set when it is ready, and when it never will be."""
        self.is_ready = False
        self.pids: list[int] = []

    @property
    def is_alive(self) -> bool:
        return self.is_ready and self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        with _sink(self._log) as sink:
            self._popen = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                start_new_session=True,  # Ctrl-C is for us; its input ends then
            )
        self.pids = [self._popen.pid]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def tell(self, order: PlaceCall | HangUp) -> None:
        """Write one line; a process that has ended is noticed by its reader."""
        assert self._popen is not None
        stdin = _pipe(self._popen.stdin)
        with self._writing, suppress(OSError, ValueError):
            stdin.write(encode(order))
            stdin.flush()

    def end(self) -> None:
        popen = self._popen
        if popen is None:
            return
        with self._writing, suppress(OSError):
            _pipe(popen.stdin).close()
        for ask in (None, popen.terminate, popen.kill):
            if ask is not None and popen.poll() is None:
                ask()
            with suppress(subprocess.TimeoutExpired):
                popen.wait(END_TIMEOUT_S)
                break
        if self._reader is not None:
            self._reader.join(END_TIMEOUT_S)
        _pipe(popen.stdout).close()
        self._popen = None

    def _read(self) -> None:
        assert self._popen is not None
        stdout = _pipe(self._popen.stdout)
        try:
            while line := stdout.readline():
                event = decode_event(line)
                if isinstance(event, Ready):
                    self.pids = [event.pid, event.analyst_pid]
                    self.is_ready = True
                    self.is_up.set()
                self._on_event(event)
        except (WireError, OSError, ValueError):
            pass  # as good as ended: what it still has to say is not understood
        finally:
            self.is_ready = False
            self.is_up.set()
            self.on_end(self)


def _sink(log: Path | None) -> AbstractContextManager[IO[bytes] | None]:
    return nullcontext(None) if log is None else log.open("ab")


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe

"""One media process, as the front sees it: started, spoken to, watched.

They talk over a socket pair in lines of JSON. The child ends when its end of the socket
does, so it never outlives us. It reports its load twice a second; one that says nothing
for a while is stuck, and is killed.
"""

import asyncio
import itertools
import logging
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from server.errors import WorkerLostError
from server.media.protocol import HostEvent
from server.workers import codec
from server.workers.load import LoadReport

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
"""A Jetson Nano takes ten seconds to import everything."""
SILENCE_TIMEOUT_S = 8.0
"""Longer than any pause of a loop that will recover by itself."""
STOP_TIMEOUT_S = 6.0
MAX_LINE_BYTES = 8 << 20
MAX_UNSENT_BYTES = 16 << 20
"""A child that takes nothing is stuck: better dead than our memory full."""

COMMAND = (sys.executable, "-m", "server.workers")


class Worker:
    """One child. `run` starts it and stays until it has ended."""

    def __init__(
        self,
        config: codec.Frame,
        *,
        on_event: Callable[[HostEvent], None],
        on_report: Callable[[LoadReport], None],
    ) -> None:
        """
        Args:
            config: what the child needs to know, from `server.workers.config`.
            on_event: gets every event of its media host.
            on_report: gets every reading of its load.
        """
        self._config = config
        self._on_event = on_event
        self._on_report = on_report
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[codec.Method, asyncio.Future[Any]]] = {}
        self._child: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._heard_at_s = 0.0
        self.is_up = asyncio.Event()
        """Set while it accepts work."""

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._child.pid if self._child is not None else None

    async def run(self, stop: asyncio.Event) -> None:
        """Start the child, serve it until it ends or `stop`; then it is gone."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._child = await asyncio.create_subprocess_exec(
                    *COMMAND,
                    str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # Ctrl-C is for us
                )
            except OSError as exc:
                ours.close()
                logger.error("a media process cannot be started: %s", exc)
                return
        reader, self._writer = await asyncio.open_connection(
            sock=ours, limit=MAX_LINE_BYTES
        )
        self._heard_at_s = self._loop.time()
        self._send({"config": self._config})
        stopping = asyncio.create_task(stop.wait())
        reading = asyncio.create_task(self._read(reader))
        watching = asyncio.create_task(self._watch())
        try:
            await asyncio.wait(
                {stopping, reading, watching}, return_when=asyncio.FIRST_COMPLETED
            )
            if stop.is_set():
                await self._shut_down(reading)
        finally:
            for task in (stopping, watching, reading):
                task.cancel()
            await asyncio.gather(stopping, watching, reading, return_exceptions=True)
            await self._bury()

    async def call(self, command: str, /, *args: Any, **kwargs: Any) -> Any:
        """One command whose result is awaited.

        Raises:
            BridgeError: what the child raised; WorkerLostError when it is gone.
        """
        if not self.is_up.is_set():
            raise WorkerLostError("the media process is not up")
        method = codec.methods()[command]
        number = next(self._numbers)
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._waiting[number] = (method, answer)
        self._send(
            {"call": command, "id": number, "args": method.encode(*args, **kwargs)}
        )
        try:
            return await answer
        except asyncio.CancelledError:
            self._send({"cancel": number})
            raise
        finally:
            self._waiting.pop(number, None)

    def post(self, command: str, /, *args: Any, **kwargs: Any) -> None:
        """One command without a result; a child that is gone is ignored."""
        if self.is_up.is_set():
            method = codec.methods()[command]
            self._send({"call": command, "args": method.encode(*args, **kwargs)})

    def kill(self) -> None:
        """End it at once."""
        if self._child is not None and self._child.returncode is None:
            with suppress(ProcessLookupError):
                self._child.kill()

    def _send(self, frame: codec.Frame) -> None:
        writer = self._writer
        if writer is None or writer.is_closing():
            return
        writer.write(codec.to_line(frame))
        if writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            logger.error("media process %s takes no commands; it is killed", self.pid)
            self.kill()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Every line of the child until the socket ends."""
        try:
            while line := await reader.readline():
                self._heard_at_s = self._loop.time()
                self._receive(codec.from_line(line))
        except (OSError, ValueError, codec.FrameError) as exc:
            logger.error("media process %s speaks nonsense: %s", self.pid, exc)
        except Exception:
            # A bug of ours: it is the end of this process, but not without a word.
            logger.exception("what media process %s told was not taken", self.pid)

    def _receive(self, frame: codec.Frame) -> None:
        if "id" in frame:
            self._settle(frame)
        elif "ready" in frame:
            self.is_up.set()
        else:
            notice = codec.decode_notice(frame)
            if isinstance(notice, LoadReport):
                self._on_report(notice)
            else:
                self._on_event(notice)

    def _settle(self, frame: codec.Frame) -> None:
        method, answer = self._waiting.get(frame["id"], (None, None))
        if method is None or answer is None or answer.done():
            return  # nobody waits any more
        if "error" in frame:
            answer.set_exception(codec.decode_error(frame["error"]))
        else:
            answer.set_result(method.decode_result(frame["result"]))

    async def _watch(self) -> None:
        """Until the child is stuck."""
        while True:
            await asyncio.sleep(1.0)
            limit_s = SILENCE_TIMEOUT_S if self.is_up.is_set() else START_TIMEOUT_S
            silent_s = self._loop.time() - self._heard_at_s
            if silent_s > limit_s:
                logger.error(
                    "media process %s said nothing for %.0f s; it is killed",
                    self.pid,
                    silent_s,
                )
                return

    async def _shut_down(self, reading: asyncio.Task[None]) -> None:
        """Ask it to end its calls; its last events still come."""
        self._send({"stop": True})
        await asyncio.wait({reading}, timeout=STOP_TIMEOUT_S)

    async def _bury(self) -> None:
        """Make sure that nothing of it is left, and nobody waits for it."""
        self.is_up.clear()
        if self._writer is not None:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()
        child = self._child
        assert child is not None
        if child.returncode is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await child.wait()
        self.kill()
        status = await child.wait()
        if status not in (0, -signal.SIGKILL):
            logger.error("media process %s ended with status %s", child.pid, status)
        for _, answer in list(self._waiting.values()):
            if not answer.done():
                answer.set_exception(WorkerLostError(f"status {status}"))

"""The fake model service as a child process, for running without a key.

It is watched: when it dies its calls end (the model legs notice by themselves) and it
is started again, later and later when it keeps dying, so that the next session works.
It ends with us even if we are killed, because its standard input closes then.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from server.errors import ModelUnreachableError
from server.realtime.signalling import ModelEndpoint

logger = logging.getLogger(__name__)

COMMAND = (
    sys.executable,
    *("-m", "fake_openai", "--port", "0", "--announce", "--exit-with-parent"),
)
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 3.0
FIRST_BACK_OFF_S = 0.2
MAX_BACK_OFF_S = 10.0
STEADY_AFTER_S = 30.0
"""A child that lived so long has not died of its start: begin the back-off anew."""
WAIT_FOR_FAKE_S = 10.0
MAX_LINE_BYTES = 64 * 1024


class EmbeddedFake:
    """A ModelSource. `run` owns the child."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = tuple(command)
        self._up = asyncio.Event()
        self._url: str | None = None
        self._pid: int | None = None
        self._port: int | None = None
        self.n_starts = 0

    @property
    def url(self) -> str | None:
        """Where it listens, `http://127.0.0.1:PORT`; None while it is down."""
        return self._url

    @property
    def pid(self) -> int | None:
        """The child's process id while it is up."""
        return self._pid if self._up.is_set() else None

    async def endpoint(self) -> ModelEndpoint:
        """The fake, waiting a moment when it is being started.

        Raises:
            ModelUnreachableError: it does not come up.
        """
        try:
            async with asyncio.timeout(WAIT_FOR_FAKE_S):
                await self._up.wait()
        except TimeoutError as exc:
            raise ModelUnreachableError("the embedded fake does not start") from exc
        return ModelEndpoint("fake", f"{self._url}/v1", "sk-embedded-fake")

    async def run(self, stop: asyncio.Event) -> None:
        """Keep one child running until `stop`, then end it."""
        stopping = asyncio.create_task(stop.wait())
        back_off_s = FIRST_BACK_OFF_S
        loop = asyncio.get_running_loop()
        try:
            while not stop.is_set():
                started_s = loop.time()
                await self._live_once(stopping)
                if stop.is_set():
                    break
                if loop.time() - started_s > STEADY_AFTER_S:
                    back_off_s = FIRST_BACK_OFF_S
                logger.warning(
                    "the embedded fake model has ended; starting it again in %.1f s",
                    back_off_s,
                )
                await asyncio.wait({stopping}, timeout=back_off_s)
                back_off_s = min(2 * back_off_s, MAX_BACK_OFF_S)
        finally:
            stopping.cancel()

    async def _live_once(self, stopping: asyncio.Task[bool]) -> None:
        """Start the child and stay until it ends or we are to stop."""
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command_again(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=MAX_LINE_BYTES,
                start_new_session=True,  # Ctrl-C is for us; we end it in our order
            )
        except OSError as exc:
            logger.error("the embedded fake model cannot be started: %s", exc)
            return
        self._pid = child.pid
        self.n_starts += 1
        try:
            await self._watch(child, stopping)
        finally:
            self._up.clear()
            self._url = None
            await _end(child)

    def _command_again(self) -> tuple[str, ...]:
        """The command, with the port of last time: calls that recover ask there."""
        command = list(self._command)
        if self._port is not None and "--port" in command:
            command[command.index("--port") + 1] = str(self._port)
        self._port = None  # should it not come up there, any other will do
        return tuple(command)

    async def _watch(
        self, child: asyncio.subprocess.Process, stopping: asyncio.Task[bool]
    ) -> None:
        assert child.stdout is not None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                self._url = _announced_url(await child.stdout.readline())
        except (TimeoutError, ValueError) as exc:
            logger.error("the embedded fake model did not start: %s", exc)
            return
        self._port = urlsplit(self._url).port
        logger.info("embedded fake model listening on %s", self._url)
        self._up.set()
        reading = asyncio.create_task(_read_on(child.stdout))
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading


def _announced_url(line: bytes) -> str:
    if not line:
        raise ValueError("it ended without a word")
    try:
        url = json.loads(line)["url"]
        parts = urlsplit(url)
    except (ValueError, KeyError, TypeError) as exc:
        raise ValueError("its first line is not the announcement") from exc
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("its announcement has no http URL")
    return str(url).rstrip("/")


async def _read_on(stdout: asyncio.StreamReader) -> None:
    """Keep the pipe from filling up; returns when the child closes it."""
    while await stdout.read(MAX_LINE_BYTES):
        pass


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.stdin is not None:
        child.stdin.close()
    for ask in (None, child.terminate, child.kill):
        if child.returncode is None and ask is not None:
            with suppress(ProcessLookupError):
                ask()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await child.wait()
                return

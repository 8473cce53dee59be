"""The media process: a MediaHost behind a socket.

The composition root of `python -m server.workers`.
"""

import asyncio
import gc
import logging
import socket
from collections.abc import Awaitable, Callable
from functools import partial as bind
from typing import Any

from server.errors import BridgeError
from server.media.host import MediaHost
from server.media.protocol import HostEvent
from server.media_door import make_http_client
from server.media_host import make_media_host
from server.observability.logs import set_up_logging
from server.settings import Settings
from server.workers import codec
from server.workers.load import REPORT_S, LagMeter, load_of
from server.workers.tidy import IdleTidy

logger = logging.getLogger(__name__)

CONFIG_TIMEOUT_S = 30.0
MAX_LINE_BYTES = 8 << 20
MAX_UNSENT_BYTES = 64 << 20
"""A front that reads nothing for so long is gone for good."""


async def serve(fd: int) -> None:
    """Serve the front at the other end of the socket until it ends it."""
    reader, writer = await asyncio.open_connection(
        sock=socket.socket(fileno=fd), limit=MAX_LINE_BYTES
    )
    try:
        async with asyncio.timeout(CONFIG_TIMEOUT_S):
            config = codec.from_line(await reader.readline())["config"]
        settings = Settings.model_validate(config["settings"])
        set_up_logging(settings.log_level, settings.secrets)
        await _Front(reader, writer, settings).serve()
    finally:
        writer.close()


class _Front:
    """The front, as the media process sees it."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        settings: Settings,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._settings = settings
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._lag = LagMeter()

    async def serve(self) -> None:
        """Until the socket ends or a stop comes; then everything is ended."""
        stop = asyncio.Event()
        async with make_http_client(self._settings) as http:
            host = make_media_host(self._settings, http, self._emit)
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(host.run(stop), name="media host")
                reporting = tasks.create_task(self._report(host), name="load reports")
                await host.is_running.wait()
                gc.collect()
                gc.freeze()
                gc.collect()  # else it waits for a quarter of what is frozen
                self._lag.start()
                self._send({"ready": True})
                try:
                    await self._read(host, tasks)
                finally:
                    stop.set()
                    await asyncio.wait({running})
                    reporting.cancel()
                    self._lag.stop()
                    for task in list(self._calls.values()):
                        task.cancel()

    def _emit(self, event: HostEvent) -> None:
        self._send(codec.encode_notice(event))

    def _send(self, frame: codec.Frame) -> None:
        if self._writer.is_closing():
            return
        self._writer.write(codec.to_line(frame))
        if self._writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            logger.error("the front reads nothing; this media process gives up")
            self._writer.transport.abort()

    async def _read(self, host: MediaHost, tasks: asyncio.TaskGroup) -> None:
        while line := await self._reader.readline():
            frame = codec.from_line(line)
            if "stop" in frame:
                return
            if "cancel" in frame:
                task = self._calls.get(frame["cancel"])
                if task is not None:
                    task.cancel()
                continue
            method = codec.methods()[frame["call"]]
            args, kwargs = method.decode(frame["args"])
            command = getattr(host, method.name)
            if not method.is_awaited:
                command(*args, **kwargs)
                continue
            number = frame["id"]
            task = self._calls[number] = tasks.create_task(
                self._answer(number, method, command, args, kwargs),
                name=f"command {method.name}",
            )
            # Not at its own end: one that is taken back at once never begins.
            task.add_done_callback(bind(self._forget, number))

    def _forget(self, number: int, _: asyncio.Task[None]) -> None:
        self._calls.pop(number, None)

    async def _answer(
        self,
        number: int,
        method: codec.Method,
        command: Callable[..., Awaitable[Any]],
        args: list[Any],
        kwargs: codec.Frame,
    ) -> None:
        try:
            value = method.encode_result(await command(*args, **kwargs))
            self._send({"id": number, "result": value})
        except BridgeError as exc:
            self._send({"id": number, "error": codec.encode_error(exc)})
        except Exception as exc:
            # A bug in one command must not end the calls of the others.
            logger.exception("command %s broke", method.name)
            error = codec.encode_error(BridgeError(repr(exc)))
            self._send({"id": number, "error": error})

    async def _report(self, host: MediaHost) -> None:
        tidy = IdleTidy()
        while True:
            tidy.look(host.n_sessions)
            self._send(codec.encode_notice(load_of(host, self._lag)))
            await asyncio.sleep(REPORT_S)

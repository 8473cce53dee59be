"""The HTTP server around the application: bounded connections, and an end with grace.

The first SIGTERM or SIGINT lets calls finish, the second ends them at once.
"""

import logging
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from server.http.connections import ConnectionBook, bounded
from server.sessions.registry import SessionRegistry
from server.settings import Settings

logger = logging.getLogger(__name__)

SHUTDOWN_TIMEOUT_S = 8
MAX_SOCKET_MESSAGE_BYTES = 1024 * 1024


def make_server(
    app: FastAPI,
    settings: Settings,
    *,
    on_listening: Callable[[], None],
    book: ConnectionBook | None = None,
) -> "BridgeServer":
    """The server, not yet running.

    Args:
        app: the whole application.
        settings: everything that can be configured.
        on_listening: called once requests are answered.
        book: bounds connections; by default as the settings say.
    """
    proxies = [p.strip() for p in settings.trusted_proxies.split(",") if p.strip()]
    if book is None:
        book = ConnectionBook(trusted=proxies)
    config = uvicorn.Config(
        app,
        http=bounded(book),
        forwarded_allow_ips=proxies,
        ws_max_size=MAX_SOCKET_MESSAGE_BYTES,
        loop=_loop_kind(),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )
    return BridgeServer(config, app, settings.drain_s, on_listening)


class BridgeServer(uvicorn.Server):
    """Says when it listens, and drains before it ends."""

    def __init__(
        self,
        config: uvicorn.Config,
        app: FastAPI,
        drain_s: float,
        on_listening: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._bridge_app = app
        self._drain_s = drain_s
        self._on_listening = on_listening
        self._n_signals = 0
        self._drained_at_s: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, then the announcement."""
        await super().startup(sockets)
        if not self.should_exit:
            self._on_listening()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """From a signal: only note it, anything may be under way."""
        self._n_signals += 1
        if self._n_signals == 1:
            self._captured_signals.append(sig)
        elif self._n_signals == 2 or sig != signal.SIGINT:
            self.should_exit = True
        else:
            self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second, from uvicorn."""
        # Never set to false here: a second signal may come while this runs.
        if self._n_signals and self._has_drained(time.monotonic()):
            self.should_exit = True
        return await super().on_tick(counter)

    def _has_drained(self, now_s: float) -> bool:
        registry: SessionRegistry | None = self._bridge_app.state.registry
        if registry is None:
            return True
        if self._drained_at_s is None:
            self._drained_at_s = now_s + self._drain_s
            registry.drain(self._drain_s)
            if registry.n_in_calls:
                logger.info(
                    "draining: %d people in calls have %.0f s; a second signal ends "
                    "them at once",
                    registry.n_in_calls,
                    self._drain_s,
                )
        return registry.n_in_calls == 0 or now_s >= self._drained_at_s


def _loop_kind() -> Any:
    try:
        import uvloop  # noqa: F401 - optional: not on every platform
    except ImportError:
        return "asyncio"
    return "uvloop"

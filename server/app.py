"""The composition root: every part is made here, from `Settings`, and nowhere else."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from server import __version__
from server.auth.authenticator import Authenticator
from server.auth.limits import Buckets, Rate
from server.auth.secret import load_secret
from server.auth.tokens import TokenSigner
from server.embedded_fake import EmbeddedFake
from server.errors import CapacityError, DrainingError
from server.http import errors as http_errors
from server.http import openapi
from server.http.auth import router as auth_router
from server.http.clients import router as clients_router
from server.http.conversations import memory_router
from server.http.conversations import router as conversations_router
from server.http.gate import Gate, GateLimits
from server.http.ice import router as ice_router
from server.http.metrics import router as metrics_router
from server.http.operations import router as operations_router
from server.http.page import SecurityHeaders, mount_page
from server.http.realtime import TOKEN_HEADERS
from server.http.realtime import router as realtime_router
from server.http.recordings import of_conversation as conversation_recordings_router
from server.http.recordings import router as recordings_router
from server.http.reports import router as reports_router
from server.http.sessions import router as sessions_router
from server.http.stream import router as stream_router
from server.media.protocol import HostEvent, RecordingPlan, SessionEnded
from server.media_door import DEFAULT_BASE_URL, make_http_client, make_media_door
from server.observability.catalogue import CATALOGUE
from server.observability.exposition import exposition
from server.observability.meter import Meter
from server.observability.process import machine_usage, usage, usage_of, usage_with
from server.observability.tracing import Tracing
from server.readiness import ModelProbe, ReadinessProbe, Remembered, mcp_checks
from server.realtime.signalling import ModelEndpoint
from server.session_maker import SessionMaker, SessionParts
from server.sessions.chronicle import Chronicle
from server.sessions.measurements import Measurements, measure_workers
from server.sessions.prices import Prices, read_prices
from server.sessions.registry import SessionRegistry
from server.sessions.roles import ConfiguredModel, ModelSource
from server.sessions.session import Session, SessionLimits
from server.settings import Settings
from server.store.engine import parse_url
from server.store.store import Store, StoreConfig, now_ms, open_store
from server.tools.further import FurtherTools, read_further_tools
from server.tools.kit import ToolKit
from server.workers.pool import WorkerPool
from server.workers.status import WorkerStatus

if TYPE_CHECKING:
    from server.workers.local import LocalMedia

logger = logging.getLogger(__name__)

DEFAULT_WEB_ROOT = Path(__file__).resolve().parent.parent / "web"


def create_app(settings: Settings, *, fake: EmbeddedFake | None = None) -> FastAPI:
    """The whole bridge as an ASGI application; its lifespan starts and stops it.

    Args:
        settings: everything that can be configured.
        fake: stands in for the embedded fake model (tests).

    Raises:
        StartError: it cannot run as configured; in one line.
    """
    # Now rather than in the lifespan, where nobody could say it in one line.
    parse_url(_store_config(settings).database_url, settings.data_dir)
    tools = read_further_tools(settings.tools_file, settings.tool_policies)
    prices = read_prices(settings.prices_file)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _Bridge(settings, fake, tools, prices).running() as bridge:
            app.state.registry = bridge.registry
            app.state.bridge = bridge
            app.state.on_error = bridge.measurements.on_error
            app.state.store = bridge.store
            yield

    app = FastAPI(
        title="voicebridge",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
    )
    app.state.registry = None
    app.state.store = None
    app.state.on_error = None
    app.state.settings = settings
    app.state.session_budget = Buckets(
        Rate(settings.sessions_per_s, 20 * settings.sessions_per_s)
    )
    app.state.authenticator = authenticator = _make_authenticator(settings)
    app.add_middleware(
        Gate,
        authenticator=authenticator,
        allowed_origins=settings.allowed_origins,
        limits=GateLimits(
            principal=Rate(settings.requests_per_s, 6 * settings.requests_per_s)
        ),
    )
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=[*TOKEN_HEADERS, "Retry-After"],
        )
    app.add_middleware(SecurityHeaders)
    http_errors.install(app)
    for router in (
        operations_router,
        metrics_router,
        auth_router,
        realtime_router,
        ice_router,
        sessions_router,
        clients_router,
    ):
        app.include_router(router)

    app.include_router(recordings_router)
    app.include_router(memory_router)
    app.include_router(reports_router)
    for router in (conversations_router, conversation_recordings_router, stream_router):
        app.include_router(router, prefix="/api/conversations")
        # Where the clients of the earlier system look for them.
        app.include_router(
            router, prefix="/api/realtime/conversations", include_in_schema=False
        )

    openapi.install(app)
    mount_page(app, settings.web_root or DEFAULT_WEB_ROOT)
    return app


def _make_authenticator(settings: Settings) -> Authenticator:
    given = settings.token_secret
    secret = load_secret(
        given.get_secret_value() if given is not None else None, settings.data_dir
    )
    return Authenticator(
        settings.key_ring,
        TokenSigner(secret, now_s=time.time),
        monotonic_s=time.monotonic,
    )


def _store_config(settings: Settings) -> StoreConfig:
    url = settings.database_url
    return StoreConfig(
        data_dir=settings.data_dir,
        database_url=None if url is None else url.get_secret_value(),
        retention_days=settings.retention_days,
    )


def _recording_plan(settings: Settings, store: Store) -> RecordingPlan | None:
    if not settings.enable_recording:
        return None
    return RecordingPlan(
        str(store.recordings_dir), settings.recording_format, settings.recording_max_s
    )


class _Bridge:
    """The parts of one running application."""

    def __init__(
        self,
        settings: Settings,
        fake: EmbeddedFake | None,
        tools: FurtherTools,
        prices: Prices,
    ) -> None:
        self._settings = settings
        self._fake = fake
        self._tools = tools
        self._prices = prices
        self._kit: ToolKit | None = None
        self._meter = Meter(CATALOGUE)
        self.measurements = Measurements(self._meter, Tracing(), prices, time.monotonic)
        if fake is None and settings.uses_embedded_fake:
            self._fake = EmbeddedFake()
        self.registry: SessionRegistry | None = None
        self.store: Store | None = None
        self.readiness: ReadinessProbe
        """There as long as it runs."""
        self._chronicle: Chronicle | None = None
        self._host: WorkerPool | LocalMedia | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["_Bridge"]:
        """Everything started inside the block is stopped at its end, in order."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            self.store = await stack.enter_async_context(
                open_store(_store_config(settings))
            )
            self.readiness = ReadinessProbe({"store": Remembered(self._check_store)})
            self._chronicle = Chronicle(
                self.store.writer.record,
                node=self.store.place.node,
                boot=self.store.place.boot,
                now_ms=now_ms,
            )
            if not settings.enable_backend_webrtc:
                yield self
                return
            fake_stop, stop = asyncio.Event(), asyncio.Event()
            http = await stack.enter_async_context(make_http_client(settings))
            sockets = await stack.enter_async_context(
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
            )
            self._kit = kit = ToolKit(
                self._tools, sockets, timeout_s=settings.tool_timeout_s
            )
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            if self._fake is not None:
                tasks.create_task(self._fake.run(fake_stop), name="embedded fake")
            self._host = host = make_media_door(settings, http, self._emit)
            self.registry = SessionRegistry(
                host,
                self._model_source(),
                SessionMaker(
                    settings,
                    SessionParts(
                        sockets,
                        host,
                        self._fake,
                        kit,
                        self.store.queries,
                        self.store.writer,
                        self._prices,
                        self.measurements.on_tool,
                    ),
                ),
                SessionLimits(
                    max_sessions=settings.max_sessions,
                    grace_s=settings.session_grace_s,
                    join_timeout_s=settings.session_join_timeout_s,
                ),
                witness=self,
                recording_plan=_recording_plan(settings, self.store),
            )
            self.readiness = ReadinessProbe(
                {
                    "store": Remembered(self._check_store),
                    "sessions": self._check_sessions,
                    "workers": self._check_workers,
                    "model": ModelProbe(self._model_source().endpoint),
                    **mcp_checks(kit.readiness),
                }
            )
            serving = [
                tasks.create_task(host.run(stop), name="media host"),
                tasks.create_task(self.registry.run(stop), name="sessions"),
                tasks.create_task(kit.run(stop), name="tools"),
            ]
            await host.is_running.wait()
            await self.registry.is_running.wait()
            try:
                yield self
            finally:
                stop.set()
                await asyncio.wait(serving)
                fake_stop.set()

    def health(self) -> dict[str, Any]:
        """The body of /healthz."""
        fake_url = self._fake.url if self._fake is not None else None
        return {
            "status": "ok",
            "version": __version__,
            "model": {
                "kind": "openai" if self._fake is None else "fake",
                "fake_url": fake_url,
            },
            "sessions": self.registry.n_sessions if self.registry is not None else 0,
            "clients": self._host.n_clients if self._host is not None else 0,
            "process": asdict(usage_with(self._worker_pids())),
            "processes": self._processes(),
            "machine": asdict(machine_usage()),
            "workers": [asdict(status) for status in self._worker_statuses()],
        }

    async def _check_store(self) -> str:
        if self.store is None:
            return "down"
        return (await self.store.health()).status

    async def _check_sessions(self) -> str:
        registry = self.registry
        if registry is None or registry.is_draining:
            return DrainingError.code
        return "ok" if registry.has_room else CapacityError.code

    async def _check_workers(self) -> str:
        statuses = self._worker_statuses()
        n_up = sum(status.is_up for status in statuses)
        if n_up == len(statuses):
            return "ok"
        return "degraded" if n_up else "down"

    def _processes(self) -> list[dict[str, Any]]:
        """Each process of the bridge, and the fake, which is no part of it."""
        roles = [(os.getpid(), "front")]
        roles += [(pid, f"media {n}") for n, pid in enumerate(self._worker_pids(), 1)]
        if self._fake is not None and self._fake.pid is not None:
            roles.append((self._fake.pid, "fake"))
        return [{"role": r, "pid": pid, **asdict(usage_of(pid))} for pid, r in roles]

    def _worker_statuses(self) -> list[WorkerStatus]:
        return self._host.statuses if self._host is not None else []

    def _worker_pids(self) -> list[int]:
        pids = [status.pid for status in self._worker_statuses()]
        return [pid for pid in pids if pid is not None and pid != os.getpid()]

    def _emit(self, event: HostEvent) -> None:
        for listener in (self.measurements, self._chronicle, self.registry):
            try:
                if listener is not None:
                    listener.on_host_event(event)
            except Exception:
                # A bug up here must not end the media process that told it, with
                # every call in it, nor keep anything from the others.
                logger.exception("%s was not taken", type(event).__name__)

    def began(self, session: Session) -> None:
        """From the registry: a session is being opened."""
        assert self._chronicle is not None
        self._chronicle.began(session)
        self.measurements.began(session)

    def opened(self, session: Session) -> None:
        """From the registry: it can be joined."""
        assert self._chronicle is not None
        self._chronicle.opened(session)

    def gave_up(self, session: Session, reason: str) -> None:
        """From the registry: it never opened."""
        assert self._chronicle is not None
        never = SessionEnded(session.session_id, reason)
        self._chronicle.on_host_event(never)
        self.measurements.on_host_event(never)

    def metrics(self) -> bytes:
        """The body of /metrics: what was counted, and how things are now."""
        meter = self._meter
        now = self.health()
        meter.set("sessions", now["sessions"])
        meter.set("clients", now["clients"])
        front = usage()
        meter.set("front_cpu_seconds", front.cpu_s)
        meter.set("front_rss_bytes", front.rss_bytes)
        meter.set("front_fds", front.fds)
        meter.set("front_tasks", front.tasks)
        measure_workers(meter, self._worker_statuses())
        if self.store is not None:
            meter.set("queue_length", self.store.writer.n_waiting, queue="store")
        for name, is_up in (self._kit.readiness() if self._kit else {}).items():
            meter.set("mcp_server_up", float(is_up), server=name)
        return exposition(meter)

    def _model_source(self) -> ModelSource:
        if self._fake is not None:
            return self._fake
        settings = self._settings
        key = settings.openai_api_key
        return ConfiguredModel(
            ModelEndpoint(
                "openai",
                settings.openai_base_url or DEFAULT_BASE_URL,
                key.get_secret_value() if key is not None else "sk-local",
            )
        )

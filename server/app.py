"""The composition root: every part is made here, from `Settings`, and nowhere else."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from server import __version__
from server.auth.authenticator import Authenticator
from server.auth.limits import Rate
from server.auth.secret import load_secret
from server.auth.tokens import TokenSigner
from server.embedded_fake import EmbeddedFake
from server.http import errors as http_errors
from server.http.gate import Gate, GateLimits
from server.http.page import SecurityHeaders, mount_page
from server.http.realtime import router as realtime_router
from server.media.host import MediaHost
from server.media.protocol import ConversationInfo, HostEvent
from server.media_host import DEFAULT_BASE_URL, make_http_client, make_media_host
from server.observability.process import usage
from server.realtime.config import SessionConfig
from server.realtime.signalling import ModelEndpoint
from server.sessions.lifecycle import Occupancy
from server.sessions.registry import ModelSource, SessionLimits, SessionRegistry
from server.sessions.session import Session, SessionRequest
from server.settings import Settings
from server.tools.builtin import builtin_tools
from server.tools.executor import ToolExecutor
from server.tools.runner import Runner

logger = logging.getLogger(__name__)

DEFAULT_WEB_ROOT = Path(__file__).resolve().parent.parent / "web"


class ConfiguredModel:
    """A ModelSource that is always at the same place."""

    def __init__(self, endpoint: ModelEndpoint) -> None:
        self._endpoint = endpoint

    async def endpoint(self) -> ModelEndpoint:
        """The configured service."""
        return self._endpoint


def create_app(settings: Settings, *, fake: EmbeddedFake | None = None) -> FastAPI:
    """The whole bridge as an ASGI application; its lifespan starts and stops it.

    Args:
        settings: everything that can be configured.
        fake: stands in for the embedded fake model (tests).
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _Bridge(settings, fake).running() as bridge:
            app.state.registry = bridge.registry
            app.state.bridge = bridge
            yield

    app = FastAPI(
        title="voicebridge",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
    )
    app.state.registry = None
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
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["X-Voicebridge-*", "Retry-After"],
        )
    app.add_middleware(SecurityHeaders)
    http_errors.install(app)
    app.include_router(realtime_router)

    @app.get("/healthz", tags=["operations"])
    async def healthz() -> dict[str, Any]:
        """Whether the bridge is well, and what it uses."""
        bridge: _Bridge = app.state.bridge
        return bridge.health()

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


class _Bridge:
    """The parts of one running application."""

    def __init__(self, settings: Settings, fake: EmbeddedFake | None) -> None:
        self._settings = settings
        self._fake = fake
        if fake is None and settings.uses_embedded_fake:
            self._fake = EmbeddedFake()
        self.registry: SessionRegistry | None = None
        self._host: MediaHost | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["_Bridge"]:
        """Everything started inside the block is stopped at its end, in order."""
        settings = self._settings
        if not settings.enable_backend_webrtc:
            yield self
            return
        async with AsyncExitStack() as stack:
            fake_stop, stop = asyncio.Event(), asyncio.Event()
            http = await stack.enter_async_context(make_http_client(settings))
            sockets = await stack.enter_async_context(aiohttp.ClientSession())
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            if self._fake is not None:
                tasks.create_task(self._fake.run(fake_stop), name="embedded fake")
            self._host = host = make_media_host(settings, http, self._emit)
            self.registry = SessionRegistry(
                host,
                self._model_source(),
                _SessionMaker(settings, sockets, host, self._fake),
                SessionLimits(
                    max_sessions=settings.max_sessions,
                    grace_s=settings.session_grace_s,
                    join_timeout_s=settings.session_join_timeout_s,
                ),
            )
            serving = [
                tasks.create_task(host.run(stop), name="media host"),
                tasks.create_task(self.registry.run(stop), name="sessions"),
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
            "process": asdict(usage()),
        }

    def _emit(self, event: HostEvent) -> None:
        if self.registry is not None:
            self.registry.on_host_event(event)

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


class _SessionMaker:
    """Builds the record of a session: configuration, runners, tools."""

    def __init__(
        self,
        settings: Settings,
        sockets: aiohttp.ClientSession,
        host: MediaHost,
        fake: EmbeddedFake | None,
    ) -> None:
        self._settings = settings
        self._sockets = sockets
        self._host = host
        self._fake = fake

    def __call__(
        self,
        session_id: str,
        conversation_id: str,
        request: SessionRequest,
        endpoint: ModelEndpoint,
    ) -> Session:
        settings = self._settings
        agent_name = request.agent_name or settings.default_agent_name
        nested = self._runner(
            settings.nested_runner_url, agent_name, "agent team", survives_cancel=True
        )
        claude = self._runner(
            settings.claude_code_runner_url,
            "ClaudeCode",
            "Claude Code runner",
            survives_cancel=False,
        )
        tools = builtin_tools(nested, claude, timeout_s=settings.tool_timeout_s)

        def deliver(call_id: str, output: str, success: bool) -> None:
            self._host.tool_finished(session_id, call_id, output)

        config = SessionConfig(
            model=settings.openai_realtime_model,
            voice=request.voice or settings.default_voice,
            system_prompt=request.system_prompt or settings.default_system_prompt,
            agent_name=agent_name,
            transcription_model=settings.transcription_model,
            transcription_language=settings.transcription_language,
            tools=tools.schemas(),
        )
        return Session(
            info=ConversationInfo(session_id, conversation_id, endpoint.kind, config),
            executor=ToolExecutor(tools, deliver),
            runners=(nested, claude),
            occupancy=Occupancy(
                settings.session_join_timeout_s, settings.session_grace_s
            ),
        )

    def _runner(
        self, url: str | None, agent_name: str, title: str, *, survives_cancel: bool
    ) -> Runner:
        if url is None and self._fake is not None and self._fake.url is not None:
            # The fake has a demonstration runner of its own.
            url = f"{self._fake.url}/api/runs/{{agent_name}}".replace("http", "ws", 1)
        if url is not None:
            url = url.replace("{agent_name}", quote(agent_name, safe=""))
        return Runner(
            self._sockets,
            url,
            title=title,
            connect_timeout_s=self._settings.runner_connect_timeout_s,
            survives_cancel=survives_cancel,
        )

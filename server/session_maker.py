"""Composition of one session from the settings: configuration, agents, tools."""

from collections.abc import Callable
from urllib.parse import quote

import aiohttp

from server.embedded_fake import EmbeddedFake
from server.media.door import MediaDoor
from server.media.protocol import ConversationInfo
from server.realtime.config import SessionConfig
from server.realtime.signalling import ModelEndpoint
from server.sessions.lifecycle import Rules
from server.sessions.prices import read_prices
from server.sessions.session import Session, SessionRequest
from server.sessions.tool_door import SessionToolDoor
from server.settings import Settings
from server.tools.builtin import Agent, RunLimits, builtin_tools
from server.tools.door import Record
from server.tools.executor import ExecutorLimits, ToolExecutor
from server.tools.narration import Pace
from server.tools.registry import ToolRegistry
from server.tools.runner import Runner

LOST_GRACE = 3.0
"""So many times longer is a last client waited for that was lost."""


class SessionMaker:
    """Builds the record of a session; a SessionFactory."""

    def __init__(
        self,
        settings: Settings,
        sockets: aiohttp.ClientSession,
        host: MediaDoor,
        fake: EmbeddedFake | None,
        on_record: Callable[[Record], None],
    ) -> None:
        """
        Args:
            settings: everything that can be configured.
            sockets: for the runners; the caller's to close.
            host: where the session's media is.
            fake: its demonstration runners stand in for those that are not configured.
            on_record: gets every tool call that is over.
        """
        self._settings = settings
        self._sockets = sockets
        self._host = host
        self._fake = fake
        self._on_record = on_record
        self._prices = read_prices(settings.prices_file)

    def __call__(
        self,
        session_id: str,
        conversation_id: str,
        request: SessionRequest,
        endpoint: ModelEndpoint,
    ) -> Session:
        """The session of one conversation, not yet open."""
        settings = self._settings
        agent_name = request.agent_name or settings.default_agent_name
        nested = self._runner(
            settings.nested_runner_url, agent_name, "agent team", survives_cancel=True
        )
        claude = self._claude()
        tools = ToolRegistry(builtin_tools(nested, claude, self._run_limits()))
        config = SessionConfig(
            model=settings.openai_realtime_model,
            voice=request.voice or settings.default_voice,
            system_prompt=request.system_prompt or settings.default_system_prompt,
            agent_name=agent_name,
            transcription_model=settings.transcription_model,
            transcription_language=settings.transcription_language,
            tools=tools.schemas(),
        )
        door = SessionToolDoor(self._host, session_id, self._on_record)
        limits = ExecutorLimits(
            confirm_timeout_s=settings.tool_confirm_timeout_s,
            pace=Pace(update_after_s=settings.run_update_after_s),
        )
        return Session(
            info=ConversationInfo(session_id, conversation_id, endpoint.kind, config),
            executor=ToolExecutor(tools, door, limits),
            agents=(nested, claude),
            rules=self._rules(),
            prices=self._prices,
        )

    def _rules(self) -> Rules:
        settings = self._settings
        return Rules(
            # Signalling is two requests, then the session has to come up.
            open_timeout_s=2 * settings.model_http_timeout_s
            + 2 * settings.model_connect_timeout_s
            + settings.model_webrtc_timeout_s,
            join_timeout_s=settings.session_join_timeout_s,
            grace_s=settings.session_grace_s,
            # Noticing the loss, a new way, a new connection: more than a goodbye needs.
            lost_grace_s=LOST_GRACE * settings.session_grace_s,
            idle_timeout_s=settings.idle_timeout_s,
            max_session_s=settings.max_session_s,
            max_cost_usd=settings.max_session_cost_usd,
            recovery_timeout_s=settings.model_recovery_timeout_s,
            handover_timeout_s=settings.handover_lead_s + 60,
        )

    def _run_limits(self) -> RunLimits:
        settings = self._settings
        policies = dict(settings.tool_policies)
        if settings.claude_code_runner_url is None:
            # The demonstration runner changes nothing in the world.
            policies.setdefault("send_to_claude_code", "allow")
        return RunLimits(
            timeout_s=settings.run_timeout_s,
            background_after_s=settings.run_background_after_s,
            policies=policies,
        )

    def _claude(self) -> Agent:
        return self._runner(
            self._settings.claude_code_runner_url,
            "ClaudeCode",
            "Claude Code runner",
            survives_cancel=False,
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

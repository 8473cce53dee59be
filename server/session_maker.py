"""Composition of one session from the settings: configuration, agents, tools."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

import aiohttp

from server.embedded_fake import EmbeddedFake
from server.errors import InvalidRequestError
from server.media.door import MediaDoor
from server.media.protocol import ConversationInfo
from server.realtime.config import SessionConfig, TurnDetection
from server.realtime.signalling import ModelEndpoint
from server.sessions.background import Past, Pending, read_background
from server.sessions.lifecycle import Rules
from server.sessions.prices import Prices
from server.sessions.prompt import context
from server.sessions.session import Session, SessionRequest
from server.sessions.tool_door import SessionToolDoor
from server.settings import Settings
from server.tools.builtin import Agent, RunLimits, builtin_tools
from server.tools.claude_cli import ClaudeCli, ClaudeCommand
from server.tools.door import Record
from server.tools.executor import ExecutorLimits, ToolExecutor
from server.tools.kit import ToolKit, registry_of
from server.tools.narration import Pace
from server.tools.runner import Runner

LOST_GRACE = 3.0
"""So many times longer is a last client waited for that was lost."""


@dataclass(frozen=True, slots=True)
class SessionParts:
    """What the sessions of this server share; all of it belongs to the caller."""

    sockets: aiohttp.ClientSession
    """For the runners."""
    host: MediaDoor
    """Where the media of a session is."""
    fake: EmbeddedFake | None
    """Its demonstration runners stand in for those that are not configured."""
    kit: ToolKit
    past: Past
    pending: Pending
    """What of the past is not written yet."""
    prices: Prices
    on_record: Callable[[Record], None]
    """Gets every tool call that is over."""


class SessionMaker:
    """Builds the record of a session; a SessionFactory."""

    def __init__(self, settings: Settings, parts: SessionParts) -> None:
        self._settings = settings
        self._parts = parts
        self._claude_slots = asyncio.Semaphore(settings.claude_max_processes)

    async def __call__(
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
        tools = registry_of(
            builtin_tools(nested, claude, self._run_limits()),
            await self._parts.kit.tools(),
            settings.tool_policies,
        )
        past = await read_background(
            self._parts.past, self._parts.pending, request.owner, conversation_id
        )
        config = SessionConfig(
            model=settings.openai_realtime_model,
            voice=request.voice or settings.default_voice,
            system_prompt=request.system_prompt or settings.default_system_prompt,
            agent_name=agent_name,
            transcription_model=settings.transcription_model,
            transcription_language=settings.transcription_language,
            tools=tools.schemas(),
            context=context(
                agents=settings.available_agents,
                memory=past.memory,
                history=past.history,
            ),
            turns=TurnDetection(
                settings.turn_detection,
                settings.vad_threshold,
                settings.vad_prefix_padding_ms,
                settings.vad_silence_ms,
                settings.vad_eagerness,
            ),
            noise_reduction=settings.noise_reduction,
            max_output_tokens=settings.max_output_tokens,
        )
        config = replace(config, **request.options)
        known = {str(tool["name"]) for tool in config.tools}
        if config.tool_choice not in known | {"auto", "none", "required"}:
            raise InvalidRequestError("tool_choice: there is no such tool.")
        door = SessionToolDoor(self._parts.host, session_id, self._parts.on_record)
        limits = ExecutorLimits(
            confirm_timeout_s=settings.tool_confirm_timeout_s,
            pace=Pace(
                first_after_s=settings.run_narration_interval_s,
                interval_s=settings.run_narration_interval_s,
                update_after_s=settings.run_update_after_s,
            ),
        )
        return Session(
            info=ConversationInfo(session_id, conversation_id, endpoint.kind, config),
            executor=ToolExecutor(tools, door, limits),
            agents=(nested, claude),
            rules=self._rules(),
            prices=self._parts.prices,
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
        if settings.claude_code_runner_url is None and not settings.claude_command:
            # The demonstration runner changes nothing in the world.
            policies.setdefault("send_to_claude_code", "allow")
        return RunLimits(
            timeout_s=settings.run_timeout_s,
            background_after_s=settings.run_background_after_s,
            policies=policies,
        )

    def _claude(self) -> Agent:
        settings = self._settings
        if settings.claude_command:
            command = ClaudeCommand(
                settings.claude_command,
                settings.claude_working_dir,
                settings.claude_permission_mode,
                settings.claude_allowed_tools,
            )
            return ClaudeCli(command, self._claude_slots)
        return self._runner(
            settings.claude_code_runner_url,
            "ClaudeCode",
            "Claude Code runner",
            survives_cancel=False,
        )

    def _runner(
        self, url: str | None, agent_name: str, title: str, *, survives_cancel: bool
    ) -> Runner:
        fake = self._parts.fake
        if url is None and fake is not None and fake.url is not None:
            # The fake has a demonstration runner of its own.
            url = f"{fake.url}/api/runs/{{agent_name}}".replace("http", "ws", 1)
        if url is not None:
            url = url.replace("{agent_name}", quote(agent_name, safe=""))
        return Runner(
            self._parts.sockets,
            url,
            title=title,
            connect_timeout_s=self._settings.runner_connect_timeout_s,
            survives_cancel=survives_cancel,
        )

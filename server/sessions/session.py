"""One session as the front sees it: who it is, its tools, when it ends."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from server.auth.principal import LOCAL_OWNER
from server.media.protocol import (
    ConversationInfo,
    HostEvent,
    ModelChanged,
    Participant,
    ParticipantsChanged,
    RecordingChanged,
    SessionEnded,
    SessionState,
    SessionStateChanged,
    TextForTool,
    ToolConfirmed,
    ToolRequested,
)
from server.sessions.caretaker import Caretaker
from server.sessions.lifecycle import Rules
from server.sessions.prices import Prices
from server.tools.builtin import TYPED_TOOL, Agent
from server.tools.executor import ToolExecutor

logger = logging.getLogger(__name__)

ShownState: TypeAlias = Literal["connecting"] | SessionState


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What a caller asked for; None means the configured default."""

    conversation_id: str | None = None
    voice: str | None = None
    agent_name: str | None = None
    system_prompt: str | None = None
    owner: str = LOCAL_OWNER
    options: Mapping[str, Any] = field(default_factory=dict)
    """Fields of SessionConfig that were asked for."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How many sessions, and how long they wait for clients."""

    max_sessions: int = 100
    grace_s: float = 10.0
    join_timeout_s: float = 60.0


@dataclass(slots=True)
class Session:
    """The record of one session; the registry owns it and its task."""

    info: ConversationInfo
    executor: ToolExecutor
    agents: tuple[Agent, ...]
    rules: Rules
    prices: Prices
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing of the session is left."""
    caretaker: Caretaker | None = None
    """From before its opening to its end."""
    owner: str = LOCAL_OWNER
    """Who opened it. Nobody else may know that it exists."""
    started_at_s: float = field(default_factory=time.time)
    """Seconds since the epoch."""
    state: ShownState = "connecting"
    participants: tuple[Participant, ...] = ()
    mix_minus: bool = True
    recording: bool = False
    seats: dict[str, bool] = field(default_factory=dict)
    """Client ids ever given out; True for guests. Bounded by admission."""
    removed: set[str] = field(default_factory=set)
    """Clients that were shown out and may not come back."""

    @property
    def session_id(self) -> str:
        """The id in the URLs."""
        return self.info.session_id

    @property
    def usage(self) -> Mapping[str, float]:
        """Tokens by kind so far, `responses` and `cost_usd`; empty before the first."""
        return self.caretaker.usage if self.caretaker is not None else {}

    def note(self, event: HostEvent) -> None:
        """Something happened in it."""
        match event:
            case ParticipantsChanged():
                self.participants = event.participants
                self.mix_minus = event.mix_minus
            case RecordingChanged():
                self.recording = event.on
            case SessionStateChanged():
                self.state = event.state
            case ModelChanged(_, voice, model):
                config = replace(self.info.config, voice=voice, model=model)
                self.info = replace(self.info, config=config)
            case ToolRequested():
                self.executor.submit(event.call_id, event.name, event.arguments)
            case ToolConfirmed() | TextForTool() if self.is_guest(event.client_id):
                # The data channel has no other answer; the page offers guests neither.
                logger.info("session %s: a guest decides nothing", self.session_id)
            case ToolConfirmed():
                by = self.name_of(event.client_id) or "a participant"
                self.executor.confirm(event.call_id, event.approve, by)
            case TextForTool():
                self.executor.submit_typed(TYPED_TOOL[event.target], event.text)
            case SessionEnded():
                self.ended.set()

    def is_guest(self, client_id: str) -> bool:
        """Whether a browser came by invitation; an unknown one is taken for a guest.

        No id at all is the REST API, which has asked for better credentials.
        """
        return bool(client_id) and self.seats.get(client_id, True)

    def name_of(self, client_id: str | None) -> str:
        """The display name of a browser that is here; empty when it has none."""
        names = (p.name for p in self.participants if p.client_id == client_id)
        return next(names, "")

    async def close_agents(self) -> None:
        """Stop the runs of this session and free what they hold."""
        await asyncio.gather(*(agent.reset() for agent in self.agents))

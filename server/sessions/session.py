"""One session as the front sees it: who it is, its tools, when it ends."""

import asyncio
from dataclasses import dataclass, field

from server.media.protocol import ConversationInfo
from server.sessions.lifecycle import Occupancy
from server.tools.executor import ToolExecutor
from server.tools.runner import Runner


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What a caller asked for; None means the configured default."""

    conversation_id: str | None = None
    voice: str | None = None
    agent_name: str | None = None
    system_prompt: str | None = None


@dataclass(slots=True)
class Session:
    """The record of one session; the registry owns it and its task."""

    info: ConversationInfo
    executor: ToolExecutor
    runners: tuple[Runner, ...]
    occupancy: Occupancy
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing of the session is left."""
    timer: asyncio.TimerHandle | None = None

    @property
    def session_id(self) -> str:
        """The id in the URLs."""
        return self.info.session_id

    async def close_runners(self) -> None:
        """Stop the runs of this session and close their sockets."""
        await asyncio.gather(*(runner.reset() for runner in self.runners))

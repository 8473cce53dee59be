"""The door between what knows users and what knows samples.

Everything above the media room uses this and `protocol` only. Arguments and results are
plain typed values, because they may cross a socket: `MediaHost` is the room itself,
`server.workers.pool.WorkerPool` the same door in front of several processes.
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from server.media.protocol import (
    ClientAnswer,
    ClientChange,
    ConversationInfo,
    RecordingPlan,
    SessionState,
    ToolStatus,
)
from server.realtime.signalling import ModelEndpoint


class MediaDoor(Protocol):
    """Commands of the front; each belongs to one session.

    What is awaited raises a BridgeError when it cannot be done; the others ignore a
    session that is over, because its end is on its way as an event.
    """

    is_running: asyncio.Event
    """Set once `run` accepts work."""

    @property
    def n_clients(self) -> int:
        """Browsers connected or connecting, over all conversations."""

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`; then end every conversation, in bounded time."""

    async def open(self, info: ConversationInfo, endpoint: ModelEndpoint) -> None:
        """Connect a new session to the model. Cancelling gives it up."""

    async def admit(
        self,
        session_id: str,
        offer_sdp: str,
        *,
        name: str = "",
        resume_client_id: str | None = None,
    ) -> ClientAnswer:
        """Answer the offer of one more browser, or of one that comes back."""

    async def update_client(
        self, session_id: str, client_id: str, change: ClientChange
    ) -> None:
        """Change settings of one browser."""

    async def remove_client(self, session_id: str, client_id: str, reason: str) -> None:
        """Show one browser out."""

    def say(self, session_id: str, text: str) -> None:
        """Typed text, for the model."""

    def change_model(
        self, session_id: str, *, voice: str | None = None, model: str | None = None
    ) -> None:
        """Go on with another voice or model from the end of the turn."""

    def interrupt(self, session_id: str) -> None:
        """Make the assistant stop talking."""

    def announce(self, session_id: str, message: Mapping[str, object]) -> None:
        """Send a control message, made above, to every browser of a session."""

    def show_state(
        self, session_id: str, state: SessionState, message: str = ""
    ) -> None:
        """Tell every browser of a session what the session goes through."""

    async def start_recording(
        self, session_id: str, plan: RecordingPlan, by: str
    ) -> None:
        """Record a session from now on; everybody in it is told first."""

    def stop_recording(self, session_id: str, by: str) -> None:
        """Record a session no longer; everybody in it is told."""

    def set_mix_minus(self, session_id: str, on: bool) -> None:
        """Whether the participants of a session hear each other."""

    def tool_finished(
        self, session_id: str, call_id: str, output: str, *, speak: bool = True
    ) -> None:
        """The output of a requested tool; with `speak` the model is to answer it."""

    def tool_status(self, session_id: str, status: ToolStatus) -> None:
        """Tell every browser of a session where a tool call is."""

    def narrate(self, session_id: str, key: str, text: str, *, speak: bool) -> None:
        """Context for the model; what has a known key is not told again."""

    def end(self, session_id: str, reason: str) -> None:
        """End a session; `SessionEnded` follows when everything is freed."""

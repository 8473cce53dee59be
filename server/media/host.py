"""The door of the media room: sessions in, events out.

Everything above uses only this class and `protocol`, so that the host can run in the
same process or behind a socket without anybody above noticing.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

from server.errors import BridgeError, CapacityError, SessionNotFoundError
from server.media.conversation import Conversation
from server.media.protocol import (
    ClientAnswer,
    ClientChange,
    ConversationInfo,
    HostEvent,
    MediaLimits,
    RecordingPlan,
    SessionEnded,
    SessionState,
    ToolStatus,
)
from server.media.ticker import Ticker
from server.realtime.signalling import ModelEndpoint
from server.realtime.transport import ModelTransport, TransportEvents
from server.rtc.ice import IcePolicy

logger = logging.getLogger(__name__)


OpenTransport = Callable[[TransportEvents, ModelEndpoint], ModelTransport]


class MediaHost:
    """All conversations of this process. `run` owns their tasks."""

    def __init__(
        self,
        open_transport: OpenTransport,
        *,
        policy: IcePolicy,
        limits: MediaLimits,
        emit: Callable[[HostEvent], None],
    ) -> None:
        self._open_transport = open_transport
        self._policy = policy
        self._limits = limits
        self._emit = emit
        self._ticker = Ticker(asyncio.get_running_loop())
        self._conversations: dict[str, Conversation] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self.is_running = asyncio.Event()
        """Set once `run` accepts work."""

    @property
    def ticker(self) -> Ticker:
        """The clock; its counters say how well time was kept."""
        return self._ticker

    @property
    def n_sessions(self) -> int:
        """Conversations live or coming up."""
        return len(self._conversations)

    @property
    def n_clients(self) -> int:
        """Browsers connected or connecting, over all conversations."""
        return sum(c.n_clients for c in self._conversations.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`; then end every conversation, in bounded time."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self.is_running.set()
            await stop.wait()
            self._tasks = None
            for session_id, task in list(self._opening.items()):
                logger.debug("session %s is given up", session_id)
                task.cancel()
            for conversation in list(self._conversations.values()):
                conversation.finish("shutdown")

    async def open(self, info: ConversationInfo, endpoint: ModelEndpoint) -> None:
        """Connect a new session to the model. Cancelling gives it up.

        Raises:
            BridgeError: what stood in the way; the session is being freed then.
        """
        if self._tasks is None:
            raise CapacityError(user_message="The server is shutting down.")
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        name = f"conversation {info.session_id}"
        task = self._tasks.create_task(self._run(info, endpoint, opened), name=name)
        self._opening[info.session_id] = task
        try:
            await opened
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            del self._opening[info.session_id]

    async def admit(
        self,
        session_id: str,
        offer_sdp: str,
        *,
        name: str = "",
        resume_client_id: str | None = None,
    ) -> ClientAnswer:
        """Answer the offer of one more browser, or of one that comes back.

        Raises:
            BridgeError: the offer is bad, or the session unknown or full.
        """
        return await self._find(session_id).admit(
            offer_sdp, name=name, resume_client_id=resume_client_id
        )

    async def update_client(
        self, session_id: str, client_id: str, change: ClientChange
    ) -> None:
        """Change settings of one browser.

        Raises:
            BridgeError: no such session or client.
        """
        self._find(session_id).update_client(client_id, change)

    async def remove_client(self, session_id: str, client_id: str, reason: str) -> None:
        """Show one browser out.

        Raises:
            BridgeError: no such session or client.
        """
        self._find(session_id).remove_client(client_id, reason)

    def say(self, session_id: str, text: str) -> None:
        """Typed text, for the model; a session that is over is ignored."""
        conversation = self._conversations.get(session_id)
        if conversation is not None:
            conversation.say(text)

    def change_model(
        self, session_id: str, *, voice: str | None = None, model: str | None = None
    ) -> None:
        """Go on with another voice or model from the end of the turn.

        What the service refuses is told to the browsers; the session goes on as it was.
        """
        conversation = self._conversations.get(session_id)
        if conversation is not None:
            conversation.change_model(voice=voice, model=model)

    def interrupt(self, session_id: str) -> None:
        """Make the assistant stop talking."""
        conversation = self._conversations.get(session_id)
        if conversation is not None:
            conversation.interrupt()

    def announce(self, session_id: str, message: Mapping[str, object]) -> None:
        """Send a control message, made above, to every browser of a session."""
        conversation = self._conversations.get(session_id)
        if conversation is not None:
            conversation.minutes.announce(message)

    def show_state(
        self, session_id: str, state: SessionState, message: str = ""
    ) -> None:
        """Tell every browser of a session what the session goes through."""
        conversation = self._conversations.get(session_id)
        if conversation is not None:
            conversation.minutes.show_state(state, message)

    async def start_recording(
        self, session_id: str, plan: RecordingPlan, by: str
    ) -> None:
        """Record a session from now on; everybody in it is told first.

        Raises:
            BridgeError: no such session, or it cannot be recorded here.
        """
        await self._find(session_id).recording.start(plan, by)

    def stop_recording(self, session_id: str, by: str) -> None:
        """Record a session no longer; everybody in it is told."""
        conversation = self._conversations.get(session_id)
        if conversation is not None:
            conversation.recording.stop(by)

    def set_mix_minus(self, session_id: str, on: bool) -> None:
        """Whether the participants of a session hear each other."""
        conversation = self._conversations.get(session_id)
        if conversation is not None:
            conversation.set_mix_minus(on)

    def tool_finished(
        self, session_id: str, call_id: str, output: str, *, speak: bool = True
    ) -> None:
        """The output of a requested tool; a session that is over is ignored."""
        conversation = self._conversations.get(session_id)
        if conversation is not None:
            conversation.tool_finished(call_id, output, speak=speak)

    def tool_status(self, session_id: str, status: ToolStatus) -> None:
        """Tell every browser of a session where a tool call is."""
        conversation = self._conversations.get(session_id)
        if conversation is not None:
            conversation.minutes.tool_status(status)

    def narrate(self, session_id: str, key: str, text: str, *, speak: bool) -> None:
        """Context for the model; what has a known key is not told again."""
        conversation = self._conversations.get(session_id)
        if conversation is not None:
            conversation.narrate(key, text, speak=speak)

    def end(self, session_id: str, reason: str) -> None:
        """End a session; `SessionEnded` follows when everything is freed."""
        conversation = self._conversations.get(session_id)
        if conversation is not None:
            conversation.finish(reason)

    def _find(self, session_id: str) -> Conversation:
        try:
            return self._conversations[session_id]
        except KeyError:
            raise SessionNotFoundError from None

    async def _run(
        self,
        info: ConversationInfo,
        endpoint: ModelEndpoint,
        opened: asyncio.Future[None],
    ) -> None:
        """One conversation from beginning to end. Raises nothing but cancellation."""
        started_s = asyncio.get_running_loop().time()
        reason = "cancelled"
        conversation: Conversation | None = None
        try:
            conversation = Conversation(
                info,
                lambda events: self._open_transport(events, endpoint),
                ticker=self._ticker,
                policy=self._policy,
                limits=self._limits,
                emit=self._emit,
            )
            self._conversations[info.session_id] = conversation
            await conversation.open()
            if not opened.done():
                opened.set_result(None)
            reason = (await conversation.serve()).reason
        except BridgeError as exc:
            reason = exc.code
            logger.warning("session %s: %s", info.session_id, exc)
            if not opened.done():
                opened.set_exception(exc)
        except Exception as exc:
            # A bug in one conversation must not take the others with it.
            reason = "internal"
            logger.exception("session %s broke", info.session_id)
            if not opened.done():
                opened.set_exception(BridgeError(repr(exc)))
        finally:
            if not opened.done():
                opened.set_exception(
                    CapacityError(user_message="The server is shutting down.")
                )
            if conversation is not None:
                await conversation.close()
            self._conversations.pop(info.session_id, None)
            self._log_end(info, conversation, reason, started_s)
            self._emit(SessionEnded(info.session_id, reason))

    def _log_end(
        self,
        info: ConversationInfo,
        conversation: Conversation | None,
        reason: str,
        started_s: float,
    ) -> None:
        """The one line about a call."""
        fields: dict[str, object] = {
            "session_id": info.session_id,
            "reason": reason,
            "duration_s": round(asyncio.get_running_loop().time() - started_s, 1),
        }
        if conversation is not None:
            fields |= conversation.summary()
        fields["tick_worst_ms"] = round(self._ticker.counters.worst_lateness_ms, 1)
        fields["ticks_skipped"] = self._ticker.counters.skipped
        line = " ".join(f"{name}={value}" for name, value in fields.items())
        logger.info("session ended: %s", line, extra={"fields": fields})

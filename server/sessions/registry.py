"""All sessions of this server, by id and by conversation."""

import asyncio
import logging
import uuid
from dataclasses import dataclass
from typing import Protocol

from server.errors import BridgeError, CapacityError, SessionNotFoundError
from server.media.host import MediaHost
from server.media.protocol import (
    ClientAnswer,
    ClientJoined,
    ClientLeft,
    HostEvent,
    SessionEnded,
    SessionEnding,
    ToolRequested,
)
from server.realtime.signalling import ModelEndpoint
from server.sessions.session import Session, SessionRequest

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 5.0


class ModelSource(Protocol):
    """Where the model service is at this moment."""

    async def endpoint(self) -> ModelEndpoint:
        """The service; raises ModelUnreachableError when there is none just now."""


class SessionFactory(Protocol):
    """Builds the record of a session, its tools included."""

    def __call__(
        self,
        session_id: str,
        conversation_id: str,
        request: SessionRequest,
        endpoint: ModelEndpoint,
    ) -> Session: ...


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How many sessions, and how long they wait for clients."""

    max_sessions: int = 100
    grace_s: float = 10.0
    join_timeout_s: float = 60.0


class SessionRegistry:
    """Opens, joins and closes sessions. `run` owns one task per session."""

    def __init__(
        self,
        host: MediaHost,
        model: ModelSource,
        make_session: SessionFactory,
        limits: SessionLimits,
    ) -> None:
        self._host = host
        self._model = model
        self._make_session = make_session
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._sessions: dict[str, Session] = {}
        self._opening: dict[str, asyncio.Future[str]] = {}
        """By conversation, while its model leg comes up."""
        self._by_conversation: dict[str, Session] = {}
        self._n_sessions = 0
        self._tasks: asyncio.TaskGroup | None = None
        self.is_running = asyncio.Event()
        """Set once `run` accepts work."""

    @property
    def n_sessions(self) -> int:
        """Sessions live or coming up."""
        return self._n_sessions

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`; then end every session and wait for it."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self.is_running.set()
            await stop.wait()
            self._tasks = None
            for session in list(self._sessions.values()):
                self._host.end(session.session_id, "shutdown")

    async def open(self, request: SessionRequest) -> str:
        """The session of a conversation: the live one, or a new one.

        Raises:
            BridgeError: the model leg did not come up, or the server is full.
        """
        conversation_id = request.conversation_id or str(uuid.uuid4())
        live = self._by_conversation.get(conversation_id)
        if live is not None:
            return live.session_id
        opening = self._opening.get(conversation_id)
        if opening is None:
            opening = self._start(conversation_id, request)
        # Shielded: several callers may wait, and one giving up is not the end of it.
        return await asyncio.shield(opening)

    async def admit(self, session_id: str, offer_sdp: str) -> ClientAnswer:
        """Answer the offer of one more browser.

        Raises:
            BridgeError: the offer is bad, or the session unknown or full.
        """
        if session_id not in self._sessions:
            raise SessionNotFoundError
        return await self._host.admit(session_id, offer_sdp)

    async def close(self, session_id: str) -> None:
        """End a session for everybody and wait until it is gone.

        Raises:
            SessionNotFoundError: it is not live.
        """
        session = self._sessions.get(session_id)
        if session is None:
            raise SessionNotFoundError
        self._forget(session)
        self._host.end(session_id, "closed")
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await session.gone.wait()
        except TimeoutError:
            logger.warning("session %s is slow to close", session_id)

    def on_host_event(self, event: HostEvent) -> None:
        """From the media host."""
        session = self._sessions.get(event.session_id)
        if session is None:
            return
        match event:
            case ClientJoined():
                session.occupancy.client_joined()
                self._arm(session)
            case ClientLeft():
                session.occupancy.client_left(event.remaining, self._loop.time())
                self._arm(session)
            case ToolRequested():
                session.executor.submit(event.call_id, event.name, event.arguments)
            case SessionEnding():
                self._forget(session)
            case SessionEnded():
                session.ended.set()

    def _start(
        self, conversation_id: str, request: SessionRequest
    ) -> asyncio.Future[str]:
        if self._tasks is None:
            raise CapacityError(user_message="The server is shutting down.")
        if self.n_sessions >= self._limits.max_sessions:
            raise CapacityError(f"{self.n_sessions} sessions are open")
        opening: asyncio.Future[str] = self._loop.create_future()
        self._opening[conversation_id] = opening
        self._n_sessions += 1
        self._tasks.create_task(
            self._live(conversation_id, request, opening), name="session"
        )
        return opening

    async def _live(
        self,
        conversation_id: str,
        request: SessionRequest,
        opening: asyncio.Future[str],
    ) -> None:
        """One session from beginning to end. Raises nothing but cancellation."""
        try:
            await self._open_and_serve(conversation_id, request, opening)
        finally:
            self._n_sessions -= 1

    async def _open_and_serve(
        self,
        conversation_id: str,
        request: SessionRequest,
        opening: asyncio.Future[str],
    ) -> None:
        try:
            session = await self._open_one(conversation_id, request)
        except BridgeError as exc:
            opening.set_exception(exc)
            opening.exception()  # every caller may have given up by now
            return
        except Exception as exc:
            # A bug while opening one session must not end the others.
            logger.exception("a session could not be opened")
            opening.set_exception(BridgeError(repr(exc)))
            opening.exception()
            return
        except asyncio.CancelledError:
            opening.cancel()
            raise
        finally:
            self._opening.pop(conversation_id, None)
        opening.set_result(session.session_id)
        try:
            await session.executor.run(session.ended)
        finally:
            self._host.end(session.session_id, "cancelled")
            self._forget(session)
            if session.timer is not None:
                session.timer.cancel()
            await session.close_runners()
            self._sessions.pop(session.session_id, None)
            session.gone.set()

    async def _open_one(self, conversation_id: str, request: SessionRequest) -> Session:
        endpoint = await self._model.endpoint()
        session_id = uuid.uuid4().hex
        session = self._make_session(session_id, conversation_id, request, endpoint)
        self._sessions[session_id] = session
        try:
            await self._host.open(session.info, endpoint)
        except BaseException:
            del self._sessions[session_id]
            raise
        session.occupancy.opened(self._loop.time())
        self._by_conversation[conversation_id] = session
        self._arm(session)
        return session

    def _forget(self, session: Session) -> None:
        """A next request for the conversation starts afresh."""
        conversation_id = session.info.conversation_id
        if self._by_conversation.get(conversation_id) is session:
            del self._by_conversation[conversation_id]

    def _arm(self, session: Session) -> None:
        """Set the timer that ends a session nobody is in."""
        if session.timer is not None:
            session.timer.cancel()
            session.timer = None
        ends_at_s = session.occupancy.ends_at_s
        if ends_at_s is not None:
            session.timer = self._loop.call_at(
                ends_at_s, self._end_for_lack_of_clients, session
            )

    def _end_for_lack_of_clients(self, session: Session) -> None:
        self._forget(session)
        self._host.end(session.session_id, "no clients")

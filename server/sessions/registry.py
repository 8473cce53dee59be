"""All sessions of this server, by id and by conversation."""

import asyncio
import logging
import uuid
from contextlib import suppress
from typing import Literal, TypeAlias

from server.errors import (
    BridgeError,
    CapacityError,
    ClientNotFoundError,
    DrainingError,
    NotSupportedError,
    SessionLostError,
    SessionNotFoundError,
    ToolCallNotFoundError,
)
from server.media.door import MediaDoor
from server.media.protocol import (
    ClientAnswer,
    ClientChange,
    HostEvent,
    RecordingPlan,
    SessionEnding,
    TextForTool,
)
from server.sessions.caretaker import Caretaker
from server.sessions.lost import LostSessions
from server.sessions.roles import ModelSource, SessionFactory, Witness
from server.sessions.session import Session, SessionLimits, SessionRequest

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 5.0
MAX_SEATS = 1_000
"""Clients of one session over its whole life: what is remembered is bounded."""

_Conversation: TypeAlias = tuple[str, str]
"""Owner and conversation id: equal ids of two owners are two conversations."""


class SessionRegistry:
    """Opens, joins and closes sessions. `run` owns one task per session."""

    def __init__(
        self,
        host: MediaDoor,
        model: ModelSource,
        make_session: SessionFactory,
        limits: SessionLimits,
        *,
        witness: Witness,
        recording_plan: RecordingPlan | None = None,
    ) -> None:
        self._witness = witness
        self._recording_plan = recording_plan
        self._host = host
        self._model = model
        self._make_session = make_session
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._sessions: dict[str, Session] = {}
        self._lost = LostSessions()
        self._opening: dict[_Conversation, asyncio.Future[str]] = {}
        """By conversation, while its model leg comes up."""
        self._by_conversation: dict[_Conversation, Session] = {}
        self._n_sessions = 0
        self._tasks: asyncio.TaskGroup | None = None
        self._is_draining = False
        self.is_running = asyncio.Event()
        """Set once `run` accepts work."""

    @property
    def n_sessions(self) -> int:
        """Sessions live or coming up."""
        return self._n_sessions

    @property
    def n_in_calls(self) -> int:
        """People connected, over all sessions."""
        return sum(len(session.participants) for session in self._sessions.values())

    @property
    def has_room(self) -> bool:
        """Whether one more session may be opened."""
        return self._n_sessions < self._limits.max_sessions

    @property
    def is_draining(self) -> bool:
        """Whether calls may end, but none may begin."""
        return self._is_draining

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
        conversation = (request.owner, conversation_id)
        live = self._by_conversation.get(conversation)
        if live is not None:
            return live.session_id
        opening = self._opening.get(conversation)
        if opening is None:
            opening = self._start(conversation_id, request)
        # Shielded: several callers may wait, and one giving up is not the end of it.
        return await asyncio.shield(opening)

    def of_owner(self, owner: str) -> list[Session]:
        """Their live sessions, oldest first."""
        return [
            session
            for session in self._sessions.values()
            if session.owner == owner and not session.ended.is_set()
        ]

    def find(self, session_id: str, owner: str) -> Session:
        """A live session of theirs.

        Raises:
            SessionNotFoundError: there is none, or it is somebody else's.
            SessionLostError: there was one, and its media process has died.
        """
        session = self._sessions.get(session_id)
        if session is None and self._lost.has(session_id, owner):
            raise SessionLostError
        if session is None or session.owner != owner:
            raise SessionNotFoundError
        return session

    async def admit(
        self,
        session: Session,
        offer_sdp: str,
        *,
        name: str = "",
        resume_client_id: str | None = None,
        is_guest: bool = False,
    ) -> ClientAnswer:
        """Answer the offer of one more browser, or of one that comes back.

        Raises:
            DrainingError: the server takes nobody new any more.
            BridgeError: the offer is bad, or the session full or over.
        """
        if resume_client_id is None:
            if self._is_draining:
                raise DrainingError
            if len(session.seats) >= MAX_SEATS:
                raise CapacityError(f"{len(session.seats)} clients were admitted")
        answer = await self._host.admit(
            session.session_id,
            offer_sdp,
            name=name,
            resume_client_id=resume_client_id,
        )
        was_guest = session.seats.get(resume_client_id or "", False)
        session.seats[answer.client_id] = is_guest or was_guest
        return answer

    async def update_client(
        self, session: Session, client_id: str, change: ClientChange
    ) -> None:
        """Change settings of one browser; everybody is told.

        Raises:
            BridgeError: it is not there (any more).
        """
        await self._host.update_client(session.session_id, client_id, change)

    async def remove_client(self, session: Session, client_id: str) -> None:
        """Show one browser out for good: its token opens nothing any more.

        Raises:
            ClientNotFoundError: it is not there (any more).
        """
        if client_id not in session.seats or client_id in session.removed:
            raise ClientNotFoundError
        session.removed.add(client_id)
        with suppress(ClientNotFoundError):  # it is away just now, and stays away
            await self._host.remove_client(session.session_id, client_id, "removed")

    def type_text(
        self,
        session: Session,
        text: str,
        target: Literal["voice", "team", "coding_agent"],
        *,
        client_id: str = "",
    ) -> None:
        """Typed text, for the model or for somebody behind it."""
        session_id = session.session_id
        if target == "voice":
            self._host.say(session_id, text)
        else:
            session.note(TextForTool(session_id, client_id, target, text))

    def confirm_tool(self, session: Session, call_id: str, *, approve: bool) -> None:
        """Yes or no to a tool call that waits for it.

        Raises:
            ToolCallNotFoundError: nothing waits under this id (any more).
        """
        if not session.executor.confirm(call_id, approve, "the API"):
            raise ToolCallNotFoundError

    async def change_model(
        self, session: Session, *, voice: str | None, model: str | None
    ) -> None:
        """Go on with another voice or model, between two turns.

        What the service will not have is told to the browsers; nothing has changed
        then.
        """
        self._host.change_model(session.session_id, voice=voice, model=model)

    async def set_recording(self, session: Session, on: bool, *, by: str) -> None:
        """Begin or end to record; everybody in the session is told.

        That it has begun the host says by itself, before it answers: somebody may have
        ended it meanwhile.

        Raises:
            NotSupportedError: recording is switched off on this server.
            RecordingFailedError: there is no room or no codec for it.
        """
        if self._recording_plan is None:
            raise NotSupportedError("no recorder")
        if on:
            await self._host.start_recording(
                session.session_id, self._recording_plan, by
            )
        else:
            self._host.stop_recording(session.session_id, by)
            session.recording = False

    def set_mix_minus(self, session: Session, on: bool) -> None:
        """Whether the participants hear each other."""
        self._host.set_mix_minus(session.session_id, on)

    def drain(self, within_s: float) -> None:
        """Let calls go on for so long, but none begin; everybody in one is told.

        Idempotent.
        """
        if self._is_draining:
            return
        self._is_draining = True
        for session in self._sessions.values():
            if session.caretaker is not None:
                session.caretaker.drain(within_s)
            self._host.show_state(
                session.session_id, "draining", DrainingError.user_message
            )

    async def close(self, session: Session) -> None:
        """End a session for everybody and wait until it is gone."""
        self._forget(session)
        self._host.end(session.session_id, "closed")
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await session.gone.wait()
        except TimeoutError:
            logger.warning("session %s is slow to close", session.session_id)

    def on_host_event(self, event: HostEvent) -> None:
        """From the media host."""
        session = self._sessions.get(event.session_id)
        if session is None:
            return
        if session.caretaker is not None:
            session.caretaker.on_event(event)
        if isinstance(event, SessionEnding):
            self._forget(session)
            if event.reason == SessionLostError.code:
                self._lost.add(session.session_id, session.owner)
        session.note(event)

    def _start(
        self, conversation_id: str, request: SessionRequest
    ) -> asyncio.Future[str]:
        if self._tasks is None:
            raise CapacityError(user_message="The server is shutting down.")
        if self._is_draining:
            raise DrainingError
        if not self.has_room:
            raise CapacityError(f"{self.n_sessions} sessions are open")
        opening: asyncio.Future[str] = self._loop.create_future()
        self._opening[request.owner, conversation_id] = opening
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
            self._opening.pop((request.owner, conversation_id), None)
        opening.set_result(session.session_id)
        try:
            await session.executor.run(session.ended)
        finally:
            self._host.end(session.session_id, "cancelled")
            self._forget(session)
            if session.caretaker is not None:
                session.caretaker.close()
            await session.close_agents()
            self._sessions.pop(session.session_id, None)
            session.gone.set()

    async def _open_one(self, conversation_id: str, request: SessionRequest) -> Session:
        endpoint = await self._model.endpoint()
        session_id = uuid.uuid4().hex
        session = await self._make_session(
            session_id, conversation_id, request, endpoint
        )
        session.owner = request.owner
        self._sessions[session_id] = session
        self._witness.began(session)
        session.caretaker = self._caretaker(session)
        try:
            await self._host.open(session.info, endpoint)
        except BaseException as exc:
            session.caretaker.close()
            del self._sessions[session_id]
            reason = exc.code if isinstance(exc, BridgeError) else "cancelled"
            self._witness.gave_up(session, reason)
            raise
        session.state = "live"
        self._witness.opened(session)
        session.caretaker.opened()
        self._by_conversation[request.owner, conversation_id] = session
        return session

    def _forget(self, session: Session) -> None:
        """A next request for the conversation starts afresh."""
        conversation = (session.owner, session.info.conversation_id)
        if self._by_conversation.get(conversation) is session:
            del self._by_conversation[conversation]

    def _caretaker(self, session: Session) -> Caretaker:
        def on_end(reason: str) -> None:
            self._forget(session)

        def on_abandoned() -> None:
            logger.warning("session %s was not freed in time", session.session_id)
            session.ended.set()

        return Caretaker(
            session.session_id,
            session.rules,
            session.prices,
            self._host,
            on_end=on_end,
            on_abandoned=on_abandoned,
        )

"""One conversation: N browsers, one model session, one tick."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

from server.audio.format import Pcm
from server.errors import (
    BridgeError,
    CapacityError,
    ClientNotFoundError,
    ModelLostError,
    SessionNotFoundError,
)
from server.media import control
from server.media.client import Client
from server.media.mixdown import Mixdown
from server.media.model_leg import ModelLeg, OwnersEffect
from server.media.participants import Profiles, participants
from server.media.protocol import (
    ClientAnswer,
    ClientChange,
    ClientJoined,
    ClientLeft,
    ConversationEvent,
    ConversationInfo,
    HostEvent,
    MediaLimits,
    Participant,
    ParticipantsChanged,
    SessionEnding,
    SessionState,
    SessionStateChanged,
    TextForTool,
    ToolConfirmed,
    ToolRequested,
)
from server.media.ticker import Ticker
from server.media.totals import ClientTotals
from server.realtime import core as rt
from server.realtime.transcripts import Transcript
from server.realtime.transport import ModelTransport, TransportEvents
from server.rtc.ice import IcePolicy
from server.rtc.offer import parse_offer

logger = logging.getLogger(__name__)

HOUSEKEEPING_TICKS = 25
"""Twice a second: signs of life, timeouts, what waits for time only."""
ROLL_CALL_TICKS = 10
"""Five times a second: who is there, and who speaks."""


@dataclass(frozen=True, slots=True)
class ConversationEnd:
    """Why it is over; `error` is what the browsers were told, if anything."""

    reason: str
    error: BridgeError | None


class Conversation:
    """Owns its clients and its model leg: `open`, `serve`, `close`."""

    def __init__(
        self,
        info: ConversationInfo,
        transport: Callable[[TransportEvents], ModelTransport],
        *,
        ticker: Ticker,
        policy: IcePolicy,
        limits: MediaLimits,
        emit: Callable[[HostEvent], None],
    ) -> None:
        self._info = info
        self._ticker = ticker
        self._policy = policy
        self._limits = limits
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._clients: dict[str, Client] = {}
        self._profiles = Profiles()
        self._roll: tuple[tuple[Participant, ...], bool] = ((), True)
        self._tool_names: dict[str, str] = {}
        self._leaving: asyncio.Queue[Client | None] = asyncio.Queue()
        """Clients to be closed; None ends the conversation. Bounded by admission."""
        self._end: ConversationEnd | None = None
        self._state: SessionState = "live"
        self._n_ticks = 0
        self._n_clients_seen = 0
        self._n_tools = 0
        self._n_flushes = 0
        self._left = ClientTotals()
        self._leg = ModelLeg(info.config, transport, limits=limits, owner=self)
        self._mixdown = Mixdown(
            self._leg.send_audio, ticker=ticker, clock=self._loop.time
        )

    @property
    def n_clients(self) -> int:
        """Browsers connected or connecting."""
        return len(self._clients)

    def summary(self) -> dict[str, float | int]:
        """Counts of the whole conversation, for its one line in the log."""
        totals = replace(self._left)
        for client in self._clients.values():
            totals.add(client)
        return {
            "clients": self._n_clients_seen,
            "tools": self._n_tools,
            "flushes": self._n_flushes,
            "assistant_s": round(self._mixdown.assistant_s, 1),
            "model_lost_packets": self._leg.lost_packets,
            **asdict(totals),
        }

    # --- life

    async def open(self) -> None:
        """Connect and configure the model leg.

        Raises:
            BridgeError: what stood in the way. The caller still calls `close`.
        """
        await self._leg.open()

    async def serve(self) -> ConversationEnd:
        """Serve browsers until the end; call after `open`."""
        self._ticker.subscribe(self.tick)
        async with asyncio.TaskGroup() as closing:
            while (client := await self._leaving.get()) is not None:
                closing.create_task(_close_quietly(client))
        assert self._end is not None
        return self._end

    def finish(self, reason: str, error: BridgeError | None = None) -> None:
        """End the conversation and tell every browser why. The first call counts."""
        if self._end is not None:
            return
        self._end = ConversationEnd(reason, error)
        self._emit(SessionEnding(self._info.session_id, reason))
        self._ticker.unsubscribe(self.tick)
        self._leg.end(error or ModelLostError(reason))
        for client in self._clients.values():
            if error is not None:
                client.send(_error_message(error, fatal=True))
            client.send(control.ended(reason))
        self._leaving.put_nowait(None)

    async def close(self) -> None:
        """Free both legs, in bounded time. Nothing of the conversation is left."""
        self.finish("closed")
        clients = list(self._clients.values())
        for client in clients:
            self._left.add(client)
        self._clients.clear()
        while not self._leaving.empty():
            if (leaving := self._leaving.get_nowait()) is not None:
                clients.append(leaving)
        results = await asyncio.gather(
            *(client.close(linger=True) for client in clients),
            self._leg.close(),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, Exception):
                logger.warning("a leg did not close cleanly", exc_info=result)

    def tick(self, due_s: float) -> None:
        """Every 20 ms: audio; now and then who is there, and who is gone."""
        self._mixdown.tick([c for c in self._clients.values() if c.is_ready])
        self._n_ticks += 1
        if self._n_ticks % ROLL_CALL_TICKS == 0:
            self._call_the_roll()
        if self._n_ticks % HOUSEKEEPING_TICKS == 0:
            self._keep_house(due_s)

    # --- browsers

    async def admit(
        self, offer_sdp: str, *, name: str = "", resume_client_id: str | None = None
    ) -> ClientAnswer:
        """Answer a browser's offer.

        Args:
            offer_sdp: the offer.
            name: display name; empty keeps the one from before.
            resume_client_id: the browser was in this session under this id: it gets
                the id and its settings back, and its old connection is dropped.

        Raises:
            BridgeError: the offer is bad, the conversation is full or over.
        """
        offer = parse_offer(offer_sdp)
        if self._end is not None or not self._leg.is_ready:
            raise SessionNotFoundError
        resumed = resume_client_id is not None and resume_client_id in self._profiles
        client_id = resume_client_id if resumed else None
        client_id = client_id or secrets.token_urlsafe(12)
        old = self._clients.get(client_id)
        if old is None and len(self._clients) >= self._limits.max_clients:
            raise CapacityError(user_message="This conversation is full.")
        client = Client(
            client_id,
            self,
            limits=self._limits,
            policy=self._policy,
            ticker=self._ticker,
            profile=self._profiles.of(client_id, control.tidy_name(name, self._limits)),
        )
        client.is_resumed = resumed
        if old is not None:
            self._remove(old)
        self._clients[client_id] = client
        try:
            sdp = await client.answer(offer)
        except BaseException:
            self._remove(client)
            raise
        if self._end is not None:
            raise SessionNotFoundError
        return ClientAnswer(client_id, sdp)

    def update_client(self, client_id: str, change: ClientChange) -> None:
        """Change settings of one browser.

        Raises:
            ClientNotFoundError: it is not here.
        """
        client = self._clients.get(client_id)
        if client is None:
            raise ClientNotFoundError
        if client.profile.apply(change):
            client.profile_changed()
            self._call_the_roll()

    def remove_client(self, client_id: str, reason: str) -> None:
        """Show one browser out; it is told the reason.

        Raises:
            ClientNotFoundError: it is not here.
        """
        client = self._clients.get(client_id)
        if client is None:
            raise ClientNotFoundError
        client.send(control.ended(reason))
        client.has_last_word = True
        self.on_client_gone(client, reason)

    def on_client_ready(self, client: Client) -> None:
        """From a client: audio and control can flow."""
        if self._clients.get(client.client_id) is not client:
            return
        self._n_clients_seen += 1
        config = self._info.config
        client.send(
            control.hello(
                session_id=self._info.session_id,
                client_id=client.client_id,
                conversation_id=self._info.conversation_id,
                agent_name=config.agent_name,
                voice=config.voice,
                model_kind=self._info.model_kind,
                limits=self._limits,
                name=client.profile.name,
                mode=client.profile.mode,
                resumed=client.is_resumed,
                mix_minus=self._mixdown.mix_minus,
            )
        )
        client.send(control.state(self._leg.state.value))
        self._emit(ClientJoined(self._info.session_id, client.client_id))
        self._note("joined", client_id=client.client_id, name=client.profile.name)
        self._call_the_roll(newcomer=client)

    def on_client_message(self, client: Client, message: control.ClientMessage) -> None:
        """From a client: a valid control message."""
        session_id, client_id = self._info.session_id, client.client_id
        match message:
            case control.Mute(muted):
                self.update_client(client_id, ClientChange(muted=muted))
            case control.ChangeMode(mode):
                self.update_client(client_id, ClientChange(mode=mode))
            case control.Rename(name):
                self.update_client(client_id, ClientChange(name=name))
            case control.Ping(t):
                client.send(control.pong(t))
            case control.Text(text, "voice"):
                self.say(text)
            case control.Text(text, ("team" | "coding_agent") as target):
                self._emit(TextForTool(session_id, client_id, target, text))
            case control.Confirm(call_id, approve):
                self._emit(ToolConfirmed(session_id, client_id, call_id, approve))
            case control.Interrupt():
                self.interrupt()
            case control.Bye():
                self.on_client_gone(client, "bye")

    def on_client_gone(self, client: Client, reason: str) -> None:
        """From a client: it left or was lost."""
        if self._end is None and self._remove(client):
            session_id, client_id = self._info.session_id, client.client_id
            self._emit(ClientLeft(session_id, client_id, reason, self.n_clients))
            name = client.profile.name
            self._note("left", client_id=client_id, name=name, reason=reason)
            self._call_the_roll()

    def _remove(self, client: Client) -> bool:
        if self._clients.get(client.client_id) is not client:
            return False
        del self._clients[client.client_id]
        self._left.add(client)
        self._leaving.put_nowait(client)
        return True

    def _call_the_roll(self, newcomer: Client | None = None) -> None:
        """Tell everybody who is here when that is news; a newcomer in any case."""
        roll = participants(self._clients.values()), self._mixdown.mix_minus
        is_news = roll != self._roll
        if not is_news and newcomer is None:
            return
        self._roll = roll
        message = control.participants(roll[0], mix_minus=roll[1])
        if is_news:
            self.broadcast(message)
            self._emit(ParticipantsChanged(self._info.session_id, *roll))
        elif newcomer is not None:
            newcomer.send(message)

    # --- commands

    def say(self, text: str) -> None:
        """Typed text, for the model."""
        self._leg.say_text(text)

    def interrupt(self) -> None:
        """Make the assistant stop talking."""
        self._leg.interrupt()

    def set_mix_minus(self, on: bool) -> None:
        """Whether participants hear each other."""
        self._mixdown.mix_minus = on
        self._call_the_roll()

    def announce(self, message: Mapping[str, object]) -> None:
        """Send a control message, made above, to everybody."""
        self.broadcast(control.announcement(message))

    def show_state(self, state: SessionState, message: str = "") -> None:
        """Tell everybody what the session goes through."""
        if state == self._state:
            return
        self._state = state
        self.broadcast(control.session(state, message))
        self._emit(SessionStateChanged(self._info.session_id, state, message))
        self._note("session", state=state, message=message)

    def tool_finished(self, call_id: str, output: str, *, success: bool) -> None:
        """A tool that was requested is done; unknown calls are ignored."""
        name = self._tool_names.pop(call_id, None)
        if name is None:
            return
        status = "finished" if success else "failed"
        self.broadcast(control.tool(call_id, name, status))
        self._note("tool", call_id=call_id, name=name, status=status, output=output)
        self._leg.tool_finished(call_id, output)

    def broadcast(self, message: str) -> None:
        """Send one encoded control message to everybody."""
        for client in list(self._clients.values()):
            client.send(message)

    # --- the model

    def on_model_audio(self, pcm: Pcm) -> None:
        """From the model leg: the assistant's voice, as it comes."""
        self._mixdown.on_model_audio(pcm)

    def on_leg_ended(self, reason: str, error: BridgeError) -> None:
        """From the model leg: it is over for good."""
        self.finish(reason, error)

    def on_leg_effect(self, effect: OwnersEffect) -> None:
        """From the model leg: something for the browsers or the tools."""
        match effect:
            case Transcript(role, item_id, text, final):
                self.broadcast(control.transcript(role, item_id, text, final))
                self._note(
                    "transcript", role=role, item_id=item_id, text=text, final=final
                )
            case rt.StateChanged(state):
                self.broadcast(control.state(state.value))
            case rt.Flush(reason):
                self._n_flushes += 1
                self._mixdown.flush()
                self.broadcast(control.flush(reason))
                self._note("flush", reason=reason)
            case rt.CallTool(call_id, name, arguments):
                self._n_tools += 1
                self._tool_names[call_id] = name
                self.broadcast(control.tool(call_id, name, "started"))
                self._note(
                    "tool",
                    call_id=call_id,
                    name=name,
                    status="started",
                    arguments=arguments,
                )
                session_id = self._info.session_id
                self._emit(ToolRequested(session_id, call_id, name, arguments))
            case rt.Notice(code, message):
                self.broadcast(
                    control.error(code, message, retryable=True, fatal=False)
                )
                self._note("notice", code=code, message=message)

    def _note(self, kind: str, **data: object) -> None:
        """Something worth remembering."""
        offset_ms = round((self._loop.time() - self._began_s) * 1000)
        self._emit(
            ConversationEvent(
                self._info.session_id,
                self._info.conversation_id,
                kind,
                data,
                time.time(),
                offset_ms,
            )
        )

    def _keep_house(self, now_s: float) -> None:
        limits = self._limits
        self._leg.check(now_s)
        for client in list(self._clients.values()):
            client.check()
            if client.is_ready:
                if client.silent_s() > limits.client_silence_timeout_s:
                    self.on_client_gone(client, "silent")
            elif now_s - client.created_at_s > limits.client_connect_timeout_s:
                self.on_client_gone(client, "never connected")


async def _close_quietly(client: Client) -> None:
    try:
        # What it was told last, if anything, shall reach it.
        await client.close(linger=client.has_last_word)
    except Exception:
        # One connection that cannot be closed must not end the conversation.
        logger.exception("a client did not close cleanly")


def _error_message(error: BridgeError, *, fatal: bool) -> str:
    return control.error(
        error.code, error.user_message, retryable=error.retryable, fatal=fatal
    )

"""One conversation: N browsers, one model session, one tick."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from server.audio.format import FRAME_MS, SILENCE, Pcm
from server.audio.mixer import add_up, limit, mix_minus
from server.errors import (
    BridgeError,
    CapacityError,
    InvalidRequestError,
    ModelLostError,
    ModelRejectedError,
    ModelTimeoutError,
    SessionNotFoundError,
)
from server.media import control
from server.media.assistant import AssistantVoice
from server.media.client import Client
from server.media.passage import Passage
from server.media.protocol import (
    ClientAnswer,
    ClientJoined,
    ClientLeft,
    ConversationInfo,
    HostEvent,
    MediaLimits,
    SessionEnding,
    ToolRequested,
)
from server.media.ticker import Ticker
from server.media.totals import ClientTotals
from server.realtime import core as rt
from server.realtime import wire
from server.realtime.transcripts import Transcript
from server.realtime.transport import ModelTransport, TransportEvents
from server.rtc.ice import IcePolicy
from server.rtc.offer import parse_offer

logger = logging.getLogger(__name__)

HOUSEKEEPING_TICKS = 25
"""Twice a second: signs of life, timeouts, what waits for time only."""


@dataclass(frozen=True, slots=True)
class ConversationEnd:
    """Why it is over; `error` is what the browsers were told, if anything."""

    reason: str
    error: BridgeError | None


class Conversation:
    """Owns its clients and its model leg. `run` lives as long as the conversation."""

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
        self._core = rt.RealtimeCore(info.config)
        self._voice = AssistantVoice()
        self._clients: dict[str, Client] = {}
        self._tool_names: dict[str, str] = {}
        self._leaving: asyncio.Queue[Client | None] = asyncio.Queue()
        """Clients to be closed; None ends the conversation. Bounded by admission."""
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._end: ConversationEnd | None = None
        self._soloist: Client | None = None
        self._uplink = Passage(self._loop.time())
        self._downlink = Passage(self._loop.time())
        self._n_ticks = 0
        self._n_clients_seen = 0
        self._n_tools = 0
        self._n_flushes = 0
        self._left = ClientTotals()
        self._transport = transport(self)

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
            "assistant_s": round(self._voice.frames * FRAME_MS / 1000, 1),
            "model_lost_packets": self._transport.lost_packets,
            **asdict(totals),
        }

    # --- life

    async def open(self) -> None:
        """Connect and configure the model leg.

        Raises:
            BridgeError: what stood in the way. The caller still calls `close`.
        """
        await self._transport.open(self._info.config)
        try:
            async with asyncio.timeout(self._limits.model_connect_timeout_s):
                await self._ready
        except TimeoutError as exc:
            raise ModelTimeoutError("no configured session in time") from exc

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
        if not self._ready.done():
            self._ready.set_exception(error or ModelLostError(reason))
            self._ready.exception()  # it may have nobody who waits for it
        self._perform(self._core.end())
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
            self._transport.close(),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, Exception):
                logger.warning("a leg did not close cleanly", exc_info=result)

    # --- browsers

    async def admit(self, offer_sdp: str) -> ClientAnswer:
        """Answer a browser's offer.

        Raises:
            BridgeError: the offer is bad, the conversation is full or over.
        """
        offer = parse_offer(offer_sdp)
        if self._end is not None or not self._ready.done():
            raise SessionNotFoundError
        if len(self._clients) >= self._limits.max_clients:
            raise CapacityError(user_message="This conversation is full.")
        client = Client(
            secrets.token_urlsafe(12),
            self,
            limits=self._limits,
            policy=self._policy,
            ticker=self._ticker,
        )
        self._clients[client.client_id] = client
        try:
            sdp = await client.answer(offer)
        except BaseException:
            self._remove(client)
            raise
        if self._end is not None:
            raise SessionNotFoundError
        return ClientAnswer(client.client_id, sdp)

    def on_client_ready(self, client: Client) -> None:
        """From a client: audio and control can flow."""
        if client.client_id not in self._clients:
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
            )
        )
        client.send(control.state(self._core.state.value))
        self._emit(ClientJoined(self._info.session_id, client.client_id))

    def on_client_message(self, client: Client, message: control.ClientMessage) -> None:
        """From a client: a valid control message."""
        now_s = self._loop.time()
        match message:
            case control.Mute(muted):
                client.mute(muted)
            case control.Ping(t):
                client.send(control.pong(t))
            case control.Text(text):
                self._perform(self._core.say_text(text, now_s))
            case control.Interrupt():
                self._perform(self._core.interrupt(now_s))
            case control.Bye():
                self.on_client_gone(client, "bye")

    def on_client_gone(self, client: Client, reason: str) -> None:
        """From a client: it left or was lost."""
        if self._end is None and self._remove(client):
            self._emit(
                ClientLeft(
                    self._info.session_id, client.client_id, reason, self.n_clients
                )
            )

    def _remove(self, client: Client) -> bool:
        if self._clients.pop(client.client_id, None) is None:
            return False
        self._left.add(client)
        self._leaving.put_nowait(client)
        return True

    # --- audio

    def tick(self, due_s: float) -> None:
        """Every 20 ms: microphones to the model, voices to the browsers."""
        ready = [c for c in self._clients.values() if c.is_ready]
        soloist = ready[0] if len(ready) == 1 else None
        if soloist is not self._soloist:
            self._change_soloist(soloist)
        if soloist is None:
            self._mix(ready)
        else:
            self._fill_pauses(soloist)
        self._n_ticks += 1
        if self._n_ticks % HOUSEKEEPING_TICKS == 0:
            self._keep_house(due_s)

    def _mix(self, ready: list[Client]) -> None:
        """Everybody to the model, everybody else and the assistant to everybody."""
        heard = {c: f for c in ready if (f := c.pull_microphone()) is not None}
        total = add_up(list(heard.values()))
        self._transport.send_audio(limit(total) if heard else SILENCE)
        assistant = self._voice.pull()
        for client in ready:
            client.send_audio(mix_minus(total, heard.get(client), assistant))

    def _change_soloist(self, soloist: Client | None) -> None:
        if self._soloist is not None:
            self._soloist.listener = None
        self._soloist = soloist
        self._voice.forget()
        if soloist is not None:
            self._uplink = Passage(self._loop.time())
            self._downlink = Passage(self._loop.time())
            soloist.microphone.flush()
            soloist.listener = self._on_lone_microphone

    def _fill_pauses(self, soloist: Client) -> None:
        """A lone talker needs no mixing; RTP needs a frame for every 20 ms."""
        now_s = self._loop.time()
        if self._uplink.must_fill(now_s):
            self._transport.send_audio(SILENCE)
        if not soloist.takes_audio_as_it_comes and self._downlink.must_fill(now_s):
            soloist.send_audio(SILENCE)

    def _on_lone_microphone(self, pcm: Pcm) -> None:
        for frame in self._uplink.take(pcm, self._loop.time()):
            self._transport.send_audio(frame)

    def on_model_audio(self, pcm: Pcm) -> None:
        """From the model leg: the assistant's voice, as it comes."""
        soloist = self._soloist
        now_s = self._loop.time()
        for frame in self._voice.frames_of(pcm, now_s):
            if soloist is None:
                if self._clients:
                    self._voice.keep(frame, lead_ms=self._ticker.lead_ms())
            elif soloist.takes_audio_as_it_comes:
                soloist.send_audio(frame)
            else:
                for paced in self._downlink.take(frame, now_s):
                    soloist.send_audio(paced)

    # --- the model

    def on_model_event(self, event: wire.ServerEvent) -> None:
        """From the model leg: one event."""
        self._perform(self._core.receive(event, self._loop.time()))

    def on_model_lost(self, reason: str) -> None:
        """From the model leg: it is over."""
        self.finish("model_lost", ModelLostError(reason))

    def tool_finished(self, call_id: str, output: str, *, success: bool) -> None:
        """A tool that was requested is done; unknown calls are ignored."""
        name = self._tool_names.pop(call_id, None)
        if name is None:
            return
        status = "finished" if success else "failed"
        self._broadcast(control.tool(call_id, name, status))
        self._perform(self._core.tool_finished(call_id, output, self._loop.time()))

    def _perform(self, effects: list[rt.Effect]) -> None:
        for effect in effects:
            self._perform_one(effect)

    def _perform_one(self, effect: rt.Effect) -> None:
        match effect:
            case rt.Send(event):
                self._transport.send_event(event)
            case Transcript():
                self._broadcast(
                    control.transcript(
                        effect.role, effect.item_id, effect.text, effect.final
                    )
                )
            case rt.StateChanged(state):
                self._broadcast(control.state(state.value))
            case rt.Flush(reason):
                self._n_flushes += 1
                self._voice.flush(self._loop.time())
                self._broadcast(control.flush(reason))
            case rt.CallTool(call_id, name, arguments):
                self._n_tools += 1
                self._tool_names[call_id] = name
                self._broadcast(control.tool(call_id, name, "started"))
                session_id = self._info.session_id
                self._emit(ToolRequested(session_id, call_id, name, arguments))
            case rt.Notice(code, message):
                self._broadcast(
                    control.error(code, message, retryable=True, fatal=False)
                )
            case rt.Ready():
                if not self._ready.done():
                    self._ready.set_result(None)
            case rt.Rejected(message, param):
                self.finish("model_rejected", _rejection(message, param))
            case rt.Ended(code, message):
                error = ModelLostError(code, user_message=message)
                self.finish(code, error)

    def _broadcast(self, message: str) -> None:
        for client in list(self._clients.values()):
            client.send(message)

    def _keep_house(self, now_s: float) -> None:
        limits = self._limits
        self._perform(self._core.advance(now_s))
        self._transport.probe()
        silent_s = self._transport.silent_s()
        if silent_s > limits.model_silence_timeout_s:
            self.on_model_lost(f"nothing heard for {silent_s:.1f} s")
            return
        for client in list(self._clients.values()):
            client.check()
            if client.is_ready:
                if client.silent_s() > limits.client_silence_timeout_s:
                    self.on_client_gone(client, "silent")
            elif now_s - client.created_at_s > limits.client_connect_timeout_s:
                self.on_client_gone(client, "never connected")


async def _close_quietly(client: Client) -> None:
    try:
        await client.close(linger=False)
    except Exception:
        # One connection that cannot be closed must not end the conversation.
        logger.exception("a client did not close cleanly")


def _error_message(error: BridgeError, *, fatal: bool) -> str:
    return control.error(
        error.code, error.user_message, retryable=error.retryable, fatal=fatal
    )


def _rejection(message: str, param: str) -> BridgeError:
    if param.endswith("voice"):
        return InvalidRequestError("voice: the voice service does not know this voice.")
    return ModelRejectedError(f"session.update refused: {param}")

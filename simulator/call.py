"""One simulated browser's call, from the first request to the last. EDGE."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulator.bridge_api import BridgeApi, CallFailedError, Deadlines, SessionGoneError
from simulator.capture import CaptureClock
from simulator.lifeline import ATTEMPT_S, PATIENCE_S, Lifeline, Outage, delay_s
from simulator.mouth import Mouth
from simulator.parcel import Parcel
from simulator.peer import Leg, Peer, PeerEvents
from simulator.playout import Arrivals
from simulator.playout_buffer import PlayoutConfig
from simulator.record import CallRecord
from simulator.relay import Relay
from simulator.scenario import Part
from simulator.speech import prepare
from simulator.timeline import Pcm

logger = logging.getLogger(__name__)

HEARD_PEAK = 330
"""A frame whose peak passes this (-40 dBFS) is sound and not the codec's floor."""
BUSY_STATES = {"thinking", "tool", "speaking"}
LAST_WORDS_S = 6.0
"""No question is asked when there is no time left to hear its answer."""
MAX_MESSAGES = 20_000


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What one call is to do."""

    index: int
    part: Part
    seconds: float
    """From `hello` to hanging up."""
    leg: Leg
    tag: str
    """Unique text in the system prompt: by it the fake's record is found."""
    conversation: int
    """Number of the conversation it belongs to."""
    conversation_id: str
    voice: str | None = None
    system_prompt: str = "You are a voice assistant on a test call."
    playout: PlayoutConfig = field(default_factory=PlayoutConfig)
    addresses: tuple[str, ...] | None = ("127.0.0.1",)
    deadlines: Deadlines = field(default_factory=Deadlines)
    reconnects: bool = False
    """Comes back by itself when the way to the bridge is lost, as the page does."""


class Call:
    """One call; `run` once. It never raises for what goes wrong on the line: the
    record's `failure` says so. `hang_up` ends it as a person would; so does cancelling
    `run`."""

    def __init__(
        self,
        plan: CallPlan,
        api: BridgeApi,
        clock: CaptureClock,
        relay: Relay | None = None,
        *,
        on_talking: Callable[[], None] = lambda: None,
    ) -> None:
        """Args:
        plan: what to do.
        api: the bridge.
        clock: fires the microphone; entered already.
        relay: leads the call over an impaired network.
        on_talking: called when the call is connected and the talk begins.
        """
        self._plan = plan
        self._on_talking = on_talking
        self._relay = relay
        self._api = api
        self._clock = clock
        self._record = CallRecord(
            index=plan.index,
            leg=plan.leg,
            tag=plan.tag,
            conversation_id=plan.conversation_id,
            conversation=plan.conversation,
            caller=plan.part.name,
        )
        self._over = asyncio.Event()
        self._answered = asyncio.Event()
        """Set by `hello`, and by anything that makes waiting for it pointless."""
        self._mouth: Mouth | None = None
        self._arrivals = Arrivals()
        self._n_messages = 0
        self._written: set[str] = set()
        self._peer: Peer | None = None
        self._client_token: str | None = None
        self._lifeline: Lifeline | None = None
        self._was_hung_up = False
        self._is_muted = False

    def hang_up(self) -> None:
        """End the call now. A call that was not connected yet is a failed one."""
        self._was_hung_up = True
        self._over.set()
        self._answered.set()

    @property
    def session_id(self) -> str | None:
        """The bridge's session, once it is known."""
        return self._record.session_id

    async def run(self) -> CallRecord:
        """Connect, talk, hang up; what was recorded. The session is left open: it
        may hold others."""
        try:
            await self._connect()
            await self._talk()
        except CallFailedError as exc:
            self.fail(str(exc))
        except Exception as exc:
            # One broken call must not end the others: it is a failed call.
            logger.exception("call %d broke", self._plan.index)
            self.fail(f"{type(exc).__name__}: {exc}")
        finally:
            await self._hang_up()
        return self._record

    async def _connect(self) -> None:
        plan, record = self._plan, self._record
        peer = self._peer = self._new_peer()
        steps = _Steps(record.steps_ms)
        session_id = await self._open_session()
        steps.done("session")
        offer = await peer.offer()
        steps.done("gather")
        answer = await self._exchange(session_id, offer)
        steps.done("sdp")
        try:
            async with asyncio.timeout(plan.deadlines.connect_s):
                await peer.accept(answer)
                await peer.wait_open()
                steps.done("ice_dtls_sctp")
                await self._answered.wait()
        except TimeoutError:
            done = ", ".join(record.steps_ms)
            raise CallFailedError(
                f"not connected in {plan.deadlines.connect_s:g} s, only: {done}"
            ) from None
        if self._over.is_set():
            raise CallFailedError(record.failure or "ended before hello")
        steps.done("hello")
        self._on_talking()

    async def _open_session(self) -> str:
        plan = self._plan
        session_id = self._record.session_id = await self._api.open_session(
            conversation_id=plan.conversation_id,
            system_prompt=f"{plan.system_prompt} [{plan.tag}]",
            voice=plan.voice,
        )
        return session_id

    def _new_peer(self) -> Peer:
        def on_lost(reason: str) -> None:
            if self._peer is peer:
                self._on_peer_lost(reason)

        peer = Peer(
            self._plan.leg,
            PeerEvents(self._on_audio, self._on_message, on_lost),
            addresses=self._plan.addresses,
        )
        return peer

    async def _exchange(self, session_id: str, offer: str) -> str:
        async def post(offer: str) -> str:
            admission = await self._api.exchange_sdp(
                session_id, offer, client_token=self._client_token
            )
            self._record.client_id = admission.client_id
            self._client_token = admission.client_token
            return admission.answer

        if self._relay is None:
            return await post(offer)
        label = f"call-{self._plan.index}"
        return await self._relay.exchange(offer, post, label=label)

    async def _talk(self) -> None:
        started_s = time.monotonic()
        seconds = self._plan.seconds
        patience_s = min(LAST_WORDS_S, seconds / 2)
        self._mouth = Mouth(
            self._plan.part, prepare, last_word_s=started_s + seconds - patience_s
        )
        microphone = self._clock.add(self._on_capture)
        self._lifeline = Lifeline(started_s)
        watch = asyncio.create_task(self._watch(self._lifeline), name="lifeline")
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
            if not (self._mouth.is_done or self._was_hung_up):
                self.fail("the bridge ended the call early")
        except TimeoutError:
            pass
        finally:
            self._clock.remove(microphone)
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            record = self._record
            record.hung_up_s = time.monotonic()
            record.talk_s = record.hung_up_s - started_s
            record.said = self._mouth.said
            record.unanswered = self._mouth.unanswered_at(record.hung_up_s)
            record.flushes_s = self._arrivals.flushes_s

    async def _watch(self, lifeline: Lifeline) -> None:
        """Come back when the way to the bridge is lost, as the page does."""
        while self._plan.reconnects:
            await asyncio.sleep(0.25)
            now_s = time.monotonic()
            if lifeline.is_lost(now_s):
                try:
                    await self._come_back(lifeline)
                except Exception as exc:
                    # Nobody awaits this task but to end it: the call must know.
                    logger.exception("call %d broke", self._plan.index)
                    self.fail(f"coming back broke: {type(exc).__name__}: {exc}")
                    return
            elif lifeline.must_ping(now_s) and self._peer is not None:
                self._peer.send_message({"type": "ping", "t": round(now_s, 3)})

    async def _come_back(self, lifeline: Lifeline) -> None:
        noticed_s = time.monotonic()
        outage = Outage("browser", lifeline.last_s, noticed_s)
        self._record.outages.append(outage)
        while time.monotonic() - noticed_s < PATIENCE_S:
            outage.attempts += 1
            peer = self._new_peer()
            try:
                async with asyncio.timeout(ATTEMPT_S):
                    await self._reconnect(peer)
            except (TimeoutError, CallFailedError) as exc:
                logger.info("call %d: not back yet: %s", self._plan.index, exc)
                await peer.close()
                await asyncio.sleep(delay_s(outage.attempts))
                continue
            except BaseException:
                await peer.close()
                raise
            outage.back_s = time.monotonic()
            lifeline.heard(outage.back_s)
            return
        self.fail("the way to the bridge was lost and did not come back")

    async def _reconnect(self, peer: Peer) -> None:
        assert self._record.session_id is not None
        offer = await peer.offer()
        try:
            answer = await self._exchange(self._record.session_id, offer)
        except SessionGoneError:
            # As the page: the conversation is opened anew, the old ticket is worth
            # nothing there.
            self._client_token = None
            answer = await self._exchange(await self._open_session(), offer)
        self._answered.clear()
        await peer.accept(answer)
        await peer.wait_open()
        await self._answered.wait()
        old, self._peer = self._peer, peer
        if old is not None:
            await old.close()

    def parcel(self) -> Parcel:
        """The finished call, for who analyses it."""
        return Parcel(self._record, self._arrivals, self._plan.playout)

    async def _hang_up(self) -> None:
        try:
            async with asyncio.timeout(self._plan.deadlines.close_s):
                if self._peer is not None:
                    self._peer.send_message({"type": "bye"})
                    await self._peer.close()
        except TimeoutError:
            self.fail("hanging up was not done in time")

    def fail(self, reason: str) -> None:
        """Note why the call is no good; the first reason stays. Ends the talk."""
        if self._record.failure is None:
            self._record.failure = reason
        self._over.set()
        self._answered.set()

    def _on_capture(self, due_s: float, now_s: float) -> None:
        assert self._mouth is not None
        assert self._peer is not None
        frame = self._mouth.next_frame(now_s)
        if self._mouth.is_muted is not self._is_muted:
            self._is_muted = self._mouth.is_muted
            self._peer.send_message({"type": "mute", "muted": self._is_muted})
        handed_over_s = time.monotonic()
        if not self._is_muted:
            self._peer.send_audio(frame)
        self._record.mouth.add(frame, due_s, handed_over_s)
        if self._mouth.is_done:
            self._over.set()

    def _on_audio(self, pcm: Pcm, now_s: float) -> None:
        if self._lifeline is not None:
            self._lifeline.heard(now_s)
        if self._mouth is None or self._over.is_set():
            return
        self._arrivals.frames.append((now_s, pcm))
        if pcm.size and int(np.abs(pcm).max()) > HEARD_PEAK:
            self._mouth.heard(now_s)

    def _on_message(self, message: dict[str, Any], now_s: float) -> None:
        if self._lifeline is not None:
            self._lifeline.heard(now_s)
        self._n_messages += 1
        if self._n_messages > MAX_MESSAGES:
            self.fail("the bridge sends messages without end")
            return
        kind = message.get("type")
        record = self._record
        if kind == "hello":
            record.client_id = message.get("client_id", record.client_id)
            self._answered.set()
        elif kind == "state":
            self._on_model_state(str(message.get("state")), now_s)
        elif kind == "session":
            self._on_session_state(str(message.get("state")), now_s)
        elif kind == "flush":
            self._arrivals.flushes_s.append(now_s)
        elif kind == "tool":
            record.tools[str(message.get("call_id"))] = str(message.get("status"))
        elif kind == "transcript" and message.get("final"):
            item_id = message.get("item_id")
            if item_id not in self._written:  # one that comes back is told again
                self._written.add(str(item_id))
                role = str(message.get("role"))
                record.transcripts[role] = record.transcripts.get(role, 0) + 1
        elif kind == "error":
            self._on_error(message)
        elif kind == "ended":
            self._on_lost(f"the bridge ended the call: {message.get('reason')}")

    def _on_session_state(self, state: str, now_s: float) -> None:
        outages = [o for o in self._record.outages if o.leg == "model"]
        is_out = bool(outages) and outages[-1].back_s is None
        if state == "recovering" and not is_out:
            self._record.outages.append(Outage("model", now_s, now_s))
        elif state == "live" and is_out:
            outages[-1].back_s = now_s

    def _on_model_state(self, state: str, now_s: float) -> None:
        self._record.states.append((now_s, state))
        if self._mouth is not None:
            self._mouth.busy(state in BUSY_STATES)

    def _on_error(self, message: dict[str, Any]) -> None:
        error = message.get("error")
        code = str(error.get("code")) if isinstance(error, dict) else "?"
        self._record.errors.append(code)
        if message.get("fatal"):
            self.fail(f"the bridge reports {code}")

    def _on_peer_lost(self, reason: str) -> None:
        if self._lifeline is not None and self._plan.reconnects:
            self._lifeline.ended()
        else:
            self._on_lost(reason)

    def _on_lost(self, reason: str) -> None:
        if not self._over.is_set():
            self.fail(reason)


class _Steps:
    """Splits the time of connecting: each step from the end of the one before."""

    def __init__(self, steps_ms: dict[str, float]) -> None:
        self._steps_ms = steps_ms
        self._since_s = time.monotonic()

    def done(self, name: str) -> None:
        now_s = time.monotonic()
        self._steps_ms[name] = (now_s - self._since_s) * 1000
        self._since_s = now_s

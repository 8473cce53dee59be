"""One conversation: its callers join, talk and leave; then its session ends. EDGE."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from simulator.bridge_api import BridgeApi, CallFailedError, Deadlines
from simulator.call import Call, CallPlan
from simulator.capture import CaptureClock
from simulator.peer import Leg
from simulator.playout_buffer import PlayoutConfig
from simulator.record import CallRecord
from simulator.relay import Relay
from simulator.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Line:
    """What every call of a run uses: signalling, clock, network."""

    api: BridgeApi
    clock: CaptureClock
    relay: Relay | None = None


@dataclass(frozen=True, slots=True)
class CallTerms:
    """What is the same for every call of a run."""

    seconds: float
    """Length of a conversation."""
    leg: Leg = "datachannel"
    playout: PlayoutConfig = field(default_factory=PlayoutConfig)
    addresses: tuple[str, ...] | None = ("127.0.0.1",)
    reconnects: bool = False


def call_plans(
    scenario: Scenario,
    terms: CallTerms,
    *,
    numbers: Iterator[int],
    conversation: int,
    deadlines: Deadlines,
) -> list[CallPlan]:
    """One plan per caller of a new conversation.

    Args:
        scenario: who does what.
        terms: how they call.
        numbers: gives each call its own.
        conversation: the conversation's number.
        deadlines: how long they wait for the bridge.
    """
    tag, conversation_id = f"sim-{uuid.uuid4().hex}", str(uuid.uuid4())
    plans = []
    for part in scenario.parts:
        leaves_s = terms.seconds if part.leaves_s is None else part.leaves_s
        seconds = min(leaves_s, terms.seconds) - part.joins_s
        if seconds > 0:
            plans.append(
                CallPlan(
                    index=next(numbers),
                    part=part,
                    seconds=seconds,
                    leg=terms.leg,
                    tag=tag,
                    conversation=conversation,
                    conversation_id=conversation_id,
                    playout=terms.playout,
                    addresses=terms.addresses,
                    deadlines=deadlines,
                    reconnects=terms.reconnects,
                )
            )
    return plans


def _ignore(_: object = None) -> None:
    pass


class Conversation:
    """The callers of one conversation; `run` once, `hang_up` ends all of them."""

    def __init__(
        self,
        plans: Sequence[CallPlan],
        line: Line,
        *,
        on_talking: Callable[[], None] = _ignore,
        on_over: Callable[[CallRecord], None] = _ignore,
    ) -> None:
        """Args:
        plans: one per caller; all have the same conversation id.
        line: what they use.
        on_talking: called when a caller is connected.
        on_over: told of each call when it is over.
        """
        self._plans = plans
        self._line = line
        self._on_talking = on_talking
        self._on_over = on_over
        self._calls: list[Call] = []
        self._over = asyncio.Event()

    def hang_up(self) -> None:
        """Every caller leaves now; who has not joined yet never does."""
        self._over.set()
        for call in self._calls:
            call.hang_up()

    async def run(self) -> list[Call]:
        """The calls, all over; the session has ended."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one(plan)) for plan in self._plans]
        calls = [call for task in tasks if (call := task.result()) is not None]
        for session_id in {call.session_id for call in calls if call.session_id}:
            try:
                await self._line.api.close_session(session_id)
            except CallFailedError as exc:
                calls[0].fail(f"ending the session: {exc}")
        return calls

    async def _one(self, plan: CallPlan) -> Call | None:
        try:
            async with asyncio.timeout(plan.part.joins_s):
                await self._over.wait()
            return None
        except TimeoutError:
            pass
        line = self._line
        call = Call(plan, line.api, line.clock, line.relay, on_talking=self._on_talking)
        self._calls.append(call)
        self._on_over(await call.run())
        return call

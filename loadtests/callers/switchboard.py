"""The calls of one process: begun, hung up and reported by order. EDGE (asyncio)."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from pathlib import Path

from loadtests.callers.analysing import Analyst
from loadtests.callers.core_waits import CoreWaits
from loadtests.callers.wire import (
    Broken,
    Event,
    HangUp,
    Order,
    Over,
    PlaceCall,
    Result,
    Talking,
)
from simulator.bridge_api import CallFailedError, Deadlines
from simulator.capture import ClockHealth
from simulator.conversation import CallTerms, Conversation, Line, call_plans
from simulator.machine import CpuReading
from simulator.parcel import Parcel
from simulator.peer import Leg
from simulator.result import STALL_MS, GeneratorHealth, percentiles
from simulator.scenario import SCENARIOS, Scenario
from simulator.scenario_file import read_scenario
from simulator.speech import prepare

logger = logging.getLogger(__name__)

SETTLE_S = 0.3
"""What is still under way at the fake when we hang up is recorded after this time."""


class Switchboard:
    """Any number of conversations; each is a task of the group it is given."""

    def __init__(
        self,
        line: Line,
        analyst: Analyst,
        waits: CoreWaits,
        say: Callable[[Event], None],
        *,
        leg: Leg = "datachannel",
        addresses: tuple[str, ...] | None = ("127.0.0.1",),
        fake_url: str | None = None,
    ) -> None:
        """Args:
        line: signalling, clock and network of every call.
        analyst: takes what is over.
        waits: how long the bridge had to wait for a core.
        say: gets every event, in order.
        leg: how the browsers carry audio.
        addresses: local addresses to offer; None offers all.
        fake_url: the fake; None asks the bridge for it.
        """
        self._line = line
        self._analyst = analyst
        self._waits = waits
        self._say = say
        self._leg = leg
        self._addresses = addresses
        self._fake_url = fake_url
        self._numbers = itertools.count()
        self._placed: set[int] = set()
        """Begun and not over: some may not be live yet."""
        self._live: dict[int, Conversation] = {}
        self._hung_up: set[int] = set()
        self._is_closed = False

    def handle(self, order: Order, tasks: asyncio.TaskGroup) -> None:
        """Do what is ordered; a new conversation becomes a task of the group."""
        if isinstance(order, HangUp):
            self.hang_up(order.id)
        elif self._is_closed or order.id in self._placed:
            self._say(Broken(order.id, "this call cannot be placed any more"))
        else:
            self._placed.add(order.id)
            tasks.create_task(self._perform(order), name=f"conversation-{order.id}")

    def hang_up(self, number: int | None = None) -> None:
        """End one conversation, or all that live now."""
        for one in self._placed if number is None else self._placed & {number}:
            self._hung_up.add(one)
            if (conversation := self._live.get(one)) is not None:
                conversation.hang_up()

    def close(self) -> None:
        """Hang up, and take no further calls."""
        self._is_closed = True
        self.hang_up()

    async def _perform(self, order: PlaceCall) -> None:
        try:
            await self._converse(order)
        finally:
            self._placed.discard(order.id)
            self._hung_up.discard(order.id)

    async def _converse(self, order: PlaceCall) -> None:
        try:
            scenario = await asyncio.to_thread(scenario_of, order)
        except (OSError, ValueError) as exc:
            self._say(Broken(order.id, f"scenario {order.scenario}: {exc}"))
            return
        conversation = Conversation(
            call_plans(
                scenario,
                CallTerms(order.seconds, self._leg, addresses=self._addresses),
                numbers=self._numbers,
                conversation=order.id,
                deadlines=Deadlines(),
            ),
            self._line,
            on_talking=lambda: self._say(Talking(order.id)),
        )
        if order.id in self._hung_up:
            self._say(Result(order.id))  # nobody ever called
            return
        self._live[order.id] = conversation
        before = CpuReading.now()
        try:
            calls = await conversation.run()
        finally:
            del self._live[order.id]
        was_hung_up = order.id in self._hung_up
        parcels = [call.parcel() for call in calls]
        health = self._line.clock.health
        doubts = [
            call_doubts(parcel, health, self._waits, before) for parcel in parcels
        ]
        await asyncio.sleep(SETTLE_S)
        await self._analyst.take(
            order.id,
            parcels,
            fake_url=await self._fake(),
            doubts=doubts,
            was_abandoned=was_hung_up,
        )
        is_connected = any("hello" in p.record.steps_ms for p in parcels)
        self._say(Over(order.id, is_connected))

    async def _fake(self) -> str | None:
        if self._fake_url is None:  # a bridge just started may not have had its fake
            try:
                model = (await self._line.api.health()).get("model")
            except CallFailedError as exc:
                logger.warning("asking for the fake: %s", exc)
                return None
            if isinstance(model, dict):
                self._fake_url = model.get("fake_url")
        return self._fake_url


def call_doubts(
    parcel: Parcel, health: ClockHealth, waits: CoreWaits, before: CpuReading
) -> list[str]:
    """Why the figures of a call that has just ended say nothing about the bridge.

    Args:
        parcel: the call.
        health: how well this process kept time.
        waits: how long the bridge had to wait for a core.
        before: the machine when the call began.
    """
    now = CpuReading.now()
    doubts = GeneratorHealth(
        lateness_ms=percentiles(parcel.record.mouth.lateness_ms),
        loop_lag_ms=percentiles(health.loop_lag_since(before.at_s)),
        stolen_percent=before.stolen_percent(now),
        cpu_percent=before.own_percent(now),
    ).doubts()
    wait_ms = waits.longest_ms(before.at_s)
    if wait_ms > STALL_MS:
        doubts.append(f"the bridge waited {wait_ms:.0f} ms for a core (> {STALL_MS:g})")
    return doubts


def scenario_of(order: PlaceCall) -> Scenario:
    """The scenario by its name or file, its sounds decoded.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no scenario, or says what nobody has recorded.
    """
    made = SCENARIOS.get(order.scenario)
    scenario = made(order.number) if made else read_scenario(Path(order.scenario))
    for sound in scenario.sounds():
        prepare(sound)
    return scenario

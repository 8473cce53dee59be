"""Many calls in one process: start them, let them talk, analyse them. EDGE."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from simulator.analyst import NO_FAKE, analyse
from simulator.bridge_api import BridgeApi, CallFailedError, Deadlines
from simulator.call import Call, CallPlan
from simulator.capture import CaptureClock
from simulator.conversation import CallTerms, Conversation, Line, call_plans
from simulator.fake_control import FakeControl
from simulator.machine import CpuReading
from simulator.network import Profile
from simulator.peer import Leg
from simulator.playout_buffer import PlayoutConfig
from simulator.record import CallRecord
from simulator.relay import Relay
from simulator.result import CallResult, GeneratorHealth, percentiles, summary
from simulator.scenario import Scenario
from simulator.speech import prepare

logger = logging.getLogger(__name__)

SETTLE_S = 0.3
"""What is still under way at the fake when we hang up is recorded after this time."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run is to do."""

    url: str
    sessions: int
    """Conversations at the same time."""
    seconds: float
    """Length of each."""
    scenario: Callable[[int], Scenario]
    """Gives each conversation (by number) what happens in it."""
    leg: Leg = "datachannel"
    stagger_s: float = 0.13
    """Time between two calls' starts; not a multiple of 20 ms, so that the callers'
    frames do not all fall on the same instant."""
    fake_url: str | None = None
    """The fake's address; None asks the bridge for it."""
    api_key: str | None = field(default=None, repr=False)
    """One of the bridge's keys, where it has any."""
    network: Profile | None = None
    """Leads every browser leg over this impaired network."""
    network_seed: int = 0
    keep: Path | None = None
    """Folder for the sound and the timeline of each call."""
    detail: bool = False
    """Also note every call's timeline, for a report."""
    playout: PlayoutConfig = field(default_factory=PlayoutConfig)
    drift_ppm: float = 0.0
    addresses: tuple[str, ...] | None = ("127.0.0.1",)
    deadlines: Deadlines = field(default_factory=Deadlines)


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run."""

    calls: list[CallResult]
    summary: dict[str, Any]

    @property
    def is_good(self) -> bool:
        """Whether every call succeeded and was heard."""
        return bool(self.calls) and not any(c.failures for c in self.calls)


async def run(plan: RunPlan, progress: Callable[[str], None]) -> RunResult:
    """Run the calls and analyse them.

    Args:
        plan: what to do.
        progress: gets a line of text now and then.

    Raises:
        CallFailedError: nobody answers at the bridge's address.
        OSError: the folder to keep calls in cannot be written to.
    """
    for index in range(plan.sessions):
        for what in plan.scenario(index).sounds():
            prepare(what)  # decoded now, not while others talk
    if plan.keep is not None:
        plan.keep.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        relay = await _relay(plan, stack)
        api = BridgeApi(http, plan.url, plan.deadlines, api_key=plan.api_key)
        health = await api.health()
        fake, reason = _fake(http, plan, health)
        if fake is not None:
            await fake.reset_lateness()
        clock = await stack.enter_async_context(CaptureClock(drift_ppm=plan.drift_ppm))
        before = CpuReading.now()
        calls = await _calls(plan, Line(api, clock, relay), progress)
        kept_time = await _kept_time(clock, before, fake)
        health_after = await _health_after(api)
        cpu_s = _cpu_s(health, health_after)
        if fake is None:  # a bridge just started may not have had its fake yet
            fake, reason = _fake(http, plan, health_after)
        progress("analysing …")
        await asyncio.sleep(SETTLE_S)
        results = await _analyse_all(plan, calls, fake, reason)
    figures = summary(results, kept_time, server_cpu_s=cpu_s)
    if relay is not None:
        figures["network"] = relay.as_dict()
    return RunResult(results, figures)


async def _relay(plan: RunPlan, stack: AsyncExitStack) -> Relay | None:
    if plan.network is None:
        return None
    allow_remote = plan.addresses is None
    relay = Relay(plan.network, seed=plan.network_seed, allow_remote=allow_remote)
    return await stack.enter_async_context(relay)


def _fake(
    http: aiohttp.ClientSession, plan: RunPlan, health: dict[str, Any]
) -> tuple[FakeControl | None, str | None]:
    model = health.get("model")
    url = plan.fake_url
    if url is None and isinstance(model, dict):
        url = model.get("fake_url")
    if url is None:
        return None, NO_FAKE
    return FakeControl(http, url), None


async def _calls(
    plan: RunPlan, line: Line, progress: Callable[[str], None]
) -> list[Call]:
    plans = _call_plans(plan)
    n_calls = sum(len(callers) for callers in plans)
    finished = 0

    def on_over(record: CallRecord) -> None:
        nonlocal finished
        finished += 1
        state = record.failure or f"talked {record.talk_s:.1f} s"
        progress(f"[{finished}/{n_calls}] call {record.index}: {state}")

    async def one(number: int, callers: list[CallPlan]) -> list[Call]:
        await asyncio.sleep(number * plan.stagger_s)
        return await Conversation(callers, line, on_over=on_over).run()

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(one(number, callers), name=f"conversation-{number}")
            for number, callers in enumerate(plans)
        ]
    return [call for task in tasks for call in task.result()]


def _call_plans(plan: RunPlan) -> list[list[CallPlan]]:
    """The callers of each conversation, numbered through."""
    numbers = itertools.count()
    return [
        call_plans(
            plan.scenario(conversation),
            CallTerms(
                plan.seconds,
                plan.leg,
                plan.playout,
                plan.addresses,
                reconnects=plan.network is not None,
            ),
            numbers=numbers,
            conversation=conversation,
            deadlines=plan.deadlines,
        )
        for conversation in range(plan.sessions)
    ]


async def _health_after(api: BridgeApi) -> dict[str, Any]:
    try:
        return await api.health()
    except CallFailedError as exc:
        logger.warning("the bridge's health after the run: %s", exc)
        return {}


def _cpu_s(before: dict[str, Any], after: dict[str, Any]) -> float | None:
    try:
        spent_s = float(after["process"]["cpu_s"]) - float(before["process"]["cpu_s"])
    except (KeyError, TypeError):
        return None
    return spent_s if spent_s >= 0 else None  # less: one of its processes is a new one


async def _kept_time(
    clock: CaptureClock, before: CpuReading, fake: FakeControl | None
) -> GeneratorHealth:
    now = CpuReading.now()
    return GeneratorHealth(
        lateness_ms=percentiles(clock.health.lateness_ms),
        loop_lag_ms=percentiles(clock.health.loop_lag_ms),
        fake_lateness_ms=await fake.lateness() if fake is not None else None,
        stolen_percent=before.stolen_percent(now),
        cpu_percent=before.own_percent(now),
    )


async def _analyse_all(
    plan: RunPlan, calls: list[Call], fake: FakeControl | None, reason: str | None
) -> list[CallResult]:
    """One conversation after the other, so that only one's sound is in memory twice."""
    results = []
    parcels = [call.parcel() for call in calls]
    for _, group in itertools.groupby(parcels, key=lambda p: p.record.conversation):
        results += await analyse(
            list(group), fake, reason=reason, keep=plan.keep, detail=plan.detail
        )
    return results

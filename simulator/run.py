"""Many calls in one process: start them, let them talk, analyse them. EDGE."""

from __future__ import annotations

import asyncio
import gc
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from simulator.bridge_api import BridgeApi, CallFailedError, Deadlines
from simulator.call import Call, CallPlan
from simulator.capture import CaptureClock
from simulator.fake_control import FakeControl, FakeUnavailableError
from simulator.measures import measure
from simulator.peer import Leg
from simulator.playout import PlayoutConfig
from simulator.record import ModelRecord
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
    seconds: float
    scenario: Callable[[int], Scenario]
    """Gives each caller (by number) its scenario."""
    leg: Leg = "datachannel"
    stagger_s: float = 0.13
    """Time between two calls' starts; not a multiple of 20 ms, so that the callers'
    frames do not all fall on the same instant."""
    fake_url: str | None = None
    """The fake's address; None asks the bridge for it."""
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
    """
    for index in range(plan.sessions):
        for what in plan.scenario(index).sounds():
            prepare(what)  # decoded now, not while others talk
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, trust_env=False) as http:
        api = BridgeApi(http, plan.url, plan.deadlines)
        health = await api.health()
        fake, reason = _fake(http, plan, health)
        gc.collect()
        gc.freeze()  # a full collection in mid-call would be measured as jitter
        async with CaptureClock(drift_ppm=plan.drift_ppm) as clock:
            calls = await _calls(plan, api, clock, progress)
        cpu_s = _cpu_s(health, await _health_after(api))
        progress("analysing …")
        await asyncio.sleep(SETTLE_S)
        fake_lateness = await _fake_lateness(fake)
        results = [await _analyse(call, fake, reason) for call in calls]
    kept_time = GeneratorHealth(
        lateness_ms=percentiles(clock.health.lateness_ms),
        loop_lag_ms=percentiles(clock.health.loop_lag_ms),
        fake_lateness_ms=fake_lateness,
    )
    return RunResult(results, summary(results, kept_time, server_cpu_s=cpu_s))


def _fake(
    http: aiohttp.ClientSession, plan: RunPlan, health: dict[str, Any]
) -> tuple[FakeControl | None, str | None]:
    model = health.get("model")
    url = plan.fake_url
    if url is None and isinstance(model, dict):
        url = model.get("fake_url")
    if url is None:
        return None, "no fake to ask: its address is neither given nor in /healthz"
    return FakeControl(http, url), None


async def _calls(
    plan: RunPlan, api: BridgeApi, clock: CaptureClock, progress: Callable[[str], None]
) -> list[Call]:
    finished = 0

    async def one(index: int) -> Call:
        nonlocal finished
        await asyncio.sleep(index * plan.stagger_s)
        call = Call(_call_plan(plan, index), api, clock)
        record = await call.run()
        finished += 1
        state = record.failure or f"talked {record.talk_s:.1f} s"
        progress(f"[{finished}/{plan.sessions}] call {index}: {state}")
        return call

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(one(index), name=f"call-{index}")
            for index in range(plan.sessions)
        ]
    return [task.result() for task in tasks]


def _call_plan(plan: RunPlan, index: int) -> CallPlan:
    return CallPlan(
        index=index,
        scenario=plan.scenario(index),
        seconds=plan.seconds,
        leg=plan.leg,
        tag=f"sim-{uuid.uuid4().hex}",
        conversation_id=str(uuid.uuid4()),
        playout=plan.playout,
        addresses=plan.addresses,
        deadlines=plan.deadlines,
    )


async def _health_after(api: BridgeApi) -> dict[str, Any]:
    try:
        return await api.health()
    except CallFailedError as exc:
        logger.warning("the bridge's health after the run: %s", exc)
        return {}


def _cpu_s(before: dict[str, Any], after: dict[str, Any]) -> float | None:
    try:
        return float(after["process"]["cpu_s"]) - float(before["process"]["cpu_s"])
    except (KeyError, TypeError):
        return None


async def _fake_lateness(fake: FakeControl | None) -> dict[str, Any] | None:
    if fake is None:
        return None
    try:
        lateness = (await fake.health()).get("lateness_ms")
    except FakeUnavailableError:
        return None
    return lateness if isinstance(lateness, dict) else None


async def _analyse(
    call: Call, fake: FakeControl | None, reason: str | None
) -> CallResult:
    record = call.hear()
    model: ModelRecord | None = None
    if fake is not None and record.ear is not None:
        try:
            model = await fake.record(record.tag)
        except FakeUnavailableError as exc:
            reason = str(exc)
    elif record.ear is None:
        reason = "the call never began"
    return CallResult(record, measure(record, model, reason))


def describe(result: RunResult) -> Sequence[str]:
    """The run in a few lines for a person."""
    figures = result.summary
    lines = [
        f"{figures['calls']} calls, {figures['failed']} failed, "
        f"{figures['function_calls']} function calls"
    ]
    for name in (
        "connect_ms",
        "mouth_to_model_ms",
        "model_to_ear_ms",
        "response_latency_ms",
        "model_response_ms",
        "gaps_ms",
        "audio_heard_s",
    ):
        f = figures[name]
        if f["n"]:
            lines.append(
                f"{name:22} p50 {f['p50']:9.2f}  p95 {f['p95']:9.2f}  "
                f"p99 {f['p99']:9.2f}  max {f['max']:9.2f}  n {f['n']}"
            )
        else:
            lines.append(f"{name:22} not measured: {f.get('reason', 'no values')}")
    cpu = figures["server_cpu_ms_per_session_s"]
    lines.append(f"{'server CPU':22} {cpu} ms per session-second")
    lines += [f"unreliable: {doubt}" for doubt in figures["doubts"]]
    return lines
